"""Blocks of the resolution pyramid of the labels."""

from __future__ import annotations

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
