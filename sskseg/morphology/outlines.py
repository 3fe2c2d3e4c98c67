"""Outlines of objects along the corners of pixels, and polygons as runs of pixels."""

from typing import NamedTuple

import cc3d
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

_MAX_WINDOWS = 2**24  # of 2 x 2 pixels that are examined at once


class Outlines(NamedTuple):
    """Rings along the corners of pixels, those of one object one after the other.

    Parameters
    ----------
    vertices : ndarray of int32, shape (n_vertices, 2)
        Row and column of corners: a pixel (y, x) reaches from (y, x) to (y + 1, x + 1). Only
        corners where a ring turns; the first one is not repeated.
    starts : ndarray of int, shape (n_rings + 1,)
        First vertex of each ring, and the number of vertices.
    parts : ndarray of int, shape (n_rings,)
        Which connected component a ring belongs to, counted from 0 and sorted. The first ring of a
        part is its outer one, the others are holes.
    ids : ndarray of int, shape (n_parts,)
        Value of each connected component, sorted.
    """

    vertices: np.ndarray
    starts: np.ndarray
    parts: np.ndarray
    ids: np.ndarray


def trace_outlines(labels: np.ndarray) -> Outlines:
    """Trace the outlines of the objects of a label image exactly.

    Parameters
    ----------
    labels : ndarray of int, shape (height, width)
        0 is background. Each connected component (connectivity of edges) of any other value is
        traced, also of -1.

    Returns
    -------
    Outlines
        Polygons that contain exactly the centers of the pixels of their component. Outer rings
        turn from columns to greater rows, holes in the other direction. Polygons are simple: a ring
        touches itself nowhere, and touches another one in single corners only.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.morphology.outlines import trace_outlines
    >>> outlines = trace_outlines(np.array([[0, 7, 7], [0, 7, 0]]))
    >>> outlines.vertices.tolist()
    [[0, 1], [0, 3], [1, 3], [1, 2], [2, 2], [2, 1]]
    >>> outlines.ids
    array([7])
    """
    parts, ids = _components(np.asarray(labels))
    part, row, column, twin = _corners(parts)
    width = parts.shape[1] + 1
    order = np.argsort((part * (parts.shape[0] + 1) + row) * width + column, kind="stable")
    part, row, column, twin = (values[order] for values in (part, row, column, twin))
    # Along each line, corners in turn begin and end a side.
    along_row = _neighbors(np.arange(len(part)))
    by_column = np.lexsort((_second(twin, row), row, column, part))
    along_column = _neighbors(by_column)
    is_outer = np.zeros(len(part), bool)
    firsts = np.flatnonzero(np.diff(part, prepend=-1))
    outer, outer_lengths = _walk(firsts, along_row, along_column)
    is_outer[outer] = True
    inner_firsts = _first_of_each(np.flatnonzero(~is_outer), along_row, along_column)
    inner, inner_lengths = _walk(inner_firsts, along_column, along_row)
    rings = np.argsort(np.concatenate([part[firsts], part[inner_firsts]]), kind="stable")
    lengths = np.concatenate([outer_lengths, inner_lengths])
    corners = _reordered(np.concatenate([outer, inner]), lengths, rings)
    starts = np.concatenate([[0], np.cumsum(lengths[rings])])
    vertices = np.stack([row[corners], column[corners]], axis=1).astype(np.int32)
    return Outlines(vertices, starts, part[corners[starts[:-1]]], ids)


def _components(labels):
    """Number connected components from 1, sorted by their values."""
    positive = labels
    if labels.dtype.kind != "u":
        # A number of its own for unlabeled pixels, since -1 has no place in unsigned integers.
        own = int(labels.max(initial=0)) + 1
        dtype = np.uint32 if own < 2**32 else np.uint64
        positive = np.where(labels < 0, own, labels).astype(dtype)
    native = positive.dtype.newbyteorder("=")
    # cc3d takes no arrays that it could not write to.
    positive = np.require(positive, native, ["C", "W"])
    parts = cc3d.connected_components(positive, connectivity=4)
    n = int(parts.max(initial=0))
    values = np.zeros(n + 1, np.int64)
    values[parts.ravel()] = labels.ravel()
    order = np.argsort(values[1:], kind="stable")
    number = np.zeros(n + 1, np.uint32)
    number[order + 1] = np.arange(1, n + 1)
    return number[parts], values[1:][order]


def _corners(parts):
    """Corners at which the outline of a part turns: part from 0, row, column, and twin.

    Where pixels of a part touch in a corner only, its outline passes there twice: such corners are
    listed twice, with `twin` 1 if the pixels are on the main diagonal, and 2 on the other.
    """
    padded = np.pad(parts, 1)
    height = max(1, _MAX_WINDOWS // padded.shape[1])
    bands = [
        _corners_of_band(padded[top : top + height + 1], top)
        for top in range(0, padded.shape[0] - 1, height)
    ]
    return [np.concatenate(values) for values in zip(*bands)]


def _corners_of_band(band, top):
    a, b, c, d = band[:-1, :-1], band[:-1, 1:], band[1:, :-1], band[1:, 1:]
    row, column = np.nonzero((a != b) | (a != c) | (a != d))
    a, b, c, d = (window[row, column] for window in (a, b, c, d))
    found = []
    with_a = (a == b).astype(np.int8) + (a == c) + (a == d)
    with_b = (b == c).astype(np.int8) + (b == d)
    for value, turns, twin in (
        (a, with_a != 1, 0), (a, (with_a == 1) & (a == d), 1),
        (b, (b != a) & (with_b != 1), 0), (b, (b != a) & (with_b == 1) & (b == c), 2),
        (c, (c != a) & (c != b) & (c != d), 0), (d, (d != a) & (d != b) & (d != c), 0),
    ):  # fmt: skip
        # Three others of the same value, or none, turn the outline.
        here = np.flatnonzero(turns & (value > 0))
        here = np.repeat(here, 2) if twin else here
        found.append((value[here], row[here] + top, column[here], np.full(len(here), twin)))
    part, row, column, twins = (np.concatenate(values) for values in zip(*found))
    return part.astype(np.int64) - 1, row, column, twins.astype(np.int8)


def _second(twin, row):
    """Sort key of the two visits of a corner along a column.

    The first visit comes from the left and the second leaves to the right. Pixels of the part on
    the main diagonal: the first leaves downward, so that it comes second along the column; on the
    other diagonal the first goes upward.
    """
    visit = np.zeros(len(row), np.int8)
    twins = np.flatnonzero(twin)
    visit[twins[1::2]] = 1
    return np.where(twin == 1, 1 - visit, visit)


def _neighbors(order):
    """For each corner, the other end of its side: corners in turn begin and end one."""
    other = np.empty(len(order), np.int64)
    other[order[0::2]] = order[1::2]
    other[order[1::2]] = order[0::2]
    return other


def _walk(firsts, first_step, second_step):
    """Corners of the rings that begin at some corners, ring by ring, and their numbers."""
    current, active, steps = firsts, np.arange(len(firsts)), []
    while len(active):
        middle = first_step[current]
        steps.append((active, current, middle))
        current = second_step[middle]
        going = current != firsts[active]
        current, active = current[going], active[going]
    if not steps:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    counts = [len(ring) for ring, _, _ in steps]
    ring = np.concatenate([ring for ring, _, _ in steps])
    corners = np.stack([np.concatenate([s[i] for s in steps]) for i in (1, 2)], axis=1)
    lengths = 2 * np.bincount(ring, minlength=len(firsts))
    number = np.repeat(np.arange(len(steps)), counts)
    place = (np.cumsum(lengths) - lengths)[ring] // 2 + number
    result = np.empty_like(corners)
    result[place] = corners
    return result.ravel(), lengths


def _first_of_each(corners, along_row, along_column):
    """First corner of each ring among some corners that are whole rings."""
    if not len(corners):
        return corners
    index = np.empty(len(along_row), np.int64)
    index[corners] = np.arange(len(corners))
    ends = np.concatenate([index[along_row[corners]], index[along_column[corners]]])
    sources = np.tile(np.arange(len(corners)), 2)
    graph = coo_array((np.ones(len(ends), bool), (sources, ends)), shape=(len(corners),) * 2)
    _, ring = connected_components(graph, directed=False)
    _, first = np.unique(ring, return_index=True)
    return np.sort(corners[first])


def _reordered(values, lengths, order):
    """Reorder pieces of different lengths."""
    starts = (np.cumsum(lengths) - lengths)[order]
    return values[np.repeat(starts, lengths[order]) + _ramps(lengths[order])]


def _ramps(counts):
    """0, 1, ..., count - 1 for each count, one after the other."""
    starts = np.cumsum(counts) - counts
    return np.arange(int(counts.sum())) - np.repeat(starts, counts)


class Runs(NamedTuple):
    """Pixels of regions, as runs along rows: columns from `start` to `stop`, which is excluded.

    Parameters
    ----------
    region, row, start, stop : ndarray of int, shape (n_runs,)
        Sorted by region and row. They may extend beyond an image.
    """

    region: np.ndarray
    row: np.ndarray
    start: np.ndarray
    stop: np.ndarray


def fill_rings(
    vertices: np.ndarray, lengths: np.ndarray, regions: np.ndarray, height: int
) -> tuple[Runs, np.ndarray]:
    """Find the pixels inside of regions with any number of rings.

    Parameters
    ----------
    vertices : ndarray of float, shape (n_vertices, 2)
        Row and column, (0, 0) the corner of the first pixel; the rings one after the other.
    lengths : ndarray of int, shape (n_rings,)
        Number of vertices of each ring.
    regions : ndarray of int, shape (n_rings,)
        Region of each ring, sorted.
    height : int
        Rows from 0 to `height` are filled.

    Returns
    -------
    runs : Runs
        Pixels whose center lies inside of a region by the even-odd rule. A center on an edge is
        inside if the region is at its left, or above it, as ImageJ fills polygons.
    crosses : ndarray of bool, shape (n_rings,)
        Whether a ring winds around a row of pixels more than once, or in both directions: it
        intersects itself.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.morphology.outlines import fill_rings
    >>> triangle = np.array([[0.0, 0], [0, 4], [4, 0]])
    >>> runs, _ = fill_rings(triangle, np.array([3]), np.array([0]), 4)
    >>> runs.row, runs.start, runs.stop
    (array([0, 1, 2, 3]), array([0, 0, 0, 0]), array([4, 3, 2, 1]))
    """
    ring, row, column, direction = _crossings(vertices, lengths, height)
    order = np.lexsort((column, row, ring))
    crosses = _winds_twice(ring[order], row[order], column[order], direction[order], len(lengths))
    if len(regions) and (np.diff(regions) == 0).any():
        order = np.lexsort((column, row, regions[ring]))
    region, row, column = regions[ring[order]], row[order], np.floor(column[order]) + 1
    start, stop = column[0::2].astype(np.int64), column[1::2].astype(np.int64)
    filled = stop > start
    runs = Runs(region[0::2][filled], row[0::2][filled], start[filled], stop[filled])
    return runs, crosses


def _winds_twice(ring, row, column, direction, n_rings):
    """Whether each ring contains pixels with two winding numbers, or one beyond 1 and -1."""
    winding = np.cumsum(direction)  # of each row of a ring it ends at 0
    pixel = np.floor(column)
    is_last = np.ones(len(ring), bool)
    same = (ring[1:] == ring[:-1]) & (row[1:] == row[:-1]) & (pixel[1:] == pixel[:-1])
    is_last[:-1] = ~same
    high, low = np.zeros(n_rings, np.int64), np.zeros(n_rings, np.int64)
    np.maximum.at(high, ring[is_last], winding[is_last])
    np.minimum.at(low, ring[is_last], winding[is_last])
    return high - low > 1


def _crossings(vertices, lengths, height):
    """Crossings of edges with the middle lines of rows: ring, row, column and direction."""
    ends = np.cumsum(lengths)
    following = np.arange(1, len(vertices) + 1)
    following[ends - 1] = ends - lengths
    here = np.asarray(vertices, np.float64) - 0.5  # pixel centers at whole numbers
    there = here[following]
    # Half-open, so that a vertex on a row is crossed once.
    sides = np.sort(np.stack([here[:, 0], there[:, 0]]), axis=0)
    first, last = np.clip(np.floor(sides) + 1, 0, height).astype(np.int64)
    counts = last - first
    edge = np.repeat(np.arange(len(here)), counts)
    row = np.repeat(first, counts) + _ramps(counts)
    (y, x), (dy, dx) = here[edge].T, (there - here)[edge].T
    ring = np.repeat(np.arange(len(lengths)), lengths)[edge]
    return ring, row, x + (row - y) / dy * dx, np.sign(dy).astype(np.int64)
