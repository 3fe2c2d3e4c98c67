"""Sums over the pixels of each object, of a whole image or of its parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .shapes import pairs_of_axes

_FAR = np.iinfo(np.int64).max
# How parts of an object are merged, where they are not added: operation and neutral value.
_EXTREMA: dict[str, tuple[np.ufunc, float]] = {
    "low": (np.minimum, _FAR),
    "high": (np.maximum, 0),
    "min_intensity": (np.minimum, np.inf),
    "max_intensity": (np.maximum, -np.inf),
}


def object_sums(
    labels: np.ndarray,
    *,
    start: Sequence[int] | None = None,
    probability: ArrayLike | None = None,
    intensity: ArrayLike | None = None,
) -> dict[str, np.ndarray]:
    """Compute the sums and extrema of objects in a part of an image, for `merge_sums`.

    Parameters
    ----------
    labels : ndarray of int, 2-D or 3-D
        The part; 0 is background, negative values are ignored.
    start : sequence of int, default=None
        First pixel of the part in the image; None is 0.
    probability, intensity : ndarray, default=None
        As in `measure_objects`.

    Returns
    -------
    dict of str to ndarray of shape (n_objects, ...)
        ``label, size, position`` (sums of coordinates), ``low, high`` (extrema, the upper
        excluded), ``moments`` (sums of products of coordinates relative to ``low``, for each pair
        of axes) and, if given, ``score`` and ``intensity`` (sums), ``min_intensity`` and
        ``max_intensity``.

    Raises
    ------
    ValueError
        If `probability` or `intensity` has another shape.
    """
    runs = _Runs(labels)
    ids, index = _numbered(runs.labels, labels.size)
    n = len(ids)
    sums = {"label": ids, "size": _add(index, runs.lengths, n)}
    sums["position"] = np.zeros((n, labels.ndim), np.int64)
    sums["low"] = np.full((n, labels.ndim), _FAR)
    sums["high"] = np.zeros((n, labels.ndim), np.int64)
    for axis, first in enumerate(runs.starts):
        first = first if start is None else first + start[axis]
        last = first + (runs.lengths - 1 if axis == labels.ndim - 1 else 0)
        sums["position"][:, axis] = _add(index, (first + last) * runs.lengths // 2, n)
        np.minimum.at(sums["low"][:, axis], index, first)
        np.maximum.at(sums["high"][:, axis], index, last + 1)
    sums["moments"] = runs.moments(index, sums["low"] - np.asarray(start or 0), n)
    if probability is not None:
        probability = np.asarray(probability)
        if probability.shape != labels.shape:
            raise ValueError(
                f"probability must have the shape of labels, {labels.shape}, got "
                f"{probability.shape}."
            )
        sums["score"] = np.bincount(index, runs.sums(probability), n)
    if intensity is not None:
        sums |= _intensity_sums(runs, index, n, np.asarray(intensity))
    return sums


def _intensity_sums(runs, index, n, intensity):
    """Sum and extrema of an image over each object, or of each of its channels."""
    if runs.shape not in (intensity.shape, intensity.shape[:-1]):
        raise ValueError(
            "intensity must have the shape of labels, "
            f"{runs.shape}, or that and a channel axis, got {intensity.shape}."
        )
    if intensity.shape == runs.shape:
        return _channel_sums(runs, index, n, intensity)
    channels = [_channel_sums(runs, index, n, c) for c in np.moveaxis(intensity, -1, 0)]
    names = ("intensity", "min_intensity", "max_intensity")
    return {name: np.stack([c[name] for c in channels], axis=1) for name in names}


def _channel_sums(runs, index, n, channel):
    sums = {"intensity": np.bincount(index, runs.sums(channel), n)}
    for name in ("min_intensity", "max_intensity"):
        operation, neutral = _EXTREMA[name]
        sums[name] = np.full(n, neutral)
        operation.at(sums[name], index, runs.reduce(channel, operation))
    return sums


class _Runs:
    """Objects as runs of pixels along the last axis: far fewer than pixels."""

    def __init__(self, labels):
        self.shape = labels.shape
        change = np.ones(labels.shape, bool)
        np.not_equal(labels[..., 1:], labels[..., :-1], out=change[..., 1:])
        self.all = np.flatnonzero(change)
        values = np.ascontiguousarray(labels).ravel()[self.all]
        self.kept = values > 0
        self.labels = values[self.kept]
        self.lengths = np.diff(self.all, append=labels.size)[self.kept]
        self.starts = np.unravel_index(self.all[self.kept], labels.shape)

    def sums(self, values):
        """Sums of an image over each run, float64."""
        return self.reduce(values, np.add, np.float64)

    def reduce(self, values, operation, dtype=None):
        """Values of an image in each run, reduced by an operation."""
        if not len(self.all):
            return np.empty(0)
        return operation.reduceat(values.ravel(), self.all, dtype=dtype)[self.kept]

    def moments(self, index, low, n):
        """Sums over each object of products of coordinates relative to `low`."""
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
    return n * (n + 1) * (2 * n + 1) // 6


def _add(index, values, n):
    """Sums of integers: exact in float64 up to 2**53, so that their order does not matter."""
    return np.bincount(index, values, n).astype(np.int64)


def _numbered(values, n_pixels):
    """Sorted unique values, and the index of each value among them."""
    if not values.size or values.max() >= 4 * n_pixels:
        return np.unique(values, return_inverse=True)
    present = np.zeros(int(values.max()) + 1, bool)  # faster than sorting
    present[values] = True
    place = np.cumsum(present) - 1
    return np.flatnonzero(present).astype(values.dtype), place[values]


def merge_sums(parts: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Merge the sums of parts of an image.

    Parameters
    ----------
    parts : list of dict
        Results of `object_sums` in a fixed order, with ids of the whole image.

    Returns
    -------
    dict of str to ndarray
        Sorted by label.
    """
    together = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    ids, index = np.unique(together.pop("label"), return_inverse=True)
    merged = {"label": ids}
    low = np.full((len(ids), together["low"].shape[1]), _FAR)
    np.minimum.at(low, index, together["low"])
    together["moments"] = _shifted(together, low[index])
    for key, values in together.items():
        add, neutral = _EXTREMA.get(key, (np.add, 0))
        merged[key] = np.full((len(ids), *values.shape[1:]), neutral, values.dtype)
        add.at(merged[key], index, values)
    return merged


def _shifted(sums, low):
    """Moments of parts relative to the lowest corner of the whole object."""
    size = sums["size"]
    step = sums["low"] - low
    position = sums["position"] - sums["low"] * size[:, None]
    moments = sums["moments"].copy()
    for k, (i, j) in enumerate(pairs_of_axes(low.shape[1])):
        moments[:, k] += step[:, i] * position[:, j] + step[:, j] * position[:, i]
        moments[:, k] += step[:, i].astype(float) * step[:, j] * size
    return moments
