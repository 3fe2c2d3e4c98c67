"""Measure what an image looks like: detail by scale, intensities, size of what stands out."""

from __future__ import annotations

import cc3d
import numpy as np
from skimage.filters import threshold_otsu

from .normalization import subsample_step

_N_OCTAVES = 6
_MIN_DETAIL = 1e-3  # standard deviation below which detail does not count, in units of the range
_MIN_OBJECT = 5  # pixels at half the resolution: smaller parts may be noise
_PERCENTILES = (1.0, 99.8)

APPEARANCE = (
    *(f"detail at {2**i} pixels" for i in range(1, _N_OCTAVES + 1)),
    "coarse structure",
    "area above Otsu's threshold",
    "median intensity",
    "intensity above Otsu's threshold",
    "variation below Otsu's threshold",
    "contrast",
    "object size",
)


def measure_appearance(image: np.ndarray) -> np.ndarray:
    """Measure detail, intensities and the size of objects, whatever the range of intensities.

    Parameters
    ----------
    image : ndarray of shape (*spatial, n_channels)
        Channels are averaged.

    Returns
    -------
    ndarray of float64, shape (13,)
        What `APPEARANCE` names. Intensities are in units of the range between the 1st and the
        99.8th percentile. Detail is the logarithm of its standard deviation in each octave, from 2
        to 64 pixels. Objects are connected components above Otsu's threshold; their size is the
        logarithm of the diameter, in pixels, of a disk (or ball) with their median area.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.datasets import make_cells
    >>> from sskseg.images.appearance import APPEARANCE, measure_appearance
    >>> X, _ = make_cells(n_samples=1, radius=8, random_state=0)
    >>> measured = dict(zip(APPEARANCE, measure_appearance(X[0][..., None])))
    >>> bool(10 < np.exp(measured["object size"]) < 20)
    True
    """
    gray = np.asarray(image, np.float32).mean(-1)
    step = subsample_step(gray.size, gray.ndim)
    sampled = gray[(slice(None, None, step),) * gray.ndim]
    low, high = np.percentile(sampled, _PERCENTILES)
    scaled = np.clip((gray - low) / max(high - low, np.finfo(np.float32).tiny), 0, 1)
    detail, half = _detail(scaled)
    return np.concatenate([detail, _objects(half)])


def _detail(image):
    """Log standard deviations by octave; the image at half its resolution."""
    deviations, level, half = [], image, image
    for octave in range(_N_OCTAVES):
        coarse = _halved(level)
        deviations.append(np.sqrt(max(0.0, float(level.var()) - float(coarse.var()))))
        half, level = (coarse if octave == 0 else half), coarse
    return np.log(np.array([*deviations, float(level.std())]) + _MIN_DETAIL), half


def _halved(image):
    """Means of blocks of 2 pixels along each axis that has as many."""
    for axis, size in enumerate(image.shape):
        if size > 1:
            even = np.moveaxis(image, axis, 0)[: size - size % 2]
            image = np.moveaxis((even[::2] + even[1::2]) / 2, 0, axis)
    return image


def _objects(image):
    """Intensities of what is above Otsu's threshold and of what is below, and the size of parts."""
    is_flat = image.min() == image.max()
    above = image > (image.min() if is_flat else threshold_otsu(image))
    inside, outside = (image[above] if above.any() else image), image[~above]
    sizes = np.bincount(cc3d.connected_components(above).ravel())[1:]
    sizes = sizes[sizes >= _MIN_OBJECT]
    size = np.median(sizes) if sizes.size else image.size
    disk = np.pi / 4 if image.ndim == 2 else np.pi / 6
    diameter = 2 * (size / disk) ** (1 / image.ndim)
    contrast = inside.mean() - outside.mean() if outside.size else 0.0
    deviation = outside.std() if outside.size else 0.0
    values = above.mean(), np.median(image), inside.mean(), 2 * deviation, contrast
    return np.array([*values, np.log(diameter)])
