"""What the microscope does to light."""

import numpy as np
from scipy import ndimage as ndi


def blur(image, sigma):
    """Blur by a Gaussian point-spread function; `sigma` in pixels, a number or one an axis."""
    return ndi.gaussian_filter(image, sigma, mode="reflect", truncate=3.0)


def smooth_noise(rng, shape, scale):
    """Gaussian random field with mean 0, standard deviation about 1.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
    scale : float
        Correlation length, pixels. Drawn on a coarse grid, so that its cost falls with it.

    Returns
    -------
    ndarray of float32
    """
    coarse = [int(np.ceil(size / scale)) + 3 for size in shape]
    field = rng.normal(size=coarse).astype(np.float32)
    start = rng.uniform(0.5, 1.5, len(shape))
    grid = [a + np.arange(n) / scale for a, n in zip(start, shape, strict=True)]
    for axis, at in enumerate(grid):
        field = _cubic(field, at, axis)
    return field / max(float(field.std()), 1e-6)


def _cubic(field, at, axis):
    """Interpolate along one axis by cubic B-splines (without prefilter: smoother)."""
    first = np.floor(at).astype(int)
    t = (at - first).astype(np.float32)
    weights = np.stack(
        [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    ) / np.float32(6)
    moved = np.moveaxis(field, axis, -1)
    last = moved.shape[-1] - 1
    parts = [w * moved[..., np.clip(first + k - 1, 0, last)] for k, w in enumerate(weights)]
    return np.moveaxis(sum(parts), -1, axis)
