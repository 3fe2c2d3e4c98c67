"""Blocks of the resolution pyramid of the labels."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from ..inference.blocks import cut
from ..io.ome_zarr.pyramid import pyramid_levels
from .boxes import Box, boxes
from .grid import Grid


def pyramid_grids(grid: Grid) -> list[Grid]:
    """Cut each level into blocks of the same size; the first grid is that of the finest level."""
    grids = [grid]
    for shape, _ in pyramid_levels(grid.shape)[1:]:
        cuts = [cut(*axis, 0) for axis in zip(shape, grid.core, strict=True)]
        grids.append(replace(grid, shape=shape, boxes=boxes(cuts)))
    return grids


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


def coarser_box(shape: tuple[int, ...], level: int, box: Box) -> Box:
    """Locate the pixels of a level that are kept of a box of the next finer level.

    Parameters
    ----------
    shape : tuple of int
        Of the finest level.
    level : int
        From 1.
    box : tuple of slice
        Of the level before.
    """
    return tuple(
        slice(-(-part.start // step), -(-part.stop // step))
        for part, step in zip(box, _steps(shape, level), strict=True)
    )


def coarser_labels(shape: tuple[int, ...], level: int, box: Box, labels: np.ndarray) -> np.ndarray:
    """Return the pixels of a block that the next coarser level keeps; see `coarser_box`."""
    steps = zip(box, _steps(shape, level), strict=True)
    return labels[tuple(slice(-part.start % step, None, step) for part, step in steps)]


@cache
def _steps(shape, level):
    """Pixels of the next finer level that become one of a level, along each axis."""
    (_, fine), (_, coarse) = pyramid_levels(shape)[level - 1 : level + 1]
    return tuple(np.asarray(coarse // fine).tolist())
