"""Random positions with a minimum distance."""

from collections.abc import Callable, Sequence
from itertools import product
from math import dist

import numpy as np
from numpy.typing import ArrayLike


def place_apart(
    rng: np.random.Generator,
    radii: ArrayLike,
    shape: Sequence[int],
    *,
    separation: float = 1.0,
    tries: int = 50,
    snap: Callable[[np.ndarray], np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Place balls at random positions with a minimum distance from each other.

    Parameters
    ----------
    rng : numpy.random.Generator
    radii : ndarray of shape (n,)
        Pixels; larger balls are placed first, since they fit at fewer positions.
    shape : tuple of int
        Shape of the image; centers lie inside.
    separation : float, default=1.0
        Minimum distance of two centers, in units of the sum of their radii: below 1 they overlap,
        by at most ``1 - separation`` of that sum.
    tries : int, default=50
        Number of failed positions after which a ball is omitted.
    snap : callable, default=None
        Moves an array (tries, ndim) of random points to allowed positions, such as the nearest
        fiber; points moved out of the image are failures.

    Returns
    -------
    centers : ndarray of shape (n_placed, ndim)
    placed : ndarray of int, shape (n_placed,)
        Indices into `radii`; fewer than `radii` if the image is full.

    References
    ----------
    .. [1] Illian, Penttinen, Stoyan, Stoyan. Statistical Analysis and Modelling of Spatial Point
       Patterns. 2008 (hard-core processes). :doi:`10.1002/9780470725160`
    """
    radii = np.asarray(radii, float)
    size = np.array(shape, float)
    longest = 2 * separation * radii.max(initial=0.0)
    grid = _Grid(longest if longest > 0 else size.max(), len(shape))
    centers = np.empty((len(radii), len(shape)))
    placed: list[int] = []
    for i in np.argsort(-radii, kind="stable"):
        trials = rng.uniform(0, size, (tries, len(shape)))
        if snap is not None:
            trials = snap(trials)
            trials = trials[((trials >= 0) & (trials < size)).all(axis=1)]
        radius = float(radii[i])
        for trial in trials:
            point = tuple(trial.tolist())
            # Few are near: a loop is faster than an array.
            if all(dist(point, other) >= separation * (radius + size)
                   for other, size in grid.near(point)):  # fmt: skip
                centers[len(placed)] = trial
                grid.add(point, radius)
                placed.append(i)
                break
    return centers[: len(placed)], np.array(placed, dtype=np.intp)


class _Grid:
    """Grid of cells as wide as the maximum relevant distance: only neighbors are compared."""

    def __init__(self, side, ndim):
        self.side, self.balls = side, {}
        self.offsets = list(product((-1, 0, 1), repeat=ndim))

    def add(self, point, radius):
        self.balls.setdefault(self._cell(point), []).append((point, radius))

    def near(self, point):
        cell = self._cell(point)
        cells = (tuple(a + b for a, b in zip(cell, offset)) for offset in self.offsets)
        return [ball for other in cells for ball in self.balls.get(other, ())]

    def _cell(self, point):
        return tuple(int(x // self.side) for x in point)
