"""`CellSimulator`: simulate images of cells with their labels, calibrated to real images."""

import warnings
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage as ndi

from ..images import check_generator, check_images
from ._calibration import MIN_BRIGHTNESS, POLARITIES, measure_cells
from ._contours import fill_outlines, sample_outlines, trace_outlines
from ._optics import blur, smooth_noise
from ._painting import draw_cells, paint_over
from ._placement import place_apart
from ._shapes import brightness_at
from ._textures import LENGTHS, texture_noise

_MAX_LAYERS = 4  # of cells at different depths, each with its own blur
_MIN_PLACED = 0.8  # share of the requested cells
_SPECTRA = ("texture", "background_texture")


@dataclass(frozen=True)
class CellSimulator:
    """Simulate microscope images of cells on an uneven background.

    Intensities are in the units of the simulated images. Cells are bright if `foreground` exceeds
    `background`, dark (as in Nissl stain) if it does not.

    Parameters
    ----------
    shape : tuple of 2 or 3 ints, default=(128, 128)
        Shape of an image, pixels.
    coverage : float in [0, 0.9], default=0.25
        Mean share of the image covered by cells.
    radius : float, default=8.0
        Median radius of the cells, pixels.
    radius_spread : float, default=0.25
        Standard deviation of the logarithm of the radii.
    elongation : float, default=1.6
        Maximum ratio of the axes of a cell.
    roughness : float, default=0.06
        Standard deviation of the outline, in units of the radius.
    overlap : float in [0, 0.9], default=0.15
        Maximum overlap of two cells, in units of the sum of their radii. In two dimensions also
        the maximum share of a cell that is hidden by others.
    foreground, background : float, default=0.6 and 0.15
        Mean intensity in the middle of cells before the blur, and that between cells. Cells are
        darker near their outlines, where they have 0.7 of the contrast.
    foreground_spread : float, default=0.25
        Standard deviation of the contrast between cells, in units of the mean contrast.
    texture : float or tuple of float, default=0.12
        Standard deviation of intensities inside a cell in focus, in units of its contrast. A
        number has a correlation length of half a radius; the elements of a tuple, up to six, have
        2, 4, 8, ... pixels.
    background_spread : float, default=0.04
        Standard deviation of the slowly varying background.
    background_texture : tuple of float, default=()
        Standard deviations of the texture between cells (fibers, grains, out-of-focus light), up to
        six, at correlation lengths of 2, 4, 8, ... pixels.
    psf : float, default=1.0
        Standard deviation of the blur in focus, pixels.
    noise : float, default=0.03
        Standard deviation of the noise.
    defocus : float, default=0.0
        Blur of cells out of focus, pixels: in two dimensions for a cell at a distance of one
        standard deviation from the focal plane; in three dimensions along the first axis.
    section_blur : float, default=0.0
        Blur of whole images, pixels, since not every section is in focus; standard deviation over
        the images.
    variants : tuple of CellSimulator, default=()
        If not empty, each image is drawn by a random one of them, in `shape`.

    Raises
    ------
    ValueError
        If a value is out of range.

    Notes
    -----
    In two dimensions images are projections of ellipses with Fourier contours at random distances
    from the focal plane: of overlapping cells the sharper one is on top and transmits a share of
    the light of the other, drawn for each image. In three dimensions nothing is hidden; a voxel
    belongs to the cell it is deeper in.

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
        """Convert a sequence to a tuple and check its length."""
        value = getattr(self, name)
        if name == "texture" and np.ndim(value) == 0:
            return
        if np.ndim(value) != 1 or len(value) > len(LENGTHS):
            raise ValueError(f"{name} must be at most {len(LENGTHS)} numbers, got {value!r}.")
        object.__setattr__(self, name, tuple(map(float, value)))  # the class is frozen

    def sample(self, n: int, random_state: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Draw images.

        Parameters
        ----------
        n : int
        random_state : int, RandomState, Generator or None, default=None
            Image i does not depend on `n`.

        Returns
        -------
        X : ndarray of float32, shape (n, *shape)
        y : ndarray of int32, shape (n, *shape)
            0 background; 1, 2, ... cells.

        Warns
        -----
        UserWarning
            If less than 80 % of the cells that `coverage` requests could be placed, or if no image
            has a cell because `radius` is larger than `shape`.
        """
        scenes = self._scenes(n, random_state)
        return np.stack([s.image for s in scenes]), np.stack([s.labels for s in scenes])

    def sample_contours(
        self, n: int, random_state: Any = None
    ) -> tuple[np.ndarray, np.ndarray, list[list[np.ndarray]]]:
        """Draw images and the contours of whole cells, including hidden parts.

        Parameters
        ----------
        n : int
        random_state : int, RandomState, Generator or None, default=None
            The same images and label images as `sample`.

        Returns
        -------
        X : ndarray of float32, shape (n, height, width)
        y : ndarray of int32, shape (n, height, width)
        contours : list of list of ndarray of float, shape (64, 2)
            A list for each image, with the polygon of each cell in the order of the labels 1, 2,
            ... The columns are row and column of its points. Pixels inside have this label, or that
            of a cell on top. Polygons may extend beyond the image.

        Raises
        ------
        ValueError
            If images are three-dimensional.
        """
        if len(self.shape) != 2:
            raise ValueError(f"Contours need a shape of 2 sides, got {self.shape!r}.")
        scenes = self._scenes(n, random_state)
        images, labels = zip(*(s[:2] for s in scenes), strict=True)
        return np.stack(images), np.stack(labels), [list(s.contours) for s in scenes]

    def render(self, labels: ArrayLike, random_state: Any = None) -> np.ndarray:
        """Draw an image of a given label image.

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
        light = bright[index] * brightness_at(distance / largest[index])
        return self._acquire(rng, [(light.astype(np.float32), 0.0)])

    def calibrate(self, X: Any, y: Any = None, *, polarity: str = "auto") -> "CellSimulator":
        """Fit sizes, density, intensities, textures, blur and noise to real images.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial)
            Images of one channel; a list if sizes differ.
        y : array-like of int, shape (n_samples, *spatial), default=None
            Label images, if available; -1 unlabeled. If fewer than half of the objects are labeled
            as a whole, such as points and strokes, sizes and coverage are measured as without
            labels.
        polarity : {"auto", "bright", "dark"}, default="auto"
            Whether cells are brighter or darker than the background. "auto" estimates it from the
            labels; without labels, cells are the smaller side of Otsu's threshold in most images.

        Returns
        -------
        CellSimulator
            One variant for each image of X (`variants`), or each labeled one, without cells if the
            image has none. Of more than about 4 million pixels, evenly spaced images are measured.
            Its own parameters are the medians over images with cells. `shape`, `elongation`,
            `roughness`, `overlap`, `defocus` and `section_blur` do not change.

        Raises
        ------
        ValueError
            If there are no cells, no labeled background, or several channels.

        Warns
        -----
        UserWarning
            If `polarity` contradicts the images.
        """
        if polarity not in POLARITIES:
            raise ValueError(f"polarity must be one of {POLARITIES}, got {polarity!r}.")
        images = check_images(X, len(self.shape), n_channels=1)
        images = [image[..., 0].astype(np.float32) for image in images]
        medians, each = measure_cells(images, y, polarity)
        plain = replace(self, variants=(), **medians)
        return replace(plain, variants=tuple(replace(plain, **parameters) for parameters in each))

    def _scenes(self, n, random_state):
        """Draw scenes; warn if many cells could not be placed."""
        if not isinstance(n, Integral) or n < 1:
            raise ValueError(f"n must be a positive integer, got {n!r}.")
        scenes = [self._scene(rng) for rng in check_generator(random_state).spawn(int(n))]
        self._warn_of_radius(scenes)
        requested, placed = (sum(s[i] for s in scenes) for i in (-2, -1))
        if placed < _MIN_PLACED * requested:
            warnings.warn(
                f"Only {placed} of {requested} cells could be placed in {n} images: lower coverage "
                f"(now {self.coverage:.2f}), or raise overlap (now {self.overlap:.2f}).",
                stacklevel=3,
            )
        return scenes

    def _warn_of_radius(self, scenes):
        """Warn if cells are so large that no image has one."""
        widest = max(each.radius for each in (*self.variants, self))
        is_empty = not any(scene.labels.any() for scene in scenes)
        if is_empty and self.coverage > 0 and 2 * widest > max(self.shape):
            warnings.warn(
                f"No image has a cell: cells with a radius of {widest:g} pixels are larger than "
                f"images of shape {self.shape}. Use a larger shape.",
                stacklevel=4,
            )

    def _scene(self, rng):
        if self.variants:
            variant = self.variants[int(rng.integers(len(self.variants)))]
            return replace(variant, shape=self.shape)._scene(rng)
        ndim = len(self.shape)
        ball = {2: np.pi, 3: 4 / 3 * np.pi}[ndim] * self.radius**ndim
        # The mean of a power of a log-normal variable exceeds the power of its median.
        ball *= np.exp((ndim * self.radius_spread) ** 2 / 2)
        n = int(rng.poisson(self.coverage * np.prod(self.shape) / ball))
        radii = self.radius * np.exp(self.radius_spread * rng.standard_normal(n))
        bright = self._contrasts(rng, n)
        draw = self._projection if ndim == 2 else self._volume
        labels, layers, contours = draw(rng, radii, bright)
        placed = len(contours) if ndim == 2 else int(labels.max())
        return _Scene(self._acquire(rng, layers), labels, contours, n, placed)

    def _contrasts(self, rng, n):
        """Contrast of each of `n` cells to the background."""
        relative = np.maximum(MIN_BRIGHTNESS, 1 + self.foreground_spread * rng.standard_normal(n))
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
        order = np.argsort(-distance)  # the sharpest on top
        outlines = type(outlines)(*(part[order] for part in outlines))
        filling = fill_outlines(outlines, self.shape)
        labels, shown = paint_over(filling, len(order), self.shape, self.overlap)
        light = bright[placed][order][filling.cell] * brightness_at(filling.depth)
        on_top = labels.ravel()[filling.pixel] == shown[filling.cell]
        light *= np.where(on_top, 1, through) * (shown[filling.cell] > 0)
        layers = self._layers(filling, light, distance[order])
        return labels, layers, trace_outlines(outlines)[shown > 0]

    def _layers(self, filling, light, distance):
        """Group cells by distance from the focal plane: images of their light, with their blur."""
        n_layers = min(_MAX_LAYERS, max(1, len(distance))) if self.defocus else 1
        of_cell = np.arange(len(distance)) * n_layers // max(1, len(distance))
        layers = []
        for i in range(n_layers):
            here = of_cell[filling.cell] == i
            image = np.bincount(filling.pixel[here], light[here], int(np.prod(self.shape)))
            far = np.sqrt(np.mean(distance[of_cell == i] ** 2)) if len(distance) else 0.0
            layers.append((image.reshape(self.shape).astype(np.float32), self.defocus * far))
        return layers

    def _acquire(self, rng, layers):
        """Add texture, background, blur and noise to the light of cells."""
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
            # The texture is defined in focus: only defocus blurs it further.
            image += blur(light, np.hypot(self.psf, beyond)) * (1 + blur(inside, beyond))
        image += self.noise * rng.standard_normal(shape, dtype=np.float32)
        return image.astype(np.float32)

    def _texture(self, rng, shape):
        """Texture inside cells, in units of their brightness."""
        if isinstance(self.texture, tuple):
            return texture_noise(rng, shape, self.texture)
        return self.texture * smooth_noise(rng, shape, max(2.0, self.radius / 2))


class _Scene(NamedTuple):
    """An image with its annotations."""

    image: np.ndarray
    labels: np.ndarray
    contours: np.ndarray | None
    requested: int
    placed: int
