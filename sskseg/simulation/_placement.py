"""Random places that keep their distance."""

import numpy as np


def place_apart(rng, radii, shape, *, separation=1.0, tries=50):
    """Place balls at random, one after the other, at a least distance from those before.

    Parameters
    ----------
    rng : numpy.random.Generator
    radii : ndarray of shape (n,)
        Pixels; larger balls are placed first, since they fit in fewer places.
    shape : tuple of int
        Of the image; centers lie inside.
    separation : float, default=1.0
        Least distance of two centers, in units of the sum of their radii: below 1 they overlap.
    tries : int, default=50
        After so many misses a ball is left out.

    Returns
    -------
    centers : ndarray of shape (n_placed, ndim)
    placed : ndarray of int, shape (n_placed,)
        Indices into `radii`. Fewer than `radii` where the image is full.

    References
    ----------
    .. [1] Illian, Penttinen, Stoyan, Stoyan. Statistical Analysis and Modelling of Spatial Point
       Patterns. 2008 (hard-core processes). :doi:`10.1002/9780470725160`
    """
    size = np.array(shape, float)
    centers = np.empty((len(radii), len(shape)))
    placed = []
    for i in np.argsort(-radii, kind="stable"):
        trials = rng.uniform(0, size, (tries, len(shape)))
        n = len(placed)
        gaps = np.linalg.norm(trials[:, None] - centers[None, :n], axis=-1)
        free = (gaps >= separation * (radii[i] + radii[placed])).all(axis=1)
        if free.any():
            centers[n] = trials[free.argmax()]
            placed.append(i)
    return centers[: len(placed)], np.array(placed, dtype=np.intp)
