"""Correct masks by the continuity of objects across sections."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..images import check_positions, consecutive_runs, is_lazy
from .components import label_components

_MAX_BLOCK_PIXELS = 2**25  # of a block of sections of a lazy stack
_MAX_PIXELS = 2**22  # of a block of a stack in memory
_REFERENCE_PIXEL_SIZE = 5.0  # nanometers


def enforce_continuity(
    masks: Any, labels: Any = None, *, positions: ArrayLike | None = None,
    pixel_size: float = _REFERENCE_PIXEL_SIZE, min_size: int = 300, min_key_size: int = 450,
    erosion: int = 3, steps: Sequence[int] = (1, 2), max_gap: int = 10, order: str = "parallel",
) -> Any:  # fmt: skip
    """Correct the masks of consecutive sections by those of their neighbors.

    Morphological post-processing for semi-supervised segmentation [1]_: small components are
    removed from each section; labels replace masks where they are given; labeled objects propagate
    to the next sections, eroded at each step; between two labeled sections a mask contains their
    intersection and lies within their union; components that occur in one section only are
    removed, and those that one section lacks are filled in.

    Parameters
    ----------
    masks : ndarray or dask array of bool or int, shape (n_sections, *spatial)
        > 0 foreground; two or three spatial axes.
    labels : array-like of int of that shape, default=None
        -1 unlabeled, 0 background, > 0 object: labeled pixels keep their label. None: no labels.
    positions : array-like of int, shape (n_sections,), default=None
        Along z, in any order: two sections are neighbors exactly if they differ by one. None is
        ``0, 1, ...``.
    pixel_size : float, default=5.0
        Side of a pixel, nanometers. The other sizes are given for 5 nm and scaled to it.
    min_size : int, default=300
        Smaller components (pixels of 5 nm) are removed.
    min_key_size : int, default=450
        The same for components propagated from labeled sections.
    erosion : int, default=3
        Pixels (of 5 nm) by which propagated components are eroded from section to section.
    steps : sequence of int, default=(1, 2)
        Distances of the two neighbors in the majority vote of three, applied one after the other.
    max_gap : int, default=10
        Labeled sections farther apart do not bound the masks between them.
    order : {"parallel", "sequential"}, default="parallel"
        ``"parallel"``: each section is corrected by its uncorrected neighbors, so that the result
        does not depend on the direction of z. ``"sequential"``, as in the published program: at
        each step all sections are passed twice, from first to last, once to remove and then once to
        fill in, each by neighbors corrected before; not for dask arrays.

    Returns
    -------
    ndarray or dask array of bool, shape of `masks`

    Raises
    ------
    ValueError
        If shapes or dtypes do not match or a number is out of range.

    Notes
    -----
    With steps of 1 and 2, a section depends on three neighbors on each side and on the nearest
    labeled ones. A dask array is processed in blocks of sections, with the same result.

    Removing and filling in by uncorrected neighbors together are the majority of three. The
    published program makes one pass after the other, in place. It has the numbers of sections of
    one data set written in, and fills in at a distance of two in the first 134 of 165 only;
    ``order="sequential"`` fills in everywhere.

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
    for sections, corrected in _enforce_in_blocks(masks, keys, positions, settings):
        result[sections] = corrected
    return result


def enforce_in_blocks(
    masks: Sequence[np.ndarray], labels: Any, positions: np.ndarray, *, min_size: int,
    min_key_size: int, erosion: int, steps: Sequence[int], max_gap: int,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:  # fmt: skip
    """Correct masks as `enforce_continuity` does, and yield them block by block.

    Parameters
    ----------
    masks : list of ndarray of int, shape (*spatial)
        Odd numbers are foreground; they may become other odd ones while this runs, and even ones
        other even ones.
    labels, positions, min_size, min_key_size, erosion, steps, max_gap
        As `enforce_continuity` takes them, with pixels of 5 nm.

    Yields
    ------
    sections : ndarray of int
    corrected : ndarray of bool, shape (len(sections), *spatial)
    """
    settings = _settings(masks[0].ndim, _REFERENCE_PIXEL_SIZE, min_size, min_key_size, erosion,
                         tuple(steps), max_gap, "parallel")  # fmt: skip
    keys = _labeled_sections(labels, (len(masks), *masks[0].shape))
    yield from _enforce_in_blocks(masks, keys, positions, settings, lambda mask: mask & 1)


def _enforce_in_blocks(masks, keys, positions, settings, foreground=lambda mask: mask > 0):
    """Yield sections and their corrected masks; memory is that of a block."""
    n_sections = max(1, _MAX_PIXELS // masks[0].size) if len(masks) else 1
    size = len(masks) if settings.sequential else n_sections
    for run in consecutive_runs(positions):
        known = {z: keys[index] for z, index in enumerate(run.tolist()) if index in keys}
        for block in _blocks(len(run), known, settings, size):
            near = {z: known[z] for z in block.keys}
            part = np.stack([foreground(masks[i]) for i in run[block.low : block.high]])
            corrected = _enforce(part.astype(bool), near, settings, block.low)
            yield (
                run[block.start : block.stop],
                corrected[block.start - block.low : block.stop - block.low],
            )


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
    if not all(isinstance(n, Real) and float(n) >= 0 for n in numbers) or pixel_size == 0:
        raise ValueError(
            "pixel_size must be a positive number, min_size, min_key_size and erosion numbers that "
            f"are not negative, got {numbers}."
        )
    scale = _REFERENCE_PIXEL_SIZE / pixel_size
    return _Settings(
        round(min_size * scale**ndim), round(min_key_size * scale**ndim),
        max(round(erosion * scale), int(erosion > 0)), tuple(steps), max_gap,
        order == "sequential",
    )  # fmt: skip


def _labeled_sections(labels, shape):
    """Signs of the labels of the sections with a labeled pixel, by index."""
    if labels is None:
        return {}
    if not is_lazy(labels) and not isinstance(labels, (list, tuple)):
        labels = np.asarray(labels)
    given = [(index, label) for index, label in enumerate(labels) if label is not None]
    if len(labels) != shape[0] or any(np.shape(label) != shape[1:] for _, label in given):
        raise ValueError(f"labels must have the shape of masks, {shape}.")
    sections = ((index, _signs(label, index)) for index, label in given)
    return {index: label for index, label in sections if (label >= 0).any()}


def _signs(label, index):
    label = np.asarray(label)
    if label.dtype.kind not in "bui" or (label < -1).any():
        raise ValueError(
            "labels must be integers of at least -1 (unlabeled), got "
            f"{label.dtype}{f' down to {label.min()}' if label.size else ''} in section {index}."
        )
    return (label > 0).astype(np.int8) - (label < 0)


def _enforce(masks, keys, settings, first=0):
    """Correct a run of neighboring sections.

    Parameters
    ----------
    masks : ndarray of bool
        Sections `first`, ... of a stack; modified in place.
    keys : dict of int to ndarray
        Labeled sections by their index in the stack: those of `masks`, and the nearest beyond on
        both sides.
    """
    places = sorted(keys)
    full = [z for z in places if _is_full(keys[z])]
    propagated = _propagate(keys, full, range(first, first + len(masks)), settings)
    for z in range(len(masks)):
        mask = _drop(masks[z], settings.min_size) | propagated.get(first + z, False)
        for bounds in _bounds(first + z, places, full, settings.max_gap):
            lower, upper = (keys[place] for place in bounds)
            mask = _bound(mask, lower, upper, settings.min_size)
        _keep_labels(mask, keys.get(first + z))
        masks[z] = mask
    for step in settings.steps:
        for correct in (_remove, _fill) if settings.sequential else (_majority,):
            before = masks if settings.sequential else masks.copy()
            for z in range(step, len(masks) - step):
                mask = correct(before[z - step], before[z], before[z + step])
                mask = _drop(mask, settings.min_size)
                _keep_labels(mask, keys.get(first + z))
                masks[z] = mask
    return masks


def _remove(lower, mask, upper):
    return mask & (lower | upper)


def _fill(lower, mask, upper):
    return mask | (lower & upper)


def _majority(lower, mask, upper):
    return _fill(lower, _remove(lower, mask, upper), upper)


def _keep_labels(mask, label):
    if label is not None:
        np.copyto(mask, label > 0, where=label >= 0)


def _propagate(keys, full, wanted, settings):
    """Eroded labeled objects in the sections up to the next fully labeled one."""
    propagated: dict[int, np.ndarray] = {}
    for place in sorted(keys):
        for direction in (-1, 1):
            inside = keys[place] > 0
            z = place + direction
            while z < wanted.stop if direction > 0 else z >= wanted.start:
                if z in full:
                    break
                for _ in range(settings.erosion):
                    inside = _erode(inside)
                if z in keys:
                    inside &= keys[z] < 0
                inside = _drop(inside, settings.min_key_size)
                if not inside.any():
                    break
                if z in wanted:
                    propagated[z] = propagated[z] | inside if z in propagated else inside
                z += direction
    return propagated


def _bounds(z, places, full, max_gap):
    """Pairs of labeled sections around an unlabeled one.

    First the nearest fully labeled ones, then the nearest labeled ones, of which most pixels may be
    unlabeled: the order does not depend on the direction of z.
    """
    if z in full:
        return []
    pairs = []
    for some in (full, places):
        below, above = bisect_left(some, z) - 1, bisect_right(some, z)
        if below >= 0 and above < len(some) and some[above] - some[below] <= max_gap:
            pair = some[below], some[above]
            pairs += [pair] * (pair not in pairs)
    return pairs


def _bound(mask, lower, upper, min_size):
    """Restrict a mask to contain the intersection and lie in the union of two sections."""
    mask = _drop(mask & ((lower != 0) | (upper != 0)), min_size)
    return _drop(mask | ((lower > 0) & (upper > 0)), min_size)


def _is_full(label):
    return bool((label >= 0).all())


def _drop(mask, min_size):
    """Remove components (over faces) of fewer pixels."""
    if min_size < 2:
        return mask.copy()
    at = np.flatnonzero(mask)
    ids = label_components(mask).ravel()[at]
    small = np.bincount(ids)[ids] < min_size
    result = mask.copy()
    result.ravel()[at[small]] = False
    return result


def _erode(mask):
    """Erode by one pixel along the axes; the outside replicates the edge."""
    result = mask.copy()
    for axis in range(mask.ndim):
        here, there = np.moveaxis(result, axis, 0), np.moveaxis(mask, axis, 0)
        here[1:] &= there[:-1]
        here[:-1] &= there[1:]
    return result


def _enforce_lazily(masks, keys, positions, settings):
    import dask.array as da

    max_sections = max(1, _MAX_BLOCK_PIXELS // int(np.prod(masks.shape[1:])))
    runs = consecutive_runs(positions)
    parts = []
    for run in runs:
        known = {z: keys[index] for z, index in enumerate(run.tolist()) if index in keys}
        parts += _lazy_blocks(masks[run], known, settings, max_sections)
    order = np.argsort(np.concatenate(runs))
    return da.concatenate(parts)[order]


def _lazy_blocks(masks, known, settings, max_sections):
    """Yield blocks of at most `max_sections` corrected sections of a run."""
    import dask
    import dask.array as da

    for low, high, start, stop, near in _blocks(len(masks), known, settings, max_sections):
        block = dask.delayed(_enforce_block)(
            masks[low:high], {z: known[z] for z in near}, settings, low, start, stop
        )
        yield da.from_delayed(block, (stop - start, *masks.shape[1:]), bool)


class _Block(NamedTuple):
    """Sections `start` to `stop` of a run, and what they depend on: sections `low` to `high`, and
    labeled sections."""

    low: int
    high: int
    start: int
    stop: int
    keys: list[int]


def _blocks(total, known, settings, max_sections):
    """Yield blocks of at most `max_sections` sections of a run."""
    halo = sum(settings.steps)
    places = sorted(known)
    full = [z for z in places if _is_full(known[z])]
    for start in range(0, total, max_sections):
        stop = min(start + max_sections, total)
        low, high = max(0, start - halo), min(total, stop + halo)
        yield _Block(low, high, start, stop, _nearest(places, full, low, high))


def _nearest(places, full, low, high):
    """Labeled sections between the fully labeled ones nearest to a block."""
    if not places:
        return []
    below = [z for z in full if z < low][-1:] or places[:1]
    above = [z for z in full if z >= high][:1] or places[-1:]
    return [z for z in places if below[0] <= z <= above[0]]


def _enforce_block(masks, keys, settings, low, start, stop):
    return _enforce(masks > 0, keys, settings, low)[start - low : stop - low]
