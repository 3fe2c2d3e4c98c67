"""Blocks of the resolution pyramid of the labels."""

from __future__ import annotations

from functools import cache

import numpy as np

from ..inference.blocks import cut
from ..io.ome_zarr.pyramid import pyramid_levels
from .boxes import Box, boxes


def pyramid_blocks(shape: tuple[int, ...], block_shape: tuple[int, ...]) -> list[tuple[int, Box]]:
    """List the blocks of all levels but the finest, as (level, box), level by level."""
    return [
        (level, box)
        for level, (size, _) in list(enumerate(pyramid_levels(shape)))[1:]
        for box in boxes([cut(*axis, 0) for axis in zip(size, block_shape, strict=True)])
    ]


def finer_region(shape: tuple[int, ...], level: int, box: Box) -> Box:
    """Locate the pixels of the next finer level that a block of a level keeps.

    Parameters
    ----------
    shape : tuple of int
        Of the finest level.
    level : int
        Of the block, from 1.
    box : tuple of slice

    Returns
    -------
    tuple of slice
        With a step: the first of the pixels that become one.
    """
    return tuple(
        slice(part.start * step, part.stop * step, step)
        for part, step in zip(box, _steps(shape, level), strict=True)
    )


@cache
def _steps(shape, level):
    """Pixels of the next finer level that become one of a level, along each axis."""
    (_, fine), (_, coarse) = pyramid_levels(shape)[level - 1 : level + 1]
    return tuple(np.asarray(coarse // fine).tolist())
