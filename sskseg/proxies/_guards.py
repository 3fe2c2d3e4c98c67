"""What keeps proxies from being solved by the wrong thing, and a probe that tells if they are."""

import numpy as np
from scipy import fft
from scipy import ndimage as ndi

_BLUR = (0.5, 2.0)  # pixels
_NOISE = (0.05, 0.3)  # of the standard deviation of a patch
_GAMMA = 0.5  # largest logarithm
_BINS = 32
_SHELLS = 16


def guard(patch, rng, *, matches_scans=False):
    """Take from a patch what tells its class without a look at its content.

    Its brightness and contrast go (zero mean, unit variance), and it gets a random gamma; where
    classes come from different scans, also a random blur, so that their sharpness overlaps.

    Parameters
    ----------
    patch : ndarray of shape (*spatial)
    rng : numpy.random.Generator or None
        None: the gamma is 1, and the blur a medium one.
    matches_scans : bool, default=False

    Returns
    -------
    ndarray of float32
    """
    if matches_scans:
        sigma = np.mean(_BLUR) if rng is None else rng.uniform(*_BLUR)
        patch = ndi.gaussian_filter(patch, sigma, mode="nearest")
    low, high = np.percentile(patch, (1, 99))
    if low == high:  # a few bright pixels on a background of one value
        low, high = patch.min(), patch.max()
    scaled = (np.clip(patch, low, high) - low) / (high - low) if high > low else 0 * patch
    gamma = 1.0 if rng is None else np.exp(rng.uniform(-_GAMMA, _GAMMA))
    return standardize(scaled**gamma)


def disturb(patch, rng):
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
    return standardize(patch + np.float32(rng.uniform(*_NOISE)) * noise)


def standardize(patch):
    """Zero mean and unit variance; a constant patch becomes 0."""
    centered = patch - patch.mean()
    deviation = centered.std()
    return (centered / deviation if deviation > 1e-8 else 0 * centered).astype(np.float32)


def probe_features(patches):
    """Histogram and power spectrum, which know nothing of shapes.

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
