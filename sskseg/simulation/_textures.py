"""Textures of several correlation lengths: drawn, and fitted to real images."""

from functools import lru_cache
from itertools import pairwise

import numpy as np
from scipy import ndimage as ndi
from scipy.optimize import nnls

from ._optics import smooth_noise

LENGTHS = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)  # correlation lengths that can be drawn, pixels
_FITTED = LENGTHS[:4]
_SIGMAS = (0.7, 1.4, 2.8, 5.6, 11.2)  # of the Gaussians between which each of them is seen best
_MIN_WEIGHT = 0.2  # of a Gaussian's weight that lies inside of a mask, for its mean to be one


def texture_noise(rng, shape, spectrum):
    """Gaussian random field of a given spectrum.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
    spectrum : sequence of float
        Standard deviations of its parts of 2, 4, 8, ... pixels of correlation length.

    Returns
    -------
    ndarray of float32
        Mean 0.
    """
    field = np.zeros(shape, np.float32)
    for length, deviation in zip(LENGTHS, spectrum, strict=False):
        if deviation > 0:
            field += np.float32(deviation) * smooth_noise(rng, shape, length, rescale=False)
    return field


def fit_spectrum(image, mask, *, noise=0.0, longest=_FITTED[-1]):
    """Spectrum of the texture inside of a mask, for `texture_noise`.

    Parameters
    ----------
    image : ndarray of float32
    mask : ndarray of bool, shape of `image`
        What is outside of it has no influence.
    noise : float, default=0.0
        Standard deviation of white noise that is not part of the texture.
    longest : float, default=16.0
        Correlation length, pixels: coarser parts are left out, but the finest one is not.

    Returns
    -------
    ndarray of float64, shape (4,), or None where nothing can be seen
        Standard deviations at correlation lengths of 2, 4, 8 and 16 pixels: those whose differences
        of Gaussians vary inside of the mask as those of the image do (non-negative least squares).
        Rare places that are far brighter or darker have no influence.
    """
    fine, seen = mean_inside(image, mask, _SIGMAS[0])[0], []
    for sigma in _SIGMAS[1:]:
        coarse, where = mean_inside(image, mask, sigma)
        if not where.any():
            break
        seen.append(deviation_of((fine - coarse)[where]) ** 2)
        fine = coarse
    if not seen:
        return None
    n = min(len(seen), max(1, sum(length <= longest for length in _FITTED)))
    white, parts = _responses(mask.ndim)
    rest = np.maximum(seen[:n] - noise**2 * white[:n], 0)
    # Relative to what each band of a flat spectrum has, or the strongest would count alone.
    scale = 1 / parts.sum(axis=1)[:n]
    spectrum = np.zeros(len(_FITTED))
    spectrum[:n] = nnls(parts[:n, :n] * scale[:, None], rest * scale)[0]
    return np.sqrt(spectrum)


def left_of(spectrum, sigma, ndim):
    """Variance that a Gaussian leaves of a texture.

    Parameters
    ----------
    spectrum : sequence of float
        As `texture_noise` takes it.
    sigma : float
        Of the Gaussian, pixels.
    ndim : int

    Returns
    -------
    float
    """
    # A cubic B-spline is nearly a Gaussian with a variance of a third of its squared step.
    own = np.square(LENGTHS[: len(spectrum)]) / 3
    return float(np.square(spectrum) @ (own / (own + sigma**2)) ** (ndim / 2))


def mean_inside(image, mask, sigma):
    """Means of what lies in a mask, weighted by a Gaussian, and where they tell something.

    Parameters
    ----------
    image : ndarray of float32
    mask : ndarray of bool, shape of `image`
    sigma : float
        Of the Gaussian, pixels.

    Returns
    -------
    means : ndarray of float32
    where : ndarray of bool
        Pixels of the mask that have enough of it around them.
    """
    weight = ndi.gaussian_filter(mask.astype(np.float32), sigma)
    total = ndi.gaussian_filter(np.where(mask, image, 0), sigma)
    return total / np.maximum(weight, _MIN_WEIGHT), mask & (weight >= _MIN_WEIGHT)


def deviation_of(values):
    """Standard deviation from the median distance from the median, on which rare values have no
    influence."""
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


@lru_cache
def _responses(ndim):
    """Variances of differences of Gaussians of white noise, and of each octave, of variance 1.

    Returns
    -------
    white : ndarray, shape (n_bands,)
    parts : ndarray, shape (n_bands, n_octaves)
    """
    side = 128 if ndim == 2 else 64
    frequencies = np.meshgrid(*[np.fft.fftfreq(side)] * ndim, indexing="ij")
    square = sum(f**2 for f in frequencies)
    lows = [np.exp(-2 * (np.pi * sigma) ** 2 * square) for sigma in _SIGMAS]
    bands = [(fine - coarse) ** 2 for fine, coarse in pairwise(lows)]
    white = np.array([band.mean() for band in bands])
    parts = []
    for length in _FITTED:
        # A cubic B-spline of white noise on a grid of this step.
        power = np.prod([np.sinc(f * length) ** 8 for f in frequencies], axis=0)
        parts.append([(power * band).sum() / power.sum() for band in bands])
    return white, np.array(parts).T
