"""`CellSimulator`: images of cells with their labels, like those that are wanted."""

import warnings
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import NamedTuple

import numpy as np
from scipy import ndimage as ndi

from ..images import check_generator, check_images
from ._calibration import DIMMEST, POLARITIES, measure_cells
from ._contours import fill_outlines, sample_outlines, trace_outlines
from ._optics import blur, smooth_noise
from ._placement import place_apart
from ._shapes import draw_blob, overlap_slices
from ._textures import LENGTHS, texture_noise

_DEPTHS = 4  # of cells: as many blurs are told apart
_MIN_PLACED = 0.8  # of the wanted cells
_SPECTRA = ("texture", "background_texture")


@dataclass(frozen=True)
class CellSimulator:
    """Draw cells on an uneven background, and what a microscope makes of them.

    Intensities are in the units of the images that are wanted; cells are bright where `foreground`
    exceeds `background`, dark (Nissl, say) where it does not.

    Parameters
    ----------
    shape : tuple of 2 or 3 ints, default=(128, 128)
        Of an image, pixels.
    coverage : float in [0, 0.9], default=0.25
        Mean share of the image that cells cover.
    radius : float, default=8.0
        Median of the cells' radii, pixels.
    radius_spread : float, default=0.25
        Standard deviation of their logarithm.
    elongation : float, default=1.6
        Largest ratio of the axes of a cell.
    roughness : float, default=0.06
        Standard deviation of the outline, in units of the radius.
    overlap : float in [0, 0.9], default=0.15
        How much closer than touching two cells may be, in units of the sum of their radii. In two
        dimensions also the largest share of a cell that others may hide.
    foreground, background : float, default=0.6 and 0.15
        Mean intensities.
    foreground_spread : float, default=0.25
        Standard deviation of the contrast between cells, in units of the mean contrast.
    texture : float or tuple of float, default=0.12
        Standard deviation of intensities inside of a cell as seen in focus, in units of its
        contrast. Of a number the correlation length is half a radius; of a tuple of up to six 2,
        4, 8, ... pixels.
    background_spread : float, default=0.04
        Standard deviation of the background from place to place.
    background_texture : tuple of float, default=()
        Standard deviations of what lies between cells (fibers, grains, what is out of focus), at
        correlation lengths of 2, 4, 8, ... pixels, up to six.
    psf : float, default=1.0
        Standard deviation of the blur in focus, pixels.
    noise : float, default=0.03
        Standard deviation of the noise.
    defocus : float, default=0.0
        Blur of cells out of focus, pixels: in two dimensions that of a cell whose distance from
        the focal plane is one standard deviation; in three, of light along the first axis.
    section_blur : float, default=0.0
        Blur of whole images, since not every section is in focus, pixels; drawn for each of them as
        that of cells is.
    variants : tuple of CellSimulator, default=()
        Where there are some, each image is drawn by one of them, in `shape`.

    Raises
    ------
    ValueError
        For values out of their ranges.

    Notes
    -----
    In two dimensions cells are ellipses with Fourier contours at random distances from the focal
    plane, seen in projection: of two that overlap the sharper one lies on top, and a share of the
    other's light, one for each image, comes through. In three dimensions, where nothing is hidden,
    a pixel belongs to the cell that it lies deeper in.

    Examples
    --------
    >>> from sskseg.simulation import CellSimulator
    >>> X, y = CellSimulator(shape=(64, 64)).sample(2, random_state=0)
    >>> X.shape, y.dtype
    ((2, 64, 64), dtype('int32'))
    """

    shape: tuple[int, ...] = (128, 128)
    coverage: float = 0.25
    radius: float = 8.0
    radius_spread: float = 0.25
    elongation: float = 1.6
    roughness: float = 0.06
    overlap: float = 0.15
    foreground: float = 0.6
    background: float = 0.15
    foreground_spread: float = 0.25
    texture: float | tuple[float, ...] = 0.12
    background_spread: float = 0.04
    background_texture: tuple[float, ...] = ()
    psf: float = 1.0
    noise: float = 0.03
    defocus: float = 0.0
    section_blur: float = 0.0
    variants: tuple["CellSimulator", ...] = field(default=(), repr=False)

    def __post_init__(self):
        if len(self.shape) not in (2, 3) or min(self.shape) < 8:
            raise ValueError(f"shape must be 2 or 3 sides of at least 8, got {self.shape!r}.")
        limits = {"coverage": (0, 0.9), "overlap": (0, 0.9), "radius": (0.5, np.inf),
                  "elongation": (1, 10)}  # fmt: skip
        limits |= dict.fromkeys(
            ("radius_spread", "roughness", "foreground_spread", "texture", "background_spread",
             "background_texture", "psf", "noise", "defocus", "section_blur"), (0, np.inf),
        )  # fmt: skip
        for name in _SPECTRA:
            self._check_spectrum(name)
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            values = value if name in _SPECTRA and isinstance(value, tuple) else (value,)
            if not all(low <= v <= high for v in values):
                raise ValueError(f"{name} must be between {low} and {high}, got {value!r}.")

    def _check_spectrum(self, name):
        """Make a tuple of another sequence."""
        value = getattr(self, name)
        if name == "texture" and np.ndim(value) == 0:
            return
        if np.ndim(value) != 1 or len(value) > len(LENGTHS):
            raise ValueError(f"{name} must be at most {len(LENGTHS)} numbers, got {value!r}.")
        object.__setattr__(self, name, tuple(map(float, value)))  # the class is frozen

    def sample(self, n, random_state=None):
        """Draw images.

        Parameters
        ----------
        n : int
        random_state : int, RandomState, Generator or None, default=None
            Image i is the same however many are drawn.

        Returns
        -------
        X : ndarray of float32, shape (n, *shape)
        y : ndarray of int32, shape (n, *shape)
            0 background; 1, 2, ... cells.

        Warns
        -----
        UserWarning
            If less than 80 % of the cells that `coverage` asks for found place; it says how many.
        """
        scenes = self._scenes(n, random_state)
        return np.stack([s.image for s in scenes]), np.stack([s.labels for s in scenes])

    def sample_contours(self, n, random_state=None):
        """Draw images, and outlines of whole cells, also where another one lies over them.

        Parameters
        ----------
        n : int
        random_state : int, RandomState, Generator or None, default=None
            Images and label images are those of `sample`.

        Returns
        -------
        X : ndarray of float32, shape (n, height, width)
        y : ndarray of int32, shape (n, height, width)
        contours : list of list of ndarray of float, shape (64, 2)
            For each image one polygon a cell, row and column, in the order of the labels 1, 2, ...
            A pixel that lies inside has this label, or that of a cell on top of it. Polygons leave
            the image where cells do.

        Raises
        ------
        ValueError
            In three dimensions, where outlines are surfaces.
        """
        if len(self.shape) != 2:
            raise ValueError(f"Contours need a shape of 2 sides, got {self.shape!r}.")
        scenes = self._scenes(n, random_state)
        images, labels = zip(*(s[:2] for s in scenes), strict=True)
        return np.stack(images), np.stack(labels), [list(s.contours) for s in scenes]

    def render(self, labels, random_state=None):
        """Draw an image of given labels.

        Parameters
        ----------
        labels : ndarray of int
            0 background; other values are cells.
        random_state : int, RandomState, Generator or None, default=None

        Returns
        -------
        ndarray of float32, shape of `labels`
        """
        rng, labels = check_generator(random_state), np.asarray(labels)
        if self.variants:
            return self.variants[int(rng.integers(len(self.variants)))].render(labels, rng)
        ids, index = np.unique(labels, return_inverse=True)
        index = index.reshape(labels.shape)
        distance = ndi.distance_transform_edt(labels > 0)
        largest = np.maximum(ndi.maximum(distance, index, np.arange(len(ids))), 1e-6)
        bright = self._contrasts(rng, len(ids)) * (ids > 0)
        light = bright[index] * (0.7 + 0.3 * np.sqrt(distance / largest[index]))
        return self._seen(rng, [(light.astype(np.float32), 0.0)])

    def calibrate(self, X, y=None, *, polarity="auto"):
        """Fit sizes, density, intensities, textures, blur and noise to real images.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial)
            Of one channel; a list where sizes differ.
        y : array-like of int, shape (n_samples, *spatial), default=None
            Label images, where there are some; -1 unlabeled.
        polarity : {"auto", "bright", "dark"}, default="auto"
            Whether cells are brighter than what is around them. "auto" finds out: from labels, or
            else they are what is on the smaller side of Otsu's threshold in most images.

        Returns
        -------
        CellSimulator
            Each of its images is like one of X (`variants`), without cells where that has none; its
            own parameters are the medians over those with cells. `shape`, `elongation`,
            `roughness`, `overlap`, `defocus` and `section_blur` stay.

        Raises
        ------
        ValueError
            If no cell is found, only cells are labeled, or the images have several channels.

        Warns
        -----
        UserWarning
            If the given polarity is not what is found.
        """
        if polarity not in POLARITIES:
            raise ValueError(f"polarity must be one of {POLARITIES}, got {polarity!r}.")
        images = check_images(X, len(self.shape), n_channels=1)
        images = [image[..., 0].astype(np.float32) for image in images]
        medians, each = measure_cells(images, y, polarity)
        plain = replace(self, variants=(), **medians)
        return replace(plain, variants=tuple(replace(plain, **found) for found in each))

    def _scenes(self, n, random_state):
        """What `sample` draws; warns where many cells found no place."""
        if not isinstance(n, Integral) or n < 1:
            raise ValueError(f"n must be a positive integer, got {n!r}.")
        scenes = [self._scene(rng) for rng in check_generator(random_state).spawn(int(n))]
        wanted, placed = (sum(s[i] for s in scenes) for i in (-2, -1))
        if placed < _MIN_PLACED * wanted:
            warnings.warn(
                f"Only {placed} of {wanted} cells found place in {n} images: lower coverage (now "
                f"{self.coverage:.2f}), or raise overlap (now {self.overlap:.2f}).",
                stacklevel=3,
            )
        return scenes

    def _scene(self, rng):
        if self.variants:
            variant = self.variants[int(rng.integers(len(self.variants)))]
            return replace(variant, shape=self.shape)._scene(rng)
        ndim = len(self.shape)
        ball = {2: np.pi, 3: 4 / 3 * np.pi}[ndim] * self.radius**ndim
        # The mean of a power of a log-normal size is larger than that of its median.
        ball *= np.exp((ndim * self.radius_spread) ** 2 / 2)
        n = int(rng.poisson(self.coverage * np.prod(self.shape) / ball))
        radii = self.radius * np.exp(self.radius_spread * rng.standard_normal(n))
        bright = self._contrasts(rng, n)
        draw = self._projection if ndim == 2 else self._volume
        labels, layers, contours = draw(rng, radii, bright)
        placed = len(contours) if ndim == 2 else int(labels.max())
        return _Scene(self._seen(rng, layers), labels, contours, n, placed)

    def _contrasts(self, rng, n):
        """How much brighter (darker) than the background each of `n` cells is."""
        relative = np.maximum(DIMMEST, 1 + self.foreground_spread * rng.standard_normal(n))
        return (self.foreground - self.background) * relative

    def _volume(self, rng, radii, bright):
        labels, light = draw_cells(
            rng, radii, self.shape, separation=1 - self.overlap, brightness=iter(bright).__next__,
            elongation=self.elongation, roughness=self.roughness,
        )  # fmt: skip
        return labels, [(light, 0.0)], None

    def _projection(self, rng, radii, bright):
        """Labels, light at each depth with its blur, and whole contours."""
        centers, placed = place_apart(rng, radii, self.shape, separation=1 - self.overlap)
        outlines = sample_outlines(
            rng, centers, radii[placed], elongation=self.elongation, roughness=self.roughness
        )
        distance = np.abs(rng.standard_normal(len(placed)))
        through = rng.uniform()
        order = np.argsort(-distance)  # the sharpest are painted last
        outlines = type(outlines)(*(part[order] for part in outlines))
        filling = fill_outlines(outlines, self.shape)
        labels, shown = _paint_over(filling, len(order), self.shape, self.overlap)
        light = bright[placed][order][filling.cell] * (0.7 + 0.3 * np.sqrt(filling.depth))
        on_top = labels.ravel()[filling.pixel] == shown[filling.cell]
        light *= np.where(on_top, 1, through) * (shown[filling.cell] > 0)
        layers = self._layers(filling, light, distance[order])
        return labels, layers, trace_outlines(outlines)[shown > 0]

    def _layers(self, filling, light, distance):
        """Images of the light of cells that are about as far from the focal plane."""
        n_layers = min(_DEPTHS, max(1, len(distance))) if self.defocus else 1
        of_cell = np.arange(len(distance)) * n_layers // max(1, len(distance))
        layers = []
        for i in range(n_layers):
            here = of_cell[filling.cell] == i
            image = np.bincount(filling.pixel[here], light[here], int(np.prod(self.shape)))
            far = np.sqrt(np.mean(distance[of_cell == i] ** 2)) if len(distance) else 0.0
            layers.append((image.reshape(self.shape).astype(np.float32), self.defocus * far))
        return layers

    def _seen(self, rng, layers):
        """Texture, background, blur and noise."""
        shape = layers[0][0].shape
        inside = np.maximum(self._texture(rng, shape), -1)
        around = smooth_noise(rng, shape, max(4.0, min(shape) / 3))
        section = self.section_blur * rng.standard_normal()
        image = self.background + self.background_spread * around
        image += texture_noise(rng, shape, self.background_texture)
        for light, far in layers:
            beyond = np.full(len(shape), np.hypot(section, far))
            if len(shape) == 3:
                beyond[0] = np.hypot(beyond[0], self.defocus)
            # The texture is as seen in focus: only what is out of it blurs it further.
            image += blur(light, np.hypot(self.psf, beyond)) * (1 + blur(inside, beyond))
        image += self.noise * rng.standard_normal(shape, dtype=np.float32)
        return image.astype(np.float32)

    def _texture(self, rng, shape):
        """Of the inside of cells, in units of their brightness."""
        if isinstance(self.texture, tuple):
            return texture_noise(rng, shape, self.texture)
        return self.texture * smooth_noise(rng, shape, max(2.0, self.radius / 2))


class _Scene(NamedTuple):
    """An image and what is in it."""

    image: np.ndarray
    labels: np.ndarray
    contours: np.ndarray | None
    wanted: int
    placed: int


def draw_cells(rng, radii, shape, *, separation, brightness, **options):
    """Place cells and draw them; where they overlap a pixel goes to the one that it is deeper in.

    Parameters
    ----------
    rng : numpy.random.Generator
    radii : ndarray of shape (n,)
        Pixels.
    shape : tuple of int
        Of the image.
    separation : float
        As in `place_apart`.
    brightness : callable
        ``brightness() -> float``, of the middle of the next cell; 0.7 times that on its outline.
    **options
        Of `draw_blob`.

    Returns
    -------
    labels : ndarray of int32
        1, 2, ...: cells that others hide leave no gap.
    light : ndarray of float32
        0 outside of cells.
    """
    centers, placed = place_apart(rng, radii, shape, separation=separation)
    labels = np.zeros(shape, np.int32)
    depth = np.zeros(shape, np.float32)
    light = np.zeros(shape, np.float32)
    for number, (center, radius) in enumerate(zip(centers, radii[placed], strict=True), start=1):
        blob = draw_blob(rng, center, radius, **options)
        _paint(blob, labels, depth, light, number, brightness())
    return _renumber(labels), light


def _paint(blob, labels, depth, light, number, brightness):
    here, there = overlap_slices(blob.start, blob.depth.shape, labels.shape)
    if here is None:
        return
    part = blob.depth[there]
    deeper = part > np.maximum(depth[here], 0)
    labels[here][deeper] = number
    depth[here][deeper] = part[deeper]
    light[here][deeper] = brightness * (0.7 + 0.3 * np.sqrt(part[deeper]))


def _paint_over(filling, n_cells, shape, most):
    """Paint cells in their order, but those of which more than `most` would be hidden.

    Returns
    -------
    labels : ndarray of int32
    shown : ndarray of int, shape (n_cells,)
        Label of each cell; 0 of those left out.
    """
    labels = np.zeros(int(np.prod(shape)), np.int32)
    labels[filling.pixel] = filling.cell + 1  # of several the last stays
    whole = np.bincount(filling.cell, minlength=n_cells)
    visible = np.bincount(labels, minlength=n_cells + 1)[1:]
    kept = (visible > 0) & (visible >= (1 - most) * whole)
    shown = np.where(kept, np.cumsum(kept), 0)
    if not kept.all():
        labels[:] = 0
        stay = kept[filling.cell]
        filling = type(filling)(*(part[stay] for part in filling))
    labels[filling.pixel] = shown[filling.cell]
    return labels.reshape(shape), shown


def _renumber(labels):
    ids, inverse = np.unique(labels, return_inverse=True)
    new = np.arange(len(ids)) + (0 if ids[0] == 0 else 1)
    return new[inverse].reshape(labels.shape).astype(np.int32)
