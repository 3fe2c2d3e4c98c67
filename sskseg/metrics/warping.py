"""Warping error: differences in topology."""

from functools import lru_cache
from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import ArrayLike

from ._pairs import as_pairs, as_stack, check_probabilities

# The eight neighbors of a pixel, clockwise; those at odd places share a side with it.
_RING = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))


def warping_error(y_true: ArrayLike, y_pred: ArrayLike, *, threshold: float = 0.5) -> float:
    """Compute the warping error: the share of pixels that differ after the best warp.

    The reference is deformed toward the prediction, pixel by pixel, without changing its topology.
    The pixels that still differ are topological errors: splits, merges, holes, false positives and
    false negatives.

    Parameters
    ----------
    y_true : ndarray of int, 2-D, 3-D as a stack of images, or list of 2-D ndarray
        > 0 objects, 0 borders; -1 is ignored: it takes the predicted value.
    y_pred : ndarray or list of ndarray
        Floating: probabilities that a pixel is inside of an object. Integer or boolean: > 0 inside.
    threshold : float, default=0.5
        Pixels of greater probability are inside of objects.

    Returns
    -------
    float in [0, 1]
        Mean over the images of the pixels that still differ over the labeled pixels; 0 where
        nothing is labeled.

    Raises
    ------
    ValueError
        If shapes or numbers of images differ, images are not 2-D, or probabilities leave [0, 1].

    Notes
    -----
    Simple points, those whose flip keeps the topology, are flipped in the order of disagreement,
    the strongest first, until none is left. Objects are connected over sides, borders over sides
    and corners; the outside of the image is border. Time is ``O(m log m)`` for `m` differing
    pixels.

    References
    ----------
    .. [1] Jain et al. Boundary learning by optimization with topological constraints. CVPR 2010.
       :doi:`10.1109/CVPR.2010.5539950`

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.metrics import warping_error
    >>> two_cells = np.array([[1, 1, 0, 0, 1, 1]] * 3)
    >>> warping_error(two_cells, np.array([[1, 1, 1, 0, 0, 1]] * 3))  # the border is elsewhere
    0.0
    >>> warping_error(two_cells, np.zeros((3, 6), int))  # two false negatives
    0.1111111111111111
    """
    errors = []
    for true, pred in as_pairs(as_stack(y_true, 2), as_stack(y_pred, 2)):
        if true.ndim != 2:
            raise ValueError(f"Images must be 2-D, got shape {true.shape}.")
        errors.append(_error(true, pred, threshold))
    return float(np.mean(errors)) if errors else 0.0


def _error(true, pred, threshold):
    known = true >= 0
    check_probabilities(pred)
    labeled = int(np.count_nonzero(known))
    if labeled == 0:
        return 0.0
    value = pred.astype(float) if pred.dtype.kind == "f" else (pred > 0).astype(float)
    target = value > (threshold if pred.dtype.kind == "f" else 0)
    source = np.where(known, true > 0, target)
    strength = np.abs(value - source)
    return _warp(source, target, strength) / labeled


def _warp(source, target, strength):
    """Number of pixels that differ after `source` is warped to `target`."""
    shape = np.add(source.shape, 2)
    steps = [int(a * shape[1] + b) for a, b in _RING]
    image = bytearray(np.pad(source, 1).astype(np.uint8).tobytes())
    goal = bytes(np.pad(target, 1).astype(np.uint8).tobytes())
    order = (-np.pad(strength, 1)).ravel().tolist()
    differing = np.flatnonzero(np.pad(source != target, 1)).tolist()
    waiting = set(differing)
    heap = [(order[at], at) for at in differing]
    heapify(heap)
    simple = _simple_points()
    left = len(differing)
    inside = np.pad(np.ones(source.shape, bool), 1).ravel().tolist()
    while heap:
        _, at = heappop(heap)
        waiting.discard(at)
        code = 0
        for place, step in enumerate(steps):
            code |= image[at + step] << place
        if not simple[code]:
            continue  # until a neighbor is flipped
        image[at] = goal[at]
        left -= 1
        for step in steps:
            near = at + step
            if image[near] != goal[near] and inside[near] and near not in waiting:
                waiting.add(near)
                heappush(heap, (order[near], near))
    return left


@lru_cache(maxsize=1)
def _simple_points():
    """Whether the middle pixel is simple, for each neighborhood; bit i is neighbor i."""
    return tuple(_is_simple([code >> place & 1 for place in range(8)]) for code in range(256))


def _is_simple(ring):
    # Objects, over sides: runs of the ring that hold a neighbor which shares a side.
    objects = _runs(ring, 1)
    touching = sum(any(place % 2 for place in run) for run in objects)
    # Borders, over corners: a neighbor at a corner joins the two beside it, being next to both;
    # so does the diagonal step past an object that is at a corner only.
    bridged = [0 if place % 2 == 0 and ring[place] else bit for place, bit in enumerate(ring)]
    borders = [run for run in _runs(bridged, 0) if any(ring[place] == 0 for place in run)]
    return touching == 1 and len(borders) == 1


def _runs(ring, value):
    """Positions of the cyclic runs of a value."""
    if all(bit == value for bit in ring):
        return [list(range(8))]
    start = next(i for i in range(8) if ring[i] != value)
    runs, current = [], []
    for offset in range(1, 9):
        place = (start + offset) % 8
        if ring[place] == value:
            current.append(place)
        elif current:
            runs.append(current)
            current = []
    return runs + ([current] if current else [])
