"""`CellSimulator`: images of cells with their labels, like those that are wanted."""

from dataclasses import dataclass, field, replace
from numbers import Integral

import numpy as np
from scipy import ndimage as ndi

from ..images import check_generator, check_images
from ._optics import blur, smooth_noise
from ._placement import place_apart
from ._shapes import draw_blob, overlap_slices

_MOST_PIXELS = 2**22  # looked at in calibration


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
        How much closer than touching two cells may be, in units of the sum of their radii.
    foreground, background : float, default=0.6 and 0.15
        Mean intensities.
    foreground_spread : float, default=0.25
        Standard deviation of the contrast between cells, in units of the mean contrast.
    texture : float, default=0.12
        Standard deviation of intensities inside of a cell, in units of the contrast.
    background_spread : float, default=0.04
        Standard deviation of the background from place to place.
    psf : float, default=1.0
        Standard deviation of the blur, pixels.
    noise : float, default=0.03
        Standard deviation of the noise.
    variants : tuple of CellSimulator, default=()
        Where there are some, each image is drawn by one of them, in `shape`.

    Raises
    ------
    ValueError
        For values out of their ranges.

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
    texture: float = 0.12
    background_spread: float = 0.04
    psf: float = 1.0
    noise: float = 0.03
    variants: tuple["CellSimulator", ...] = field(default=(), repr=False)

    def __post_init__(self):
        if len(self.shape) not in (2, 3) or min(self.shape) < 8:
            raise ValueError(f"shape must be 2 or 3 sides of at least 8, got {self.shape!r}.")
        limits = {"coverage": (0, 0.9), "overlap": (0, 0.9), "radius": (0.5, np.inf),
                  "elongation": (1, 10)}  # fmt: skip
        limits |= dict.fromkeys(
            ("radius_spread", "roughness", "foreground_spread", "texture", "background_spread",
             "psf", "noise"), (0, np.inf),
        )  # fmt: skip
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(
                    f"{name} must be between {low} and {high}, got {getattr(self, name)!r}."
                )

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
            0 background; 1, 2, ... cells, each pixel that of the cell that it lies deeper in.
        """
        if not isinstance(n, Integral) or n < 1:
            raise ValueError(f"n must be a positive integer, got {n!r}.")
        drawn = [self._image(rng) for rng in check_generator(random_state).spawn(int(n))]
        X, y = zip(*drawn, strict=True)
        return np.stack(X), np.stack(y)

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
        bright = np.maximum(0.15, 1 + self.foreground_spread * rng.standard_normal(len(ids)))
        bright = (self.foreground - self.background) * bright * (ids > 0)
        light = bright[index] * (0.7 + 0.3 * np.sqrt(distance / largest[index]))
        return self._seen(rng, light.astype(np.float32), labels > 0)

    def calibrate(self, X, y=None):
        """Fit sizes, density and intensities to real images.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial)
            Of one channel; a list where sizes differ.
        y : array-like of int, shape (n_samples, *spatial), default=None
            Label images, where there are some; -1 unlabelled. None: cells are what is on the
            smaller side of Otsu's threshold.

        Returns
        -------
        CellSimulator
            Each of its images is like one of X (`variants`); its own parameters are the medians
            over X. `shape`, `elongation`, `roughness` and `overlap` stay.

        Raises
        ------
        ValueError
            If no cell is found, or the images have several channels.
        """
        images = check_images(X, len(self.shape), n_channels=1)
        step = max(1, sum(image.size for image in images) // _MOST_PIXELS)
        known = [None] * len(images) if y is None else list(y)
        looks = [
            _Look.of(image[..., 0].astype(np.float32), label)
            for image, label in list(zip(images, known, strict=True))[::step]
            if label is None or (np.asarray(label) > 0).any()
        ]
        looks = [look for look in looks if look is not None]
        if not looks:
            raise ValueError("No cell was found in X; is it empty, or are there labels to give?")
        plain = replace(self, variants=())
        variants = tuple(replace(plain, **look.parameters()) for look in looks)
        names = looks[0].parameters()
        medians = {name: float(np.median([getattr(v, name) for v in variants])) for name in names}
        return replace(self, **medians, variants=variants)

    def _image(self, rng):
        if self.variants:
            variant = self.variants[int(rng.integers(len(self.variants)))]
            return replace(variant, shape=self.shape)._image(rng)
        ndim = len(self.shape)
        ball = {2: np.pi, 3: 4 / 3 * np.pi}[ndim] * self.radius**ndim
        # The mean of a power of a log-normal size is larger than that of its median.
        ball *= np.exp((ndim * self.radius_spread) ** 2 / 2)
        n = int(rng.poisson(self.coverage * np.prod(self.shape) / ball))
        radii = self.radius * np.exp(self.radius_spread * rng.standard_normal(n))
        contrast = self.foreground - self.background
        labels, light = draw_cells(
            rng, radii, self.shape, separation=1 - self.overlap,
            brightness=lambda: contrast * max(
                0.15, 1 + self.foreground_spread * rng.standard_normal()
            ),
            elongation=self.elongation, roughness=self.roughness,
        )  # fmt: skip
        return self._seen(rng, light, labels > 0), labels

    def _seen(self, rng, light, mask):
        """Texture, background, blur and noise."""
        contrast, shape = self.foreground - self.background, light.shape
        inside = smooth_noise(rng, shape, max(2.0, self.radius / 2))
        light = light + self.texture * contrast * inside * mask
        around = smooth_noise(rng, shape, max(4.0, min(shape) / 3))
        image = blur(light, self.psf) + self.background + self.background_spread * around
        image += self.noise * rng.standard_normal(shape, dtype=np.float32)
        return image.astype(np.float32)


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


def _renumber(labels):
    ids, inverse = np.unique(labels, return_inverse=True)
    new = np.arange(len(ids)) + (0 if ids[0] == 0 else 1)
    return new[inverse].reshape(labels.shape).astype(np.int32)


@dataclass(frozen=True)
class _Look:
    """What one real image looks like."""

    coverage: float
    log_radii: np.ndarray
    foreground: float
    foreground_spread: float
    texture: float
    background: float
    background_spread: float
    psf: float
    noise: float

    def parameters(self):
        """Of a simulator that draws such images."""
        middle = np.median(self.log_radii)
        spread = 1.4826 * np.median(np.abs(self.log_radii - middle))
        found = {name: getattr(self, name) for name in self.__dataclass_fields__}
        del found["log_radii"]
        return {**found, "coverage": min(0.9, self.coverage),
                "radius": max(0.5, float(np.exp(middle))),
                "radius_spread": float(np.clip(spread, 0.1, 0.6))}  # fmt: skip

    @classmethod
    def of(cls, image, label):
        """None where there is no cell, or nothing else."""
        smooth = ndi.gaussian_filter(image, 1.0)
        mask = _minority(smooth) if label is None else np.asarray(label) > 0
        around = ~mask if label is None else np.asarray(label) == 0
        if not mask.any() or not around.any() or smooth.min() == smooth.max():
            return None
        background, foreground = float(np.median(image[around])), float(np.median(image[mask]))
        contrast = foreground - background
        if contrast == 0:
            return None
        components, n = ndi.label(mask)
        index = np.arange(1, n + 1)
        means = ndi.mean(smooth, components, index)
        large = ndi.sum_labels(mask, components, index) >= 9
        spread = float(np.std(means[large]) / abs(contrast)) if large.sum() > 2 else 0.2
        noise = _noise_of(image)
        inner = ndi.binary_erosion(mask, iterations=2)
        texture = 0.1
        if inner.any():
            local = smooth - ndi.gaussian_filter(image, 6.0)
            texture = min(0.5, float(np.std(local[inner])) / abs(contrast))
        wide = ndi.gaussian_filter(image, 8.0)
        return cls(
            float(mask.mean()), _log_radii(mask, label), foreground, min(spread, 0.6), texture,
            background, float(np.std(wide[around])) / 2, _psf_of(image, mask, contrast), noise,
        )  # fmt: skip


def _minority(image):
    """The side of Otsu's threshold that is the smaller one."""
    from skimage.filters import threshold_otsu

    if image.min() == image.max():
        return np.zeros(image.shape, bool)
    mask = image > threshold_otsu(image)
    return mask if mask.mean() <= 0.5 else ~mask


def _log_radii(mask, label):
    """Of the objects of a label image, or of the peaks of the distance transform of a mask."""
    ball = {2: np.pi, 3: 4 / 3 * np.pi}[mask.ndim]
    if label is not None and np.max(label) > 1:
        sizes = np.unique(label[np.asarray(label) > 0], return_counts=True)[1]
        return np.log(np.maximum(sizes / ball, 0.2)) / mask.ndim
    distance = ndi.gaussian_filter(ndi.distance_transform_edt(mask), 1.0)
    peaks = (distance == ndi.maximum_filter(distance, size=5)) & (distance > 1.0)
    # A smoothed peak is a little lower, and half a pixel of the radius is outside of the mask.
    return np.log(distance[peaks] + 0.5) if peaks.any() else np.log([max(0.5, distance.max())])


def _noise_of(image):
    """Standard deviation of the noise, from second differences that smooth content leaves small."""
    differences = image
    for axis in range(image.ndim):
        differences = np.diff(differences, 2, axis=axis)
    gain = np.sqrt(6.0) ** image.ndim
    return float(1.4826 * np.median(np.abs(differences)) / gain)


def _psf_of(image, mask, contrast, first=0.7):
    """Standard deviation of the blur, from the slope at outlines."""
    smooth = ndi.gaussian_gradient_magnitude(image, first)
    outline = mask ^ ndi.binary_erosion(mask)
    if not outline.any():
        return 1.0
    slope = float(np.median(smooth[outline]))
    sigma = abs(contrast) / (np.sqrt(2 * np.pi) * slope) if slope > 0 else 3.0
    return float(np.sqrt(np.clip(sigma**2 - first**2, 0.1, 9.0)))
