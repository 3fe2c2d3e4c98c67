"""The resolution pyramid of the labels."""

from __future__ import annotations

import numpy as np

from ..inference.blocks import cut
from .boxes import Box, boxes

_MAX_LAST_LEVEL = 256  # pixels of a side; the pyramid ends where a level fits in that


def pyramid_levels(shape: tuple[int, ...]) -> list[tuple[tuple[int, ...], np.ndarray]]:
    """List the shape of each level, and by what factor its pixels are larger than the scan's."""
    factor = np.ones(len(shape), int)
    levels = [(shape, factor)]
    while max(shape) > _MAX_LAST_LEVEL:
        steps = [2 if size > _MAX_LAST_LEVEL // 2 else 1 for size in shape]
        shape = tuple(-(-size // step) for size, step in zip(shape, steps, strict=True))
        factor = factor * steps
        levels.append((shape, factor))
    return levels


def pyramid_blocks(shape: tuple[int, ...], block_shape: tuple[int, ...]) -> list[tuple[int, Box]]:
    """List the blocks of all levels but the finest, as (level, box), level by level."""
    return [
        (level, box)
        for level, (size, _) in list(enumerate(pyramid_levels(shape)))[1:]
        for box in boxes([cut(*axis, 0) for axis in zip(size, block_shape, strict=True)])
    ]
