"""Draw textures of several correlation lengths, and fit them to real images."""

from functools import lru_cache
from itertools import pairwise

import numpy as np
from scipy import ndimage as ndi
from scipy.optimize import nnls

from ._optics import smooth_noise

LENGTHS = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)  # correlation lengths that can be drawn, pixels
_FITTED = LENGTHS[:4]
_SIGMAS = (0.7, 1.4, 2.8, 5.6, 11.2)  # of the Gaussians whose differences separate them
_MIN_WEIGHT = 0.2  # of a Gaussian inside a mask, for its mean to be defined


def texture_noise(rng, shape, spectrum):
    """Sample a Gaussian random field of a given spectrum.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
    spectrum : sequence of float
        Standard deviations at correlation lengths of 2, 4, 8, ... pixels.

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
    """Estimate the spectrum of the texture inside a mask, for `texture_noise`.

    Parameters
    ----------
    image : ndarray of float32
    mask : ndarray of bool, shape of `image`
        Pixels outside have no influence.
    noise : float, default=0.0
        Standard deviation of white noise that is not part of the texture.
    longest : float, default=16.0
        Maximum correlation length, pixels; the finest component is always fitted.

    Returns
    -------
    ndarray of float64, shape (4,), or None without enough pixels
        Standard deviations at correlation lengths of 2, 4, 8 and 16 pixels, a non-negative least
        squares fit to the variances of differences of Gaussians inside the mask. Rare outliers have
        no influence.
    """
    fine, bands = mean_inside(image, mask, _SIGMAS[0])[0], []
    for sigma in _SIGMAS[1:]:
        coarse, where = mean_inside(image, mask, sigma)
        if not where.any():
            break
        bands.append(deviation_of((fine - coarse)[where]) ** 2)
        fine = coarse
    if not bands:
        return None
    n = min(len(bands), max(1, sum(length <= longest for length in _FITTED)))
    white, parts = _responses(mask.ndim)
    rest = np.maximum(bands[:n] - noise**2 * white[:n], 0)
    # Relative to the bands of a flat spectrum; otherwise the strongest would dominate.
    scale = 1 / parts.sum(axis=1)[:n]
    spectrum = np.zeros(len(_FITTED))
    spectrum[:n] = nnls(parts[:n, :n] * scale[:, None], rest * scale)[0]
    return np.sqrt(spectrum)


def remaining_variance(spectrum, sigma, ndim):
    """Compute the variance of a texture after a Gaussian filter.

    Parameters
    ----------
    spectrum : sequence of float
        As in `texture_noise`.
    sigma : float
        Standard deviation of the Gaussian, pixels.
    ndim : int

    Returns
    -------
    float
    """
    # A cubic B-spline is nearly a Gaussian with a variance of a third of its squared step.
    own = np.square(LENGTHS[: len(spectrum)]) / 3
    return float(np.square(spectrum) @ (own / (own + sigma**2)) ** (ndim / 2))


def mean_inside(image, mask, sigma):
    """Compute Gaussian-weighted means inside a mask, and where they are defined.

    Parameters
    ----------
    image : ndarray of float32
    mask : ndarray of bool, shape of `image`
    sigma : float
        Standard deviation of the Gaussian, pixels.

    Returns
    -------
    means : ndarray of float32
    where : ndarray of bool
        Pixels of the mask with enough of the mask around them.
    """
    weight = ndi.gaussian_filter(mask.astype(np.float32), sigma)
    total = ndi.gaussian_filter(np.where(mask, image, 0), sigma)
    return total / np.maximum(weight, _MIN_WEIGHT), mask & (weight >= _MIN_WEIGHT)


def deviation_of(values):
    """Estimate the standard deviation by the median absolute deviation, robust to outliers."""
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
