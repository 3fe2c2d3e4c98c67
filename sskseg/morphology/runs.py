"""Objects as runs of pixels along the last axis: far fewer than pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .shapes import pairs_of_axes


class Runs:
    """Runs of equal labels along the last axis of a label image.

    Parameters
    ----------
    labels : ndarray of int, 2-D or 3-D
        0 and less is background.

    Attributes
    ----------
    shape : tuple of int
        Of `labels`.
    values : ndarray of int
        Label of each run, those of the background too.
    labels, lengths : ndarray of int
        Label and number of pixels of each run of an object.
    starts : tuple of ndarray of int
        First pixel of each run of an object, along each axis.
    """

    def __init__(self, labels: np.ndarray):
        change = np.ones(labels.shape, bool)
        np.not_equal(labels[..., 1:], labels[..., :-1], out=change[..., 1:])
        self.shape = labels.shape
        self._first = np.flatnonzero(change)
        self._set_values(np.ascontiguousarray(labels).ravel()[self._first])

    def _set_values(self, values):
        self.values, self._kept = values, values > 0
        self.labels = values[self._kept]
        self.lengths = self.all_lengths[self._kept]
        self.starts = np.unravel_index(self._first[self._kept], self.shape)

    @property
    def all_lengths(self) -> np.ndarray:
        """Number of pixels of each run, those of the background too."""
        return np.diff(self._first, append=int(np.prod(self.shape)))

    def sizes(self) -> np.ndarray:
        """Count the pixels of the objects 0, 1, ...; 0 of the background."""
        return np.bincount(self.labels, self.lengths, minlength=1).astype(np.int64)

    def renumber(self, table: np.ndarray) -> None:
        """Give each label k, which is not negative, the label ``table[k]``."""
        self._set_values(np.take(table, self.values))

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sum an image over each run of an object, float64."""
        return self.reduce(values, np.add, np.float64)

    def reduce(self, values: np.ndarray, operation: np.ufunc, dtype: Any = None) -> np.ndarray:
        """Reduce the pixels of an image in each run of an object by an operation."""
        if not len(self._first):
            return np.empty(0)
        return operation.reduceat(values.ravel(), self._first, dtype=dtype)[self._kept]

    def moments(self, index: np.ndarray, low: np.ndarray, n: int) -> np.ndarray:
        """Sum products of coordinates over each of n objects.

        Parameters
        ----------
        index : ndarray of int
            Object of each run.
        low : ndarray of shape (n, ndim)
            Coordinates are relative to it.
        n : int

        Returns
        -------
        ndarray of float64, shape (n, n_pairs_of_axes)
        """
        *outer, first = (x - low[index, axis] for axis, x in enumerate(self.starts))
        last = first + self.lengths - 1
        # Along the last axis the coordinates of a run are added, along others they are constant.
        line = (first + last) * self.lengths // 2
        squares = _squares_to(last) - _squares_to(first - 1)
        moments = np.empty((n, len(pairs_of_axes(len(self.shape)))))
        inner = len(outer)
        for k, (i, j) in enumerate(pairs_of_axes(len(self.shape))):
            if i == inner:
                values = squares
            else:
                values = outer[i] * (line if j == inner else outer[j] * self.lengths)
            moments[:, k] = np.bincount(index, values, n)
        return moments


def _squares_to(n):
    """Sum of the squares from 0 to n, for n from -1 on."""
    return n * (n + 1) // 2 * (2 * n + 1) // 3  # in this order, products are smaller


def expand_runs(values: np.ndarray, lengths: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Paint the label image of runs, from the value and the length of each run.

    Parameters
    ----------
    values, lengths : ndarray of int
        As `Runs.values` and `Runs.all_lengths`.
    shape : sequence of int

    Returns
    -------
    ndarray of shape `shape`, with the dtype of `values`

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.morphology import expand_runs
    >>> expand_runs(np.array([0, 7, 2]), np.array([1, 3, 2]), (2, 3))
    array([[0, 7, 7],
           [7, 2, 2]])
    """
    return np.repeat(values, lengths).reshape(shape)
