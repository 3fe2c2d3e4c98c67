"""Random places that keep their distance."""

from itertools import product
from math import dist

import numpy as np


def place_apart(rng, radii, shape, *, separation=1.0, tries=50, snap=None):
    """Place balls at random, one after the other, at a least distance from those before.

    Parameters
    ----------
    rng : numpy.random.Generator
    radii : ndarray of shape (n,)
        Pixels; larger balls are placed first, since they fit in fewer places.
    shape : tuple of int
        Of the image; centers lie inside.
    separation : float, default=1.0
        Least distance of two centers, in units of the sum of their radii: below 1 they overlap,
        by at most ``1 - separation`` of that sum.
    tries : int, default=50
        After so many misses a ball is left out.
    snap : callable, default=None
        Moves an array (tries, ndim) of random points to where a ball may lie, say to the nearest
        fiber; points that it moves out of the image are misses.

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
    radii = np.asarray(radii, float)
    size = np.array(shape, float)
    reach = 2 * separation * radii.max(initial=0.0)
    grid = _Grid(reach if reach > 0 else size.max(), len(shape))
    centers, placed = np.empty((len(radii), len(shape))), []
    for i in np.argsort(-radii, kind="stable"):
        trials = rng.uniform(0, size, (tries, len(shape)))
        if snap is not None:
            trials = snap(trials)
            trials = trials[((trials >= 0) & (trials < size)).all(axis=1)]
        radius = float(radii[i])
        for trial in trials:
            point = tuple(trial.tolist())
            # Few are near: a loop is faster than an array of them.
            if all(dist(point, other) >= separation * (radius + size)
                   for other, size in grid.near(point)):  # fmt: skip
                centers[len(placed)] = trial
                grid.add(point, radius)
                placed.append(i)
                break
    return centers[: len(placed)], np.array(placed, dtype=np.intp)


class _Grid:
    """Cells as wide as the longest distance that matters: only neighbors are compared."""

    def __init__(self, side, ndim):
        self.side, self.rows = side, {}
        self.offsets = list(product((-1, 0, 1), repeat=ndim))

    def add(self, point, radius):
        self.rows.setdefault(self._cell(point), []).append((point, radius))

    def near(self, point):
        cell = self._cell(point)
        cells = (tuple(a + b for a, b in zip(cell, offset)) for offset in self.offsets)
        return [row for other in cells for row in self.rows.get(other, ())]

    def _cell(self, point):
        return tuple(int(x // self.side) for x in point)
