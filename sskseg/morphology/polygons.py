"""Polygons as masks: rasterization, non-maximum suppression and label images."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

_MAX_PIXELS = 2**19  # of masks whose overlaps are computed at once


def contour_masks(contours: ArrayLike, shape: Sequence[int]) -> csr_array:
    """Find the pixels inside of polygons.

    Parameters
    ----------
    contours : ndarray of shape (n_contours, n_points, 2)
        Row and column; may extend beyond the image.
    shape : tuple of 2 ints
        Size of the image in pixels.

    Returns
    -------
    scipy.sparse.csr_array of int32, shape (n_contours, height * width)
        1 for each pixel whose center lies inside (even-odd rule).

    Raises
    ------
    ValueError
        If contours or image are not two-dimensional.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.morphology import contour_masks
    >>> square = np.array([[0.5, 0.5], [0.5, 2.5], [2.5, 2.5], [2.5, 0.5]])
    >>> contour_masks(square[None], (4, 4)).toarray().reshape(4, 4)
    array([[0, 0, 0, 0],
           [0, 1, 1, 0],
           [0, 1, 1, 0],
           [0, 0, 0, 0]], dtype=int32)
    """
    contours = np.asarray(contours, float)
    if contours.ndim != 3 or contours.shape[2] != 2 or len(shape) != 2:
        raise ValueError(
            "Contours are of two-dimensional images, expected an array (n_contours, n_points, 2) "
            f"and two sides, got {contours.shape} and {tuple(shape)}."
        )
    lines, columns = _crossings(contours, shape[0])
    # Each row of an image enters a closed polygon as often as it leaves it.
    starts = np.clip(np.ceil(columns[0::2]), 0, shape[1]).astype(np.int64)
    counts = np.clip(np.ceil(columns[1::2]), 0, shape[1]).astype(np.int64) - starts
    owner, row = np.divmod(lines[0::2], shape[0])
    pixels = np.repeat(row * shape[1] + starts, counts) + _ramps(counts)
    sizes = np.bincount(owner, weights=counts, minlength=len(contours)).astype(np.int64)
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    n_pixels = shape[0] * shape[1]
    # Products of masks are twice as fast with 32-bit integers.
    small = np.int32 if max(n_pixels, len(pixels)) < 2**31 else np.int64
    return csr_array(
        (np.ones(len(pixels), np.int32), pixels.astype(small), indptr.astype(small)),
        shape=(len(contours), n_pixels),
    )


def _crossings(contours, height):
    """Crossings of edges and image rows, sorted: contour * height + row, and columns."""
    here = contours.reshape(-1, 2)
    there = np.roll(contours, -1, axis=1).reshape(-1, 2)
    low, high = np.minimum(here[:, 0], there[:, 0]), np.maximum(here[:, 0], there[:, 0])
    # Half-open, so that a vertex on a row is crossed once.
    first = np.clip(np.ceil(low), 0, height).astype(np.int64)
    counts = np.maximum(np.clip(np.ceil(high), 0, height).astype(np.int64) - first, 0)
    edge = np.repeat(np.arange(len(here)), counts)
    row = np.repeat(first, counts) + _ramps(counts)
    (y, x), (dy, dx) = here[edge].T, (there - here)[edge].T
    column = x + (row - y) / dy * dx
    line = edge // contours.shape[1] * height + row
    # Two keys: in one number, many lines would leave too few digits for the columns.
    order = np.lexsort((column, line))
    return line[order], column[order]


def _ramps(counts):
    """0, 1, ..., count - 1 for each count, one after the other."""
    starts = np.cumsum(counts) - counts
    return np.arange(int(counts.sum())) - np.repeat(starts, counts)


def suppress_overlaps(masks: csr_array, scores: ArrayLike, threshold: float) -> np.ndarray:
    """Suppress masks that overlap too much with better ones (non-maximum suppression).

    Parameters
    ----------
    masks : scipy.sparse.csr_array of int, shape (n_masks, n_pixels)
        Masks, as returned by `contour_masks`.
    scores : ndarray of shape (n_masks,)
        Scores of the masks. If two are equal, the first mask is better.
    threshold : float in [0, 1]
        Maximum overlap of two masks, as a fraction of the pixels of the smaller one.

    Returns
    -------
    ndarray of int
        Indices of the masks that are kept, the best first: none of them overlaps too much with a
        better one that is kept. Empty masks are not kept.

    Notes
    -----
    The result equals that of greedy suppression, the best first. Instead of one by one, all masks
    that are better than each of their overlapping neighbors are kept, these neighbors are
    suppressed, and so on with the rest: a few iterations, whatever the number of masks. Many large
    masks are processed in parts, the best first, to bound memory.
    """
    sizes = np.diff(masks.indptr)
    order = np.lexsort((np.arange(len(sizes)), -np.asarray(scores, float)))
    order = order[sizes[order] > 0]
    kept = order[:0]
    for part in np.array_split(order, 1 + masks.nnz // _MAX_PIXELS):
        if len(kept):
            beaten, _ = _conflicts(masks[part], masks[kept], threshold)
            part = np.delete(part, beaten)
        kept = np.concatenate([kept, part[_best(masks[part], threshold)]])
    return kept


def _best(masks, threshold):
    """Whether masks, sorted by their scores, are kept."""
    worse, better = _conflicts(masks, masks, threshold)
    worse, better = worse[worse > better], better[worse > better]
    undecided = np.ones(masks.shape[0], bool)
    kept = np.zeros(masks.shape[0], bool)
    while undecided.any():
        beaten = np.zeros(len(kept), bool)
        beaten[worse] = True
        winners = undecided & ~beaten
        kept |= winners
        undecided &= ~winners
        undecided[worse[winners[better]]] = False
        remaining = undecided[better] & undecided[worse]
        better, worse = better[remaining], worse[remaining]
    return kept


def _conflicts(masks, others, threshold):
    """Pairs of masks that overlap by more than the threshold."""
    shared = (masks @ others.T).tocoo()
    first, second = shared.coords
    sizes, other_sizes = np.diff(masks.indptr), np.diff(others.indptr)
    wanted = shared.data > threshold * np.minimum(sizes[first], other_sizes[second])
    return first[wanted], second[wanted]


def paint_masks(masks: csr_array, shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Make a label image of masks; of overlapping masks the first is on top.

    Parameters
    ----------
    masks : scipy.sparse.csr_array of int, shape (n_masks, height * width)
        The best first.
    shape : tuple of 2 ints

    Returns
    -------
    labels : ndarray of int64, shape `shape`
        1, 2, ... in the order of the masks that are visible; 0 background.
    shown : ndarray of int
        Indices of the visible masks.
    """
    number = np.repeat(np.arange(1, masks.shape[0] + 1), np.diff(masks.indptr))
    labels = np.zeros(shape[0] * shape[1], np.int64)
    labels[masks.indices[::-1]] = number[::-1]  # the last assignment wins
    visible = np.bincount(labels[masks.indices], minlength=masks.shape[0] + 1)[1:] > 0
    if not visible.all():
        labels = np.concatenate([[0], np.cumsum(visible) * visible])[labels]
    return labels.reshape(shape), np.flatnonzero(visible)
