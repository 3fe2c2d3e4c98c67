"""Percentiles of intensities, and rescaling by them."""

from collections.abc import Sequence

import numpy as np

_MAX_PIXELS = 2**22


def subsample_step(n_pixels: int, ndim: int) -> int:
    """Compute the step along each axis that leaves about 4 million pixels.

    Parameters
    ----------
    n_pixels : int
        Pixels of all images together.
    ndim : int

    Returns
    -------
    int
    """
    return max(1, int(np.ceil((n_pixels / _MAX_PIXELS) ** (1 / ndim))))


def channel_percentiles(
    images: Sequence[np.ndarray], percentiles: Sequence[float] | np.ndarray
) -> np.ndarray:
    """Compute percentiles of each channel over all pixels of the images.

    Parameters
    ----------
    images : sequence of ndarray of shape (*spatial, n_channels)
    percentiles : sequence of float in [0, 100]

    Returns
    -------
    ndarray of shape (len(percentiles), n_channels), float64
    """
    values = [np.asarray(image).reshape(-1, image.shape[-1]) for image in images]
    return np.percentile(np.concatenate(values).astype(np.float64), percentiles, axis=0)


def intensity_range(images: Sequence[np.ndarray], percentiles: np.ndarray) -> np.ndarray:
    """Compute two percentiles of each channel, or the extremes where both percentiles are equal.

    They are equal if nearly all pixels are background, as in images of sparse spots.

    Parameters
    ----------
    images : sequence of ndarray of shape (*spatial, n_channels)
    percentiles : sequence of 2 floats in [0, 100]

    Returns
    -------
    ndarray of shape (2, n_channels), float64
    """
    limits = channel_percentiles(images, percentiles)
    flat = limits[0] == limits[1]
    if flat.any():
        axes = tuple(range(images[0].ndim - 1))
        lowest = np.min([np.asarray(image.min(axis=axes)) for image in images], axis=0)
        highest = np.max([np.asarray(image.max(axis=axes)) for image in images], axis=0)
        limits = np.where(flat, np.stack([lowest, highest]).astype(np.float64), limits)
    return limits


def rescale(
    images: np.ndarray, low: np.ndarray, high: np.ndarray, clip: bool = False
) -> np.ndarray:
    """Map [low, high] of each channel to [0, 1]; a channel with ``low == high`` becomes 0.

    Parameters
    ----------
    images : ndarray of shape (..., n_channels)
    low, high : ndarray of shape (n_channels,)
    clip : bool, default=False
        Whether to limit the result to [0, 1].

    Returns
    -------
    ndarray of float32
    """
    # Of integers and floats of more bits, float32 would lose the contrast beside a large offset.
    is_wide = images.dtype.itemsize > 4 or images.dtype in (np.int32, np.uint32)
    dtype = np.float64 if is_wide else np.float32
    low, span = low.astype(dtype), (high - low).astype(np.float32)
    scaled = np.subtract(images, low, dtype=dtype).astype(np.float32, copy=False)
    scaled /= np.where(span > 0, span, 1)
    scaled[..., ~(span > 0)] = 0
    return np.clip(scaled, 0, 1, out=scaled) if clip else scaled
