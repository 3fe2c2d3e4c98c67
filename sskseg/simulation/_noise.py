"""What the camera adds."""

import numpy as np


def add_camera_noise(rng, image, *, photons=200.0, read_noise=0.01):
    """Photon (Poisson) and read-out (Gaussian) noise.

    Parameters
    ----------
    rng : numpy.random.Generator
    image : ndarray
        Not negative; about 1 where it is bright.
    photons : float, default=200.0
        Photons that a value of 1 stands for: the fewer, the noisier.
    read_noise : float, default=0.01
        Standard deviation, in units of the image.

    Returns
    -------
    ndarray of float32
        May be slightly negative, as a camera's values are after its offset is subtracted.
    """
    counts = rng.poisson(np.maximum(image, 0) * photons) / photons
    return (counts + rng.normal(0, read_noise, image.shape)).astype(np.float32)
