"""Boxes of blocks: tuples of slices."""

from itertools import pairwise, product

import numpy as np


def boxes(chunks):
    """Boxes of the blocks of an array, row by row; sizes along each axis are given."""
    starts = [np.concatenate([[0], np.cumsum(sizes)]).tolist() for sizes in chunks]
    axes = [[slice(a, b) for a, b in pairwise(x)] for x in starts]
    return [tuple(box) for box in product(*axes)]


def grown(box, margin, shape):
    """A box with a margin on each side, where the scan goes on."""
    return tuple(
        slice(max(0, s.start - m), min(size, s.stop + m))
        for s, m, size in zip(box, margin, shape, strict=True)
    )


def aligned(box, steps, shape):
    """A box that starts and ends at multiples of the steps, or with the scan."""
    return tuple(
        slice(s.start // step * step, min(size, -(-s.stop // step) * step))
        for s, step, size in zip(box, steps, shape, strict=True)
    )


def inside(box, whole):
    """A box as seen from the start of another."""
    return tuple(
        slice(a.start - b.start, a.stop - b.start) for a, b in zip(box, whole, strict=True)
    )


def intersection(one, other):
    """What two boxes share; empty where they do not meet."""
    starts = [max(a.start, b.start) for a, b in zip(one, other, strict=True)]
    stops = [min(a.stop, b.stop) for a, b in zip(one, other, strict=True)]
    return tuple(slice(a, max(a, b)) for a, b in zip(starts, stops, strict=True))


def meet(one, other):
    """Whether two boxes share a pixel."""
    return all(a.start < b.stop and b.start < a.stop for a, b in zip(one, other, strict=True))


def n_pixels(box):
    """How many pixels a box holds."""
    return int(np.prod([s.stop - s.start for s in box], dtype=np.int64))


def chunk_side(side, size, most):
    """How long chunks of blocks of `side` pixels are, at most `most`, so that each is in one block.

    Where an axis of `size` pixels has one block only, any length serves; a block that cannot be
    divided evenly is a chunk.
    """
    if side >= size:
        return min(size, most)
    even = (side // k for k in range(-(-side // most), 4 * side // most + 1) if side % k == 0)
    return next(even, side)
