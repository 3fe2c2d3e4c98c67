"""Boxes of pixels: where an array differs from another one."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

Box = tuple[slice, ...]


def whole_box(shape: tuple[int, ...]) -> Box:
    """Return the box of all pixels."""
    return tuple(slice(0, n) for n in shape)


def changed_box(before: np.ndarray, after: np.ndarray, within: Box) -> Box | None:
    """Return the smallest box of all pixels that differ.

    Parameters
    ----------
    before, after : ndarray of the same shape
    within : tuple of slice
        Pixels outside of it are not compared.

    Returns
    -------
    tuple of slice, or None
        None if no pixel differs.
    """
    differs = before[within] != after[within]
    axes = range(differs.ndim)
    hits = [np.flatnonzero(differs.any(tuple(a for a in axes if a != axis))) for axis in axes]
    if not len(hits[0]):
        return None
    return tuple(
        slice(side.start + int(hit[0]), side.start + int(hit[-1]) + 1)
        for side, hit in zip(within, hits, strict=True)
    )


def union(boxes: Iterable[Box]) -> Box | None:
    """Return the smallest box that holds all pixels of boxes; None of no pixel.

    Parameters
    ----------
    boxes : iterable of tuple of slice

    Returns
    -------
    tuple of slice, or None
    """
    boxes = [box for box in boxes if all(side.start < side.stop for side in box)]
    if not boxes:
        return None
    return tuple(
        slice(min(side.start for side in sides), max(side.stop for side in sides))
        for sides in zip(*boxes, strict=True)
    )
