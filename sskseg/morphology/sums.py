"""Sums over the pixels of each object, of a whole image or of its parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .runs import Runs
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
    labels: np.ndarray | Runs,
    *,
    start: Sequence[int] | None = None,
    probability: ArrayLike | None = None,
    intensity: ArrayLike | None = None,
) -> dict[str, np.ndarray]:
    """Compute the sums and extrema of objects in a part of an image, for `merge_sums`.

    Parameters
    ----------
    labels : ndarray of int, 2-D or 3-D, or its Runs
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
    runs = labels if isinstance(labels, Runs) else Runs(labels)
    ndim, size = len(runs.shape), int(np.prod(runs.shape))
    ids, index = _numbered(runs.labels, size)
    n = len(ids)
    sums = {"label": ids, "size": _add(index, runs.lengths, n)}
    sums["position"] = np.zeros((n, ndim), np.int64)
    sums["low"] = np.full((n, ndim), _FAR)
    sums["high"] = np.zeros((n, ndim), np.int64)
    for axis, first in enumerate(runs.starts):
        first = first if start is None else first + start[axis]
        last = first + (runs.lengths - 1 if axis == ndim - 1 else 0)
        sums["position"][:, axis] = _add(index, (first + last) * runs.lengths // 2, n)
        np.minimum.at(sums["low"][:, axis], index, first)
        np.maximum.at(sums["high"][:, axis], index, last + 1)
    sums["moments"] = runs.moments(index, sums["low"] - np.asarray(start or 0), n)
    if probability is not None:
        probability = np.asarray(probability)
        if probability.shape != runs.shape:
            raise ValueError(
                f"probability must have the shape of labels, {runs.shape}, got {probability.shape}."
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
