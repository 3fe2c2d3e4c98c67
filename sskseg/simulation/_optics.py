"""Optics of a microscope: blur, defocus, vignetting, and random fields."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage as ndi

_SPLINE = 151 / 315  # variance of white noise after a cubic B-spline, along one axis


def blur(image: np.ndarray, sigma: float | ArrayLike) -> np.ndarray:
    """Blur by a Gaussian point-spread function.

    Parameters
    ----------
    image : ndarray
        Reflected at the edges, so that these do not darken.
    sigma : float or sequence of float
        Standard deviation in pixels, a number or one for each axis.

    Returns
    -------
    ndarray of the same shape
    """
    return ndi.gaussian_filter(image, sigma, mode="reflect", truncate=3.0)


def defocus(image: np.ndarray, distance: float, *, spread: float = 0.5) -> np.ndarray:
    """Blur an image as out of focus; light that leaves the image is lost.

    Parameters
    ----------
    image : ndarray
        Needs a margin of about ``3 * spread * distance`` pixels to keep all light.
    distance : float
        Distance from the focal plane, pixels.
    spread : float, default=0.5
        Standard deviation of the blur in pixels, for each pixel of distance (the aperture).

    Returns
    -------
    ndarray of the same shape; `image` itself if the blur is below a fifth of a pixel.
    """
    sigma = spread * abs(distance)
    if sigma < 0.2:
        return image
    return ndi.gaussian_filter(image, sigma, mode="constant", truncate=3.0)


def vignette(shape: Sequence[int], strength: float = 0.2) -> np.ndarray:
    """Compute vignetting: 1 in the middle, ``1 - strength`` in the corners.

    Parameters
    ----------
    shape : tuple of int
        Vignetting is along the last two axes.
    strength : float in [0, 1], default=0.2

    Returns
    -------
    ndarray of float32, broadcastable to `shape`
    """
    y, x = (np.linspace(-1, 1, n, dtype=np.float32) if n > 1 else np.zeros(1, np.float32)
            for n in shape[-2:])  # fmt: skip
    return (1 - 0.5 * strength * (y[:, None] ** 2 + x**2)).astype(np.float32)


def smooth_noise(
    rng: np.random.Generator,
    shape: Sequence[int],
    scale: float,
    *,
    magnification: float = 1.0,
    rescale: bool = True,
) -> np.ndarray:
    """Sample a Gaussian random field with mean 0 and standard deviation about 1.

    Parameters
    ----------
    rng : numpy.random.Generator
        The same numbers are drawn at every magnification.
    shape : tuple of int
        Shape of the field of view, pixels at magnification 1.
    scale : float
        Correlation length, pixels at magnification 1. The field is drawn on a grid of this step,
        so that coarse fields are cheap.
    magnification : float, default=1.0
        The same field is sampled in ``round(magnification * shape)`` pixels.
    rescale : bool, default=True
        Whether the standard deviation is 1 in this image; False: 1 over many images, since an image
        smaller than `scale` contains a part of the field only.

    Returns
    -------
    ndarray of float32
    """
    coarse = [int(np.ceil(size / scale)) + 3 for size in shape]
    field = rng.normal(size=coarse).astype(np.float32)
    start = rng.uniform(0.5, 1.5, len(shape))
    pixels = magnified(shape, magnification)
    grid = [a + np.arange(n) / (scale * magnification) for a, n in zip(start, pixels, strict=True)]
    for axis, at in enumerate(grid):
        field = _cubic(field, at, axis)
    if not rescale:
        return field / np.float32(_SPLINE ** (len(shape) / 2))
    return field / max(float(field.std()), 1e-6)


def fractal_noise(
    rng: np.random.Generator,
    shape: Sequence[int],
    scale: float,
    *,
    octaves: int = 3,
    persistence: float = 0.5,
    magnification: float = 1.0,
) -> np.ndarray:
    """Sample a sum of random fields, each half as coarse as the one before.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
        Shape of the field of view, pixels at magnification 1.
    scale : float
        Correlation length of the coarsest field, pixels at magnification 1.
    octaves : int, default=3
        Number of fields; none is finer than two pixels.
    persistence : float, default=0.5
        Weight of a field relative to the one before.
    magnification : float, default=1.0

    Returns
    -------
    ndarray of float32
        Mean 0, standard deviation about 1.
    """
    total: np.ndarray = np.zeros((), np.float32)
    power = 0.0
    for octave in range(octaves):
        size, weight = scale / 2**octave, persistence**octave
        if octave and size < 2:
            break
        total = total + np.float32(weight) * smooth_noise(
            rng, shape, size, magnification=magnification
        )
        power += weight**2
    return total / np.float32(power**0.5)


def magnified(shape: Sequence[int], magnification: float) -> tuple[int, ...]:
    """Compute the shape of a field of view in pixels at a magnification.

    Parameters
    ----------
    shape : tuple of int
        Pixels at magnification 1.
    magnification : float
        Pixels at this magnification per pixel at magnification 1.

    Returns
    -------
    tuple of int
        Rounded, at least one pixel along each axis.

    Examples
    --------
    >>> from sskseg.simulation import magnified
    >>> magnified((97, 61), 0.5)
    (48, 30)
    """
    return tuple(max(1, round(side * magnification)) for side in shape)


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
