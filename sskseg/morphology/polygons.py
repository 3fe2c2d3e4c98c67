"""Polygons as masks: rasterization, what overlaps too much, and label images."""

import numpy as np
from scipy.sparse import csr_array

_MAX_PIXELS = 2**19  # of masks that are compared with each other at once


def contour_masks(contours, shape):
    """Find the pixels inside of polygons.

    Parameters
    ----------
    contours : ndarray of shape (n_contours, n_points, 2)
        Row and column; may reach out of the image.
    shape : tuple of 2 ints
        Of the image.

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
    # Each line of an image enters a closed polygon as often as it leaves it.
    starts = np.clip(np.ceil(columns[0::2]), 0, shape[1]).astype(np.int64)
    counts = np.clip(np.ceil(columns[1::2]), 0, shape[1]).astype(np.int64) - starts
    owner, row = np.divmod(lines[0::2], shape[0])
    pixels = np.repeat(row * shape[1] + starts, counts) + _ramps(counts)
    sizes = np.bincount(owner, weights=counts, minlength=len(contours)).astype(np.int64)
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    n_pixels = shape[0] * shape[1]
    # Products of masks are twice as fast with small integers.
    small = np.int32 if max(n_pixels, len(pixels)) < 2**31 else np.int64
    return csr_array(
        (np.ones(len(pixels), np.int32), pixels.astype(small), indptr.astype(small)),
        shape=(len(contours), n_pixels),
    )


def _crossings(contours, height):
    """Where edges cross the lines of an image: contour * height + row, and columns, sorted."""
    here = contours.reshape(-1, 2)
    there = np.roll(contours, -1, axis=1).reshape(-1, 2)
    low, high = np.minimum(here[:, 0], there[:, 0]), np.maximum(here[:, 0], there[:, 0])
    # Half-open, so that a vertex on a line is crossed once.
    first = np.clip(np.ceil(low), 0, height).astype(np.int64)
    counts = np.maximum(np.clip(np.ceil(high), 0, height).astype(np.int64) - first, 0)
    edge = np.repeat(np.arange(len(here)), counts)
    row = np.repeat(first, counts) + _ramps(counts)
    (y, x), (dy, dx) = here[edge].T, (there - here)[edge].T
    column = x + (row - y) / dy * dx
    line = edge // contours.shape[1] * height + row
    # One key is sorted faster than two; columns are at most half of the way to the next line.
    order = np.argsort(line + column / (4 * np.abs(column).max(initial=1.0)))
    return line[order], column[order]


def _ramps(counts):
    """0, 1, ..., count - 1 for each count, one after the other."""
    starts = np.cumsum(counts) - counts
    return np.arange(int(counts.sum())) - np.repeat(starts, counts)


def suppress_overlaps(masks, scores, threshold):
    """Suppress masks that overlap too much with better ones (non-maximum suppression).

    Parameters
    ----------
    masks : scipy.sparse.csr_array of int, shape (n_masks, n_pixels)
        As `contour_masks` gives them.
    scores : ndarray of shape (n_masks,)
        Of equal ones the first is the better.
    threshold : float in [0, 1]
        Two masks exclude each other where they share more than this of the smaller one's pixels.

    Returns
    -------
    ndarray of int
        The rows that stay, the best first: none of them overlaps too much with a better one that
        stays. Masks without a pixel do not.

    Notes
    -----
    The result is that of going through the masks one by one, the best first. Instead, all that are
    better than each of their overlapping neighbors stay, those neighbors go, and so on with the
    rest: a few rounds, whatever the number of masks. Where these are many and large, it is done by
    parts, the best first, of what does not overlap with those that stay already.
    """
    sizes = np.diff(masks.indptr)
    order = np.lexsort((np.arange(len(sizes)), -np.asarray(scores, float)))
    order = order[sizes[order] > 0]
    stays = order[:0]
    for part in np.array_split(order, 1 + masks.nnz // _MAX_PIXELS):
        if len(stays):
            beaten, _ = _conflicts(masks[part], masks[stays], threshold)
            part = np.delete(part, beaten)
        stays = np.concatenate([stays, part[_best(masks[part], threshold)]])
    return stays


def _best(masks, threshold):
    """Which of masks that are sorted by their scores stay."""
    worse, better = _conflicts(masks, masks, threshold)
    worse, better = worse[worse > better], better[worse > better]
    undecided = np.ones(masks.shape[0], bool)
    stays = np.zeros(masks.shape[0], bool)
    while undecided.any():
        beaten = np.zeros(len(stays), bool)
        beaten[worse] = True
        winners = undecided & ~beaten
        stays |= winners
        undecided &= ~winners
        undecided[worse[winners[better]]] = False
        open_ = undecided[better] & undecided[worse]
        better, worse = better[open_], worse[open_]
    return stays


def _conflicts(masks, others, threshold):
    """Pairs that overlap too much."""
    shared = (masks @ others.T).tocoo()
    first, second = shared.coords
    sizes, other_sizes = np.diff(masks.indptr), np.diff(others.indptr)
    wanted = shared.data > threshold * np.minimum(sizes[first], other_sizes[second])
    return first[wanted], second[wanted]


def paint_masks(masks, shape):
    """Make a label image of masks; where they overlap, a pixel goes to the first.

    Parameters
    ----------
    masks : scipy.sparse.csr_array of int, shape (n_masks, height * width)
        The best first.
    shape : tuple of 2 ints

    Returns
    -------
    labels : ndarray of int64, shape `shape`
        1, 2, ... in the order of the masks that have a pixel of their own; 0 background.
    shown : ndarray of int
        The rows of those masks.
    """
    number = np.repeat(np.arange(1, masks.shape[0] + 1), np.diff(masks.indptr))
    labels = np.zeros(shape[0] * shape[1], np.int64)
    labels[masks.indices[::-1]] = number[::-1]  # what is written last stays
    visible = np.bincount(labels[masks.indices], minlength=masks.shape[0] + 1)[1:] > 0
    if not visible.all():
        labels = np.concatenate([[0], np.cumsum(visible) * visible])[labels]
    return labels.reshape(shape), np.flatnonzero(visible)
