"""Distance transforms of objects."""

from collections.abc import Sequence

import edt
import numpy as np
from numpy.typing import ArrayLike

from .components import label_components


def border_distance(labels: np.ndarray, spacing: Sequence[float] | None = None) -> np.ndarray:
    """Compute the distance of each nonzero pixel to the nearest of another value, or infinity.

    The frame of the image is not a border. `spacing` is as in `normalized_distance`.
    """
    spacing = (1.0,) * labels.ndim if spacing is None else tuple(float(s) for s in spacing)
    labels = np.require(labels, requirements=["C", "W"])  # edt refuses read-only masks
    labels = labels.view(np.uint8) if labels.dtype == bool else labels  # which takes less time
    return edt.edt(labels, anisotropy=spacing, black_border=False)


def normalized_distance(labels: ArrayLike, spacing: Sequence[float] | None = None) -> np.ndarray:
    """Compute the distance to the border of the object, divided by its maximum in the object.

    It does not depend on the size of the objects, and it is low between touching objects: a target
    that a network learns for objects of any size.

    Parameters
    ----------
    labels : ndarray of int, 2-D or 3-D
        Each component of each value > 0 is an object; 0 background; -1 unlabeled. Touching objects
        have a border in between; the frame of the image is not a border.
    spacing : sequence of float, default=None
        Size of a pixel along each axis; None is 1.

    Returns
    -------
    distance : ndarray of float32, shape of `labels`
        From just above 0 at the border to 1 in the middle; 0 in the background; NaN in
        unlabeled pixels and in objects that touch them, whose border is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.morphology import normalized_distance
    >>> normalized_distance(np.array([[0, 1, 1, 1, 0], [0, 1, 1, 1, 0]])).round(1)
    array([[0. , 0.5, 1. , 0.5, 0. ],
           [0. , 0.5, 1. , 0.5, 0. ]], dtype=float32)
    """
    labels = np.asarray(labels)
    parts = label_components(labels)
    unknown = labels < 0
    count = int(parts.max(initial=0))
    if count == 0:
        return np.where(unknown, np.float32(np.nan), np.float32(0))
    parts = np.where(unknown, count + 1, parts).astype(np.int32)
    distance = border_distance(parts, spacing)
    distance = np.where(np.isfinite(distance), distance, 1).astype(np.float32)
    largest = _largest(parts, distance, count + 2)
    largest[0] = 1
    result = np.where(parts > 0, distance / largest[parts], np.float32(0))
    hidden = np.zeros(count + 2, bool)
    hidden[count + 1] = True
    hidden[_touching(parts, count + 1)] = True
    hidden[0] = False
    result[hidden[parts]] = np.nan
    return result


def _largest(parts, values, n):
    """Maximum of `values` in each part."""
    order = np.argsort(parts, axis=None, kind="stable")
    sorted_parts = parts.ravel()[order]
    starts = np.flatnonzero(np.diff(sorted_parts, prepend=-1))
    result = np.ones(n, np.float32)
    result[sorted_parts[starts]] = np.maximum.reduceat(values.ravel()[order], starts)
    return result


def _touching(parts, value):
    """Parts that share a face with `value`."""
    touching = []
    for axis in range(parts.ndim):
        moved = np.moveaxis(parts, axis, 0)
        before, after = moved[:-1], moved[1:]
        touching += [before[after == value], after[before == value]]
    return np.unique(np.concatenate([f.ravel() for f in touching]))
