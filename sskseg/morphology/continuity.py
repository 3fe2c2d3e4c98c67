"""Continuity of objects from section to section."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np

from ..images import check_positions, consecutive_runs, is_lazy
from .components import label_components

_BLOCK_PIXELS = 2**25  # of a block of sections, where the stack is lazy
_PUBLISHED_PIXEL = 5.0  # nanometers


def enforce_continuity(
    masks, labels=None, *, positions=None, pixel_size=_PUBLISHED_PIXEL, min_size=300,
    min_key_size=450, erosion=3, steps=(1, 2), max_gap=10, order="parallel",
):  # fmt: skip
    """Correct the masks of consecutive sections by those of their neighbors.

    Morphological post-processing for semi-supervised segmentation [1]_. In each section small
    components are removed; labeled sections take the place of masks; what is labeled in a section
    goes on, thinner and thinner, in the next ones; between two labeled sections a mask lies
    between their intersection and their union; and what one section alone has, or lacks, is
    removed or filled in.

    Parameters
    ----------
    masks : ndarray or dask array of bool or int, shape (n_sections, *spatial)
        > 0 foreground; two or three spatial axes.
    labels : array-like of int of that shape, default=None
        -1 unlabeled, 0 background, > 0 object: what is known stays as it is. None: nothing is
        labeled.
    positions : array-like of int, shape (n_sections,), default=None
        Along z, in any order: two sections are neighbors exactly if they differ by one. None is
        ``0, 1, ...``.
    pixel_size : float, default=5.0
        Side of a pixel, nanometers. Sizes are given for 5 nm and scaled to it.
    min_size : int, default=300
        Components of fewer pixels (of 5 nm) are removed.
    min_key_size : int, default=450
        The same, of what is carried on from labeled sections.
    erosion : int, default=3
        Pixels (of 5 nm) by which what is carried on shrinks from section to section.
    steps : sequence of int, default=(1, 2)
        Distances of the two sections that outvote the one between them, one after the other.
    max_gap : int, default=10
        Labeled sections further apart do not bound what lies between them.
    order : {"parallel", "sequential"}, default="parallel"
        ``"parallel"``: sections are corrected by the others as they were, so that the result does
        not depend on the direction of z. ``"sequential"``: from the first to the last, each by
        neighbors that are corrected already, as published; not for dask arrays.

    Returns
    -------
    ndarray or dask array of bool, shape of `masks`

    Raises
    ------
    ValueError
        If shapes or dtypes do not fit or a number is out of range.

    Notes
    -----
    With steps of 1 and 2, a section depends on three neighbors on each side and on the nearest
    labeled ones. A dask array is worked on in blocks of sections, with the same result.

    Published is one pass for the removal and one for the filling of each step, which together are
    the majority of three; the published program leaves out a few sections at the end of the stack.

    References
    ----------
    .. [1] Xiao, Zhao, Yang. Semi-supervised segmentation of mitochondria from electron microscopy
       images using spatial continuity. ISBI 2022. :doi:`10.1109/ISBI52829.2022.9761519`

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.morphology import enforce_continuity
    >>> masks = np.ones((3, 20, 20), bool)
    >>> masks[1, 5:9] = False
    >>> bool(enforce_continuity(masks, min_size=9).all())
    True
    """
    lazy, steps = is_lazy(masks), tuple(steps)
    masks = masks if lazy else np.asarray(masks)
    _check(masks, steps, max_gap, order)
    positions = check_positions(positions, len(masks))
    settings = _settings(masks.ndim - 1, pixel_size, min_size, min_key_size, erosion, steps,
                         max_gap, order)  # fmt: skip
    keys = _labeled_sections(labels, masks.shape)
    if lazy:
        return _enforce_lazily(masks, keys, positions, settings)
    result = np.empty(masks.shape, bool)
    for rows in consecutive_runs(positions):
        known = {z: keys[row] for z, row in enumerate(rows.tolist()) if row in keys}
        result[rows] = _enforce(masks[rows] > 0, known, settings)
    return result


@dataclass(frozen=True)
class _Settings:
    min_size: int
    min_key_size: int
    erosion: int
    steps: tuple[int, ...]
    max_gap: int
    sequential: bool


def _check(masks, steps, max_gap, order):
    if masks.ndim not in (3, 4) or masks.dtype.kind not in "bui":
        raise ValueError(
            "masks must be booleans or integers of shape (n_sections, *spatial) with two or three "
            f"spatial axes, got {masks.dtype} of shape {masks.shape}."
        )
    if order not in ("parallel", "sequential"):
        raise ValueError(f"order must be 'parallel' or 'sequential', got {order!r}.")
    if order == "sequential" and is_lazy(masks):
        raise ValueError("order='sequential' is for arrays in memory, got a dask array.")
    if any(not isinstance(n, Integral) or n < 1 for n in (*steps, max_gap)):
        raise ValueError(
            f"steps and max_gap must be positive integers, got {steps} and {max_gap!r}."
        )


def _settings(ndim, pixel_size, min_size, min_key_size, erosion, steps, max_gap, order):
    numbers = pixel_size, min_size, min_key_size, erosion
    if not all(isinstance(n, Real) and n >= 0 for n in numbers) or pixel_size == 0:
        raise ValueError(
            "pixel_size must be a positive number, min_size, min_key_size and erosion numbers that "
            f"are not negative, got {numbers}."
        )
    scale = _PUBLISHED_PIXEL / pixel_size
    return _Settings(
        round(min_size * scale**ndim), round(min_key_size * scale**ndim),
        max(round(erosion * scale), int(erosion > 0)), tuple(steps), max_gap,
        order == "sequential",
    )  # fmt: skip


def _labeled_sections(labels, shape):
    """Signs of the labels of those with a labeled pixel, by their row."""
    if labels is None:
        return {}
    if not is_lazy(labels) and not isinstance(labels, (list, tuple)):
        labels = np.asarray(labels)
    given = [(row, label) for row, label in enumerate(labels) if label is not None]
    if len(labels) != shape[0] or any(np.shape(label) != shape[1:] for _, label in given):
        raise ValueError(f"labels must have the shape of masks, {shape}.")
    sections = ((row, _signs(label, row)) for row, label in given)
    return {row: label for row, label in sections if (label >= 0).any()}


def _signs(label, row):
    label = np.asarray(label)
    if label.dtype.kind not in "bui" or (label < -1).any():
        raise ValueError(
            "labels must be integers of at least -1 (unlabeled), got "
            f"{label.dtype}{f' down to {label.min()}' if label.size else ''} in section {row}."
        )
    return (label > 0).astype(np.int8) - (label < 0)


def _enforce(masks, keys, settings, first=0):
    """All of it, for neighboring sections.

    Parameters
    ----------
    masks : ndarray of bool
        Sections `first`, ... of a stack; written to.
    keys : dict of int to ndarray
        Labeled sections of the stack by their place in it; those of `masks`, and the nearest
        beyond on both sides.
    """
    places = sorted(keys)
    whole = [z for z in places if _is_whole(keys[z])]
    carried = _carry_on(keys, whole, range(first, first + len(masks)), settings)
    for z in range(len(masks)):
        mask = _drop(masks[z], settings.min_size) | carried.get(first + z, False)
        for bounds in _bounds(first + z, places, whole, settings.max_gap):
            mask = _bound(mask, *(keys[place] for place in bounds), settings.min_size)
        _keep_known(mask, keys.get(first + z))
        masks[z] = mask
    for step in settings.steps:
        before = masks if settings.sequential else masks.copy()
        for z in range(step, len(masks) - step):
            lower, upper = before[z - step], before[z + step]
            mask = before[z] & (lower | upper)
            if settings.sequential:
                mask = _drop(mask, settings.min_size)
            mask = _drop(mask | (lower & upper), settings.min_size)
            _keep_known(mask, keys.get(first + z))
            masks[z] = mask
    return masks


def _keep_known(mask, label):
    if label is not None:
        np.copyto(mask, label > 0, where=label >= 0)


def _carry_on(keys, whole, wanted, settings):
    """What labeled objects are in the sections up to the next one that is wholly labeled, at
    least."""
    carried: dict[int, np.ndarray] = {}
    for place in sorted(keys):
        for direction in (-1, 1):
            inside = keys[place] > 0
            z = place + direction
            while z < wanted.stop if direction > 0 else z >= wanted.start:
                if z in whole:
                    break
                for _ in range(settings.erosion):
                    inside = _erode(inside)
                if z in keys:
                    inside &= keys[z] < 0
                inside = _drop(inside, settings.min_key_size)
                if not inside.any():
                    break
                if z in wanted:
                    carried[z] = carried[z] | inside if z in carried else inside
                z += direction
    return carried


def _bounds(z, places, whole, max_gap):
    """Pairs of labeled sections around an unlabeled one: the next wholly labeled ones, and the
    next ones, which may tell nothing of most pixels. In this order, whatever the direction of z."""
    if z in whole:
        return []
    pairs = []
    for some in (whole, places):
        below, above = bisect_left(some, z) - 1, bisect_right(some, z)
        if below >= 0 and above < len(some) and some[above] - some[below] <= max_gap:
            pair = some[below], some[above]
            pairs += [pair] * (pair not in pairs)
    return pairs


def _bound(mask, lower, upper, min_size):
    """Between the intersection and the union of two labeled sections."""
    mask = _drop(mask & ((lower != 0) | (upper != 0)), min_size)
    return _drop(mask | ((lower > 0) & (upper > 0)), min_size)


def _is_whole(label):
    return bool((label >= 0).all())


def _drop(mask, min_size):
    """Without components (over faces) of fewer pixels."""
    if min_size < 2:
        return mask.copy()
    at = np.flatnonzero(mask)
    ids = label_components(mask).ravel()[at]
    small = np.bincount(ids)[ids] < min_size
    result = mask.copy()
    result.ravel()[at[small]] = False
    return result


def _erode(mask):
    """By one pixel in the directions of the axes; what lies outside is like the edge."""
    result = mask.copy()
    for axis in range(mask.ndim):
        here, there = np.moveaxis(result, axis, 0), np.moveaxis(mask, axis, 0)
        here[1:] &= there[:-1]
        here[:-1] &= there[1:]
    return result


def _enforce_lazily(masks, keys, positions, settings):
    import dask.array as da

    most = max(1, _BLOCK_PIXELS // int(np.prod(masks.shape[1:])))
    runs = consecutive_runs(positions)
    parts = []
    for rows in runs:
        parts += _lazy_blocks(masks[rows], rows, keys, settings, most)
    order = np.argsort(np.concatenate(runs))
    return da.concatenate(parts)[order]


def _lazy_blocks(masks, rows, keys, settings, most):
    """One stack of neighboring sections in blocks of at most `most` sections."""
    import dask
    import dask.array as da

    halo = sum(settings.steps)
    known = {z: keys[row] for z, row in enumerate(rows.tolist()) if row in keys}
    places = sorted(known)
    whole = [z for z in places if _is_whole(known[z])]
    total = len(rows)
    for start in range(0, total, most):
        stop = min(start + most, total)
        low, high = max(0, start - halo), min(total, stop + halo)
        near = _nearest(places, whole, low, high)
        block = dask.delayed(_enforce_block)(
            masks[low:high], {z: known[z] for z in near}, settings, low, start, stop
        )
        yield da.from_delayed(block, (stop - start, *masks.shape[1:]), bool)


def _nearest(places, whole, low, high):
    """Labeled sections between those wholly labeled ones that are next to a block."""
    if not places:
        return []
    below = [z for z in whole if z < low][-1:] or places[:1]
    above = [z for z in whole if z >= high][:1] or places[-1:]
    return [z for z in places if below[0] <= z <= above[0]]


def _enforce_block(masks, keys, settings, low, start, stop):
    return _enforce(masks > 0, keys, settings, low)[start - low : stop - low]
