"""Guards against shortcuts of proxies, and features of a probe that detects them."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy import fft
from scipy import ndimage as ndi

BLUR = (0.5, 2.0)  # pixels
RESAMPLING = 2.0  # largest factor
NOISE = (0.05, 0.3)  # of the standard deviation of a patch
GAMMA = 0.5  # largest logarithm
PERCENTILES = (1, 99)  # of the pixels of a patch, from which intensities are scaled
OF_UNIT_NOISE = 0.6745  # median of the magnitude of a standard normal number
_BINS = 32
_SHELLS = 16


def guard(
    patch: np.ndarray, rng: np.random.Generator | None, *, matches_scans: bool = False
) -> np.ndarray:
    """Remove from a patch what distinguishes its class without its content.

    Standardize brightness and contrast (zero mean, unit variance) and apply a random gamma. If
    classes come from different scans, also blur the patch and resample it to a coarser grid and
    back, both at random, so that sharpness and traces of interpolation overlap.

    Parameters
    ----------
    patch : ndarray of shape (*spatial)
    rng : numpy.random.Generator or None
        None: the gamma is 1, the blur a medium one, and nothing is resampled.
    matches_scans : bool, default=False

    Returns
    -------
    ndarray of float32
    """
    if matches_scans:
        sigma = np.mean(BLUR) if rng is None else rng.uniform(*BLUR)
        patch = ndi.gaussian_filter(patch, sigma, mode="nearest")
        if rng is not None:
            patch = _resample(patch, RESAMPLING ** rng.random())
    low, high = np.percentile(patch, PERCENTILES)
    if low == high:  # a few bright pixels on a background of one value
        low, high = patch.min(), patch.max()
    scaled = (np.clip(patch, low, high) - low) / (high - low) if high > low else 0 * patch
    gamma = 1.0 if rng is None else np.exp(rng.uniform(-GAMMA, GAMMA))
    return standardize(scaled**gamma)


def _resample(patch, factor):
    """Average over a coarser grid, and interpolate back."""
    coarse = shrink(patch[None], [max(1, round(side / factor)) for side in patch.shape])
    mode = {2: "bilinear", 3: "trilinear"}[patch.ndim]
    return F.interpolate(torch.from_numpy(coarse)[None], size=patch.shape, mode=mode)[0, 0].numpy()


def shrink(image, shape):
    """Average over the pixels of a coarser grid.

    Parameters
    ----------
    image : ndarray of shape (n_channels, *spatial)
    shape : sequence of int
        Of the grid.

    Returns
    -------
    ndarray of float32, shape (n_channels, *shape)
    """
    image = torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32))
    return F.interpolate(image[None], size=tuple(shape), mode="area")[0].numpy()


def restore_noise(shrunk, image, rng):
    """Restore the noise that downsampling averaged away.

    Parameters
    ----------
    shrunk, image : ndarray of shape (n_channels, *spatial), float32
        After and before.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of float32
        With white noise, so that the finest details of both have the same standard deviation;
        `shrunk` itself if it has more of them.
    """
    missing = np.sqrt(np.maximum(_noise_level(image) ** 2 - _noise_level(shrunk) ** 2, 0))
    noise = rng.standard_normal(shrunk.shape, dtype=np.float32)
    return shrunk + missing * noise


def _noise_level(image):
    """Standard deviation of white noise of each channel.

    From the median of the finest diagonal Haar coefficients (Donoho, Johnstone. Biometrika 1994,
    doi:10.1093/biomet/81.3.425), which few edges are in.
    """
    spatial = tuple(range(1, image.ndim))
    detail = image
    for axis in spatial:
        detail = np.diff(detail, axis=axis)
    of_unit_noise = OF_UNIT_NOISE * 2 ** (len(spatial) / 2)
    return np.median(np.abs(detail), axis=spatial, keepdims=True) / of_unit_noise


def disturb(patch: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add noise to a patch of unit variance, and standardize it again.

    Parameters
    ----------
    patch : ndarray of shape (*spatial)
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of float32
    """
    noise = rng.standard_normal(patch.shape, dtype=np.float32)
    return standardize(patch + np.float32(rng.uniform(*NOISE)) * noise)


def standardize(patch: np.ndarray) -> np.ndarray:
    """Scale to zero mean and unit variance; a constant patch becomes 0."""
    centered = patch - patch.mean()
    deviation = centered.std()
    return (centered / deviation if deviation > 1e-8 else 0 * centered).astype(np.float32)


def probe_features(patches: np.ndarray) -> np.ndarray:
    """Compute histogram and power spectrum, which do not depend on shapes.

    Parameters
    ----------
    patches : ndarray of shape (n, *spatial)

    Returns
    -------
    ndarray of shape (n, 48)
        32 shares of pixels from -3 to 5, and the logarithm of the mean power in 16 shells of equal
        width of spatial frequency.
    """
    spatial = patches.shape[1:]
    axes = tuple(range(1, patches.ndim))
    power = np.abs(fft.fftn(patches, axes=axes)) ** 2
    frequency = np.sqrt(sum(f**2 for f in np.meshgrid(*map(fft.fftfreq, spatial), indexing="ij")))
    shell = np.minimum((2 * _SHELLS * frequency).astype(int), _SHELLS - 1).ravel()
    counts = np.bincount(shell, minlength=_SHELLS)
    spectra = [np.bincount(shell, p.ravel(), _SHELLS) / np.maximum(counts, 1) for p in power]
    edges = np.linspace(-3, 5, _BINS + 1)
    edges[[0, -1]] = -np.inf, np.inf
    histograms = [np.histogram(patch, edges)[0] / patch.size for patch in patches]
    return np.concatenate([histograms, np.log(np.array(spectra) + 1e-6)], axis=1)
