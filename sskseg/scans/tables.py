"""Densities from a table of objects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..io.object_tables import check_centroid_unit, check_one_image
from ..morphology.columns import AXES


def density_map(
    table: pd.DataFrame,
    shape: tuple[int, ...],
    *,
    grid: Sequence[float],
    spacing: Sequence[float] | None = None,
) -> np.ndarray:
    """Compute objects per unit of area or volume, on a coarse grid.

    Parameters
    ----------
    table : pandas.DataFrame
        Table with centroids in units of `spacing`.
    shape : tuple of int
        Size of the scan in pixels.
    grid : sequence of float
        Size of a cell of the grid, in units of `spacing`.
    spacing : sequence of float, default=None
        Size of a pixel of the scan; None is 1.

    Returns
    -------
    ndarray of float64
        The last cells along an axis may be smaller; their density is that of the part in the scan.

    Raises
    ------
    ValueError
        If `grid` is not of positive numbers, a centroid is NaN or outside of the scan, objects are
        of several images, or their units do not fit `spacing`.
    """
    check_one_image(table, "table")
    check_centroid_unit(table, spacing, name="table")
    steps = np.ones(len(shape)) if spacing is None else np.asarray(spacing, float)
    cell = np.asarray(grid, float)
    if cell.shape != (len(shape),) or (cell <= 0).any():
        raise ValueError(f"grid must be {len(shape)} positive numbers, got {cell.tolist()}.")
    extent = np.asarray(shape) * steps
    edges = [
        # Rounding must not add a cell.
        np.append(step * np.arange(np.ceil(size / step - 1e-9)), size)
        for size, step in zip(extent, cell, strict=True)
    ]
    counts, _ = np.histogramdd(_from_corner(table, steps, extent), edges)
    sizes = np.ones(())
    for each in edges:
        sizes = np.multiply.outer(sizes, np.diff(each))
    return counts / sizes


def _from_corner(table, pixel, extent):
    """Centroids relative to the corner of the scan's first pixel, whose center is 0."""
    centroids = np.stack([table[f"centroid_{n}"] for n in AXES[len(pixel)]], axis=1)
    # Rounding must not move a centroid on a border to another cell.
    corner = centroids + pixel * (0.5 + 1e-9)
    outside = np.flatnonzero(~((corner >= 0) & (corner < extent + pixel / 2)).all(axis=1))
    if len(outside):
        raise ValueError(
            f"table must have centroids inside of a scan of {extent.tolist()} (shape times "
            f"spacing), got {centroids[outside[0]].tolist()} ({len(outside)} such)."
        )
    return np.minimum(corner, extent)
