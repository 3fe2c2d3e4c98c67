"""What the microscope does to light."""

import numpy as np
from scipy import ndimage as ndi

_SPLINE = 151 / 315  # variance that a cubic B-spline leaves of white noise, along one axis


def blur(image, sigma):
    """Blur by a Gaussian point-spread function.

    Parameters
    ----------
    image : ndarray
        Continued by reflection, so that edges do not darken.
    sigma : float or sequence of float
        Standard deviation in pixels, a number or one an axis.

    Returns
    -------
    ndarray of the same shape
    """
    return ndi.gaussian_filter(image, sigma, mode="reflect", truncate=3.0)


def defocus(image, distance, *, spread=0.5):
    """Blur as what lies out of the focal plane; light that leaves the image is lost.

    Parameters
    ----------
    image : ndarray
        With a margin of about ``3 * spread * distance`` pixels, or light is lost there.
    distance : float
        From the focal plane, pixels.
    spread : float, default=0.5
        Standard deviation of the blur in pixels, for each pixel of distance (the aperture).

    Returns
    -------
    ndarray of the same shape; `image` itself where the blur is below a fifth of a pixel.
    """
    sigma = spread * abs(distance)
    if sigma < 0.2:
        return image
    return ndi.gaussian_filter(image, sigma, mode="constant", truncate=3.0)


def vignette(shape, strength=0.2):
    """Share of the light that arrives: 1 in the middle, ``1 - strength`` in the corners.

    Parameters
    ----------
    shape : tuple of int
        The fall-off is in the last two axes.
    strength : float in [0, 1], default=0.2

    Returns
    -------
    ndarray of float32, broadcastable to `shape`
    """
    y, x = (np.linspace(-1, 1, n, dtype=np.float32) if n > 1 else np.zeros(1, np.float32)
            for n in shape[-2:])  # fmt: skip
    return (1 - 0.5 * strength * (y[:, None] ** 2 + x**2)).astype(np.float32)


def smooth_noise(rng, shape, scale, *, magnification=1.0, rescale=True):
    """Gaussian random field with mean 0, standard deviation about 1.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the same numbers at every magnification.
    shape : tuple of int
        Of the field of view, pixels at magnification 1.
    scale : float
        Correlation length, pixels at magnification 1. Drawn on a coarse grid, so that its cost
        falls with it.
    magnification : float, default=1.0
        The same field is seen in ``round(magnification * shape)`` pixels.
    rescale : bool, default=True
        To a standard deviation of 1 in this image; False: over many images, of which one that is
        small beside `scale` shows a part only.

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


def fractal_noise(rng, shape, scale, *, octaves=3, persistence=0.5, magnification=1.0):
    """Sum of random fields, each half as coarse as the one before.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
        Of the field of view, pixels at magnification 1.
    scale : float
        Correlation length of the coarsest field, pixels at magnification 1.
    octaves : int, default=3
        Number of fields; none is finer than two pixels.
    persistence : float, default=0.5
        Weight of a field in units of that of the one before.
    magnification : float, default=1.0

    Returns
    -------
    ndarray of float32
        Mean 0, standard deviation about 1.
    """
    total, power = np.float32(0), 0.0
    for octave in range(octaves):
        size, weight = scale / 2**octave, persistence**octave
        if octave and size < 2:
            break
        total = total + np.float32(weight) * smooth_noise(
            rng, shape, size, magnification=magnification
        )
        power += weight**2
    return total / np.float32(power**0.5)


def magnified(shape, magnification):
    """Shape of a field of view in pixels at a magnification.

    Parameters
    ----------
    shape : tuple of int
        Pixels at magnification 1.
    magnification : float
        Pixels at this magnification per pixel at magnification 1.

    Returns
    -------
    tuple of int
        Rounded, at least one pixel an axis.

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
