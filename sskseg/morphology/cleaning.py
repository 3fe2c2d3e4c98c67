"""Small objects, holes and fragments."""

import fastremap
import numpy as np
from scipy import ndimage as ndi
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from .components import label_components


def remove_small(labels, min_size):
    """Remove objects of fewer than `min_size` pixels.

    Parameters
    ----------
    labels : ndarray of int
        Not negative.
    min_size : int

    Returns
    -------
    ndarray
        A copy; the ids of what remains are kept.
    """
    ids, inverse, sizes = _counted(labels)
    kept = np.where((sizes >= min_size) & (ids > 0), ids, 0)
    return kept[inverse].reshape(labels.shape).astype(labels.dtype, copy=False)


def fill_holes(labels):
    """Give holes to the object that encloses them.

    A hole is a part of the background that does not touch the frame of the image and borders on
    one object only.

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
    # What is enclosed does not touch the frame: every neighbor is in the image.
    at = np.flatnonzero(enclosed[holes])
    hole, flat = holes.ravel()[at], labels.ravel()
    low, high = np.full(len(enclosed), np.iinfo(np.int64).max), np.zeros(len(enclosed), np.int64)
    for stride in np.array(labels.strides) // labels.itemsize:
        for step in (stride, -stride):
            label = flat[at + step]
            edge = label > 0
            np.minimum.at(low, hole[edge], label[edge])
            np.maximum.at(high, hole[edge], label[edge])
    owner = np.where(low == high, low, 0).astype(labels.dtype)
    filled = labels.copy()
    filled.ravel()[at] = owner[hole]
    return filled


def merge_fragments(labels, distance, spacing=None):
    """Give one id to objects that are at most `distance` apart.

    Parameters
    ----------
    labels : ndarray of int, 2-D or 3-D
        Not negative.
    distance : float
        Between the nearest pixels (their centers), in units of `spacing`; 0 merges nothing.
    spacing : sequence of float, default=None
        Size of a pixel along each axis; None is 1.

    Returns
    -------
    ndarray
        A copy; merged objects have the smallest of their ids.
    """
    if distance <= 0 or not (labels > 0).any():
        return labels.copy()
    spacing = np.ones(labels.ndim) if spacing is None else np.asarray(spacing, float)
    surface = (labels > 0) & (ndi.grey_erosion(labels, footprint=_cross(labels.ndim)) != labels)
    surface |= (labels > 0) & (ndi.grey_dilation(labels, footprint=_cross(labels.ndim)) != labels)
    points = np.argwhere(surface)
    ids = labels[tuple(points.T)]
    pairs = cKDTree(points * spacing).query_pairs(distance, output_type="ndarray")
    linked = ids[pairs]
    linked = linked[linked[:, 0] != linked[:, 1]]
    values = np.unique(labels)
    values = values[values > 0]
    rows = np.searchsorted(values, linked)
    graph = coo_array((np.ones(len(rows)), (rows[:, 0], rows[:, 1])), shape=(len(values),) * 2)
    _, group = connected_components(graph, directed=False)
    first = np.full(group.max() + 1, values.max())
    np.minimum.at(first, group, values)
    table = dict(zip(values.tolist(), first[group].tolist(), strict=True))
    return fastremap.remap(labels, table, preserve_missing_labels=True, in_place=False)


def relabel(labels):
    """Renumber objects 1, 2, ... in the order of their ids.

    Parameters
    ----------
    labels : ndarray of int
        Not negative.

    Returns
    -------
    ndarray of int32 (int64 where there are more objects than it holds)
    """
    ids, inverse, sizes = _counted(labels)
    present = (ids > 0) & (sizes > 0)
    new = np.cumsum(present) * present
    dtype = np.int32 if len(ids) < 2**31 else np.int64
    return new.astype(dtype)[inverse].reshape(np.shape(labels))


def _counted(labels):
    labels = np.asarray(labels)
    if labels.size and labels.max() < 4 * labels.size:  # counting beats sorting
        indices = labels.ravel().astype(np.intp, copy=False)
        sizes = np.bincount(indices)
        return np.arange(len(sizes)), indices, sizes
    return np.unique(labels, return_inverse=True, return_counts=True)


def _cross(ndim):
    return ndi.generate_binary_structure(ndim, 1)
