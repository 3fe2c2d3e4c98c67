"""Boxes of blocks: tuples of slices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise, product

import numpy as np

Box = tuple[slice, ...]


def boxes(chunks: Iterable[Sequence[int]]) -> list[Box]:
    """List the boxes of the blocks of an array, row by row, from their sizes along each axis."""
    starts = [np.concatenate([[0], np.cumsum(sizes)]).tolist() for sizes in chunks]
    axes = [[slice(a, b) for a, b in pairwise(x)] for x in starts]
    return [tuple(box) for box in product(*axes)]


def grown(box: Box, margin: Sequence[int], shape: Sequence[int]) -> Box:
    """Extend a box by a margin on each side, within the scan."""
    return tuple(
        slice(max(0, s.start - m), min(size, s.stop + m))
        for s, m, size in zip(box, margin, shape, strict=True)
    )


def aligned(box: Box, steps: Sequence[int], shape: Sequence[int]) -> Box:
    """Extend a box until it starts and ends at multiples of the steps, or with the scan."""
    return tuple(
        slice(s.start // step * step, min(size, -(-s.stop // step) * step))
        for s, step, size in zip(box, steps, shape, strict=True)
    )


def relative(box: Box, whole: Box) -> Box:
    """Shift a box to coordinates that count from the start of another."""
    return tuple(
        slice(a.start - b.start, a.stop - b.start) for a, b in zip(box, whole, strict=True)
    )


def intersection(one: Box, other: Box) -> Box:
    """Intersect two boxes; the result is empty where they do not meet."""
    starts = [max(a.start, b.start) for a, b in zip(one, other, strict=True)]
    stops = [min(a.stop, b.stop) for a, b in zip(one, other, strict=True)]
    return tuple(slice(a, max(a, b)) for a, b in zip(starts, stops, strict=True))


def box_shape(box: Box) -> tuple[int, ...]:
    """Sides of a box, pixels."""
    return tuple(part.stop - part.start for part in box)


def n_pixels(box: Box) -> int:
    """Count the pixels of a box."""
    return int(np.prod(box_shape(box), dtype=np.int64))


def chunk_side(side: int, size: int, largest: int) -> int:
    """Choose the side of chunks on disk, at most `largest`, so that each lies in one block.

    Where a single block of `side` pixels covers an axis of `size` pixels, any side serves; a block
    that cannot be divided evenly is one chunk.
    """
    if side >= size:
        return min(size, largest)
    divisors = (
        side // k for k in range(-(-side // largest), 4 * side // largest + 1) if side % k == 0
    )
    return next(divisors, side)
