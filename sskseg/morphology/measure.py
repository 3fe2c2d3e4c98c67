"""Measure objects, of whole images or of their parts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from .contours import contour_areas, contour_perimeters

_AXES = {2: ("y", "x"), 3: ("z", "y", "x")}
_FAR = np.iinfo(np.int64).max


def measure_objects(
    labels: ArrayLike,
    *,
    probability: ArrayLike | None = None,
    intensity: ArrayLike | None = None,
    spacing: Sequence[float] | None = None,
) -> pd.DataFrame:
    """Measure the objects of a label image.

    All columns derive from sums and extrema over pixels, so that the sums of the parts of an image
    can be merged.

    Parameters
    ----------
    labels : ndarray of int, 2-D or 3-D
        0 is background; negative values are ignored.
    probability : ndarray of the same shape, default=None
        Foreground probability; its mean over an object is the object's score.
    intensity : ndarray of that shape, with or without a channel axis at the end, default=None
    spacing : sequence of float, default=None
        Size of a pixel along each axis, in any unit; None is 1.

    Returns
    -------
    pandas.DataFrame
        One row per object, in the order of their ids: ``id``; ``centroid_y, centroid_x`` (and
        ``centroid_z``) in units of `spacing`, pixel centers counting from 0; ``area`` or ``volume``
        in those units; ``mean_intensity`` (``mean_intensity_0``, ... where there is a channel
        axis); ``min_y, max_y``, ... in pixels, the maximum excluded; ``touches_border``; ``score``.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.morphology import measure_objects
    >>> labels = np.array([[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]])
    >>> measure_objects(labels, spacing=(2.0, 0.5))[["id", "centroid_y", "centroid_x", "area"]]
       id  centroid_y  centroid_x  area
    0   1         1.0        0.75   4.0
    """
    labels = np.asarray(labels)
    sums = object_sums(labels, probability=probability, intensity=intensity)
    return sums_to_table(sums, labels.shape, [1.0] * labels.ndim if spacing is None else spacing)


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
        excluded) and, if given, ``score`` and ``intensity`` (sums).
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
    if probability is not None:
        sums["score"] = np.bincount(index, runs.sums(np.asarray(probability)), n)
    if intensity is not None:
        intensity = np.asarray(intensity)
        if labels.shape not in (intensity.shape, intensity.shape[:-1]):
            raise ValueError(
                "intensity must have the shape of labels, "
                f"{labels.shape}, or that and a channel axis, got {intensity.shape}."
            )
        if intensity.shape == labels.shape:
            sums["intensity"] = np.bincount(index, runs.sums(intensity), n)
        else:
            channels = np.moveaxis(intensity, -1, 0)
            sums["intensity"] = np.stack(
                [np.bincount(index, runs.sums(channel), n) for channel in channels], axis=1
            )
    return sums


class _Runs:
    """Objects as runs of pixels along the last axis: far fewer than pixels."""

    def __init__(self, labels):
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
        if not len(self.all):
            return np.empty(0)
        return np.add.reduceat(values.ravel(), self.all, dtype=np.float64)[self.kept]


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


def contour_columns(contours: np.ndarray, spacing: ArrayLike) -> dict[str, Any]:
    """Compute the columns of a table of objects that describe their contours.

    Parameters
    ----------
    contours : ndarray of shape (n_objects, n_points, 2)
        Row and column, pixels.
    spacing : sequence of 2 floats

    Returns
    -------
    dict of str to array of shape (n_objects,)
        ``contour_area, perimeter`` and ``polygon``, the outline as well-known text:
        ``POLYGON ((x y, ...))``, in units of `spacing`.
    """
    contours = np.asarray(contours, float) * np.asarray(spacing, float)
    return {
        "contour_area": np.abs(contour_areas(contours)),
        "perimeter": contour_perimeters(contours),
        "polygon": pd.array([_well_known_text(contour) for contour in contours], dtype="string"),
    }


def _well_known_text(contour):
    """A closed polygon of (row, column) as text of (x, y)."""
    closed = np.concatenate([contour, contour[:1]])
    return "POLYGON ((" + ", ".join(f"{x:.2f} {y:.2f}" for y, x in closed) + "))"


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
    for key, values in together.items():
        add = {"low": np.minimum, "high": np.maximum}.get(key, np.add)
        first = _FAR if key == "low" else 0
        merged[key] = np.full((len(ids), *values.shape[1:]), first, values.dtype)
        add.at(merged[key], index, values)
    return merged


def sums_to_table(
    sums: dict[str, np.ndarray], shape: Sequence[int], spacing: ArrayLike
) -> pd.DataFrame:
    """Make the table of `measure_objects` from sums.

    Parameters
    ----------
    sums : dict
        Result of `object_sums` or `merge_sums`; optional ``contour``, (n_objects, n_points, 2):
        contours in pixels of the image, multiplied by the sizes so that parts of an object add up.
    shape : tuple of int
        Of the image.
    spacing : sequence of float

    Returns
    -------
    pandas.DataFrame
    """
    axes, spacing, sizes = _AXES[len(shape)], np.asarray(spacing, float), sums["size"]
    columns = {"id": sums["label"]}
    for axis, name in enumerate(axes):
        columns[f"centroid_{name}"] = sums["position"][:, axis] / sizes * spacing[axis]
    columns["area" if len(shape) == 2 else "volume"] = sizes * spacing.prod()
    intensity = sums.get("intensity")
    if intensity is not None and intensity.ndim == 1:
        columns["mean_intensity"] = intensity / sizes
    elif intensity is not None:
        columns |= {f"mean_intensity_{c}": x / sizes for c, x in enumerate(intensity.T)}
    for axis, name in enumerate(axes):
        columns[f"min_{name}"] = sums["low"][:, axis]
        columns[f"max_{name}"] = sums["high"][:, axis]
    touches = (sums["low"] == 0) | (sums["high"] == np.array(shape))
    columns["touches_border"] = touches.any(axis=1)
    if "score" in sums:
        columns["score"] = sums["score"] / sizes
    if "contour" in sums:
        columns |= contour_columns(sums["contour"] / sizes[:, None, None], spacing)
    return pd.DataFrame(columns)
