"""Camera noise."""

import numpy as np


def add_camera_noise(
    rng: np.random.Generator, image: np.ndarray, *, photons: float = 200.0, read_noise: float = 0.01
) -> np.ndarray:
    """Add photon (Poisson) and read-out (Gaussian) noise.

    Parameters
    ----------
    rng : numpy.random.Generator
    image : ndarray
        Not negative; about 1 in bright pixels.
    photons : float, default=200.0
        Number of photons of a value of 1: the fewer, the noisier.
    read_noise : float, default=0.01
        Standard deviation, in units of the image.

    Returns
    -------
    ndarray of float32
        May be slightly negative, like values of a camera after subtraction of its offset.
    """
    counts = rng.poisson(np.maximum(image, 0) * photons) / photons
    return (counts + rng.normal(0, read_noise, image.shape)).astype(np.float32)
