"""Small objects, holes and gaps."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .components import label_components
from .distance import border_distance


def remove_small(labels: np.ndarray, min_size: int) -> np.ndarray:
    """Remove objects of fewer than `min_size` pixels.

    Parameters
    ----------
    labels : ndarray of int
        Not negative.
    min_size : int

    Returns
    -------
    ndarray
        A copy; the remaining objects keep their ids.
    """
    ids, inverse, sizes = _counted(labels)
    kept = np.where((sizes >= min_size) & (ids > 0), ids, 0)
    return kept[inverse].reshape(labels.shape).astype(labels.dtype, copy=False)


def fill_holes(labels: np.ndarray) -> np.ndarray:
    """Fill holes with the object that encloses them.

    A hole is a component of the background that does not touch the frame of the image and is
    adjacent to exactly one object.

    Parameters
    ----------
    labels : ndarray of int, 2-D or 3-D
        Not negative.

    Returns
    -------
    ndarray
        A copy.
    """
    labels = np.ascontiguousarray(labels)
    holes = label_components(labels == 0, connectivity=1)
    enclosed = np.ones(int(holes.max(initial=0)) + 1, bool)
    enclosed[0] = False
    for axis in range(labels.ndim):
        for side in (0, -1):
            enclosed[holes.take(side, axis).ravel()] = False
    if not enclosed.any():
        return labels.copy()
    # Enclosed pixels do not touch the frame: every neighbor is in the image.
    at = np.flatnonzero(np.take(enclosed, holes))
    hole, flat = holes.ravel()[at], labels.ravel()
    # Of the type of the labels: `ufunc.at` is slow with several types.
    low = np.full(len(enclosed), np.iinfo(labels.dtype).max, labels.dtype)
    high = np.zeros(len(enclosed), labels.dtype)
    for stride in np.array(labels.strides) // labels.itemsize:
        for step in (stride, -stride):
            label = flat[at + step]
            edge = label > 0
            np.minimum.at(low, hole[edge], label[edge])
            np.maximum.at(high, hole[edge], label[edge])
    owner = np.where(low == high, low, 0)
    filled = labels.copy()
    filled.ravel()[at] = owner[hole]
    return filled


def bridge_gaps(
    mask: np.ndarray, distance: float, spacing: Sequence[float] | None = None
) -> np.ndarray:
    """Join parts of a mask that are near each other.

    Parameters
    ----------
    mask : ndarray of bool, 2-D or 3-D
    distance : float
        Maximum distance between the centers of the pixels on both sides of a gap, in units of
        `spacing`; along the axes exact, elsewhere some gaps up to a pixel wider are bridged, too.
        Pixels within half of it of the mask are added. 0 returns the mask itself.
    spacing : sequence of float, default=None
        Size of a pixel along each axis; None is 1.

    Returns
    -------
    ndarray of bool

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.morphology import bridge_gaps
    >>> bridge_gaps(np.array([[1, 0, 0, 1, 0, 0, 0, 1]]) > 0, 2).astype(int)
    array([[1, 1, 1, 1, 1, 0, 1, 1]])
    """
    if distance <= 0 or not mask.any():
        return mask
    radius = float(distance) / 2 * (1 + 1e-5)  # tolerance for rounding
    return border_distance(~mask, spacing) <= radius


def relabel(labels: ArrayLike, min_size: int = 1) -> np.ndarray:
    """Renumber objects 1, 2, ... in the order of their ids.

    Parameters
    ----------
    labels : ndarray of int
        Not negative.
    min_size : int, default=1
        Objects of fewer pixels are removed.

    Returns
    -------
    ndarray of int32, or of int64 for 2**31 objects or more
    """
    ids, inverse, sizes = _counted(labels)
    kept = (ids > 0) & (sizes >= max(1, min_size))
    dtype = np.int32 if len(ids) < 2**31 else np.int64
    new = (np.cumsum(kept) * kept).astype(dtype)
    return np.take(new, inverse).reshape(np.shape(labels))


def _counted(labels):
    labels = np.asarray(labels)
    if labels.size and labels.max() < 4 * labels.size:  # counting beats sorting
        indices = labels.ravel().astype(np.intp, copy=False)
        sizes = np.bincount(indices)
        return np.arange(len(sizes)), indices, sizes
    return np.unique(labels, return_inverse=True, return_counts=True)
