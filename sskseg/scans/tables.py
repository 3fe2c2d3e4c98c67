"""Counts by region and densities, from a table of objects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

_AXES = {2: ("y", "x"), 3: ("z", "y", "x")}


def count_by_region(
    table: pd.DataFrame,
    regions: ArrayLike,
    *,
    region_spacing: Sequence[float] | None = None,
    spacing: Sequence[float] | None = None,
) -> pd.DataFrame:
    """Count objects in the regions of an atlas, by their centroids.

    Parameters
    ----------
    table : pandas.DataFrame
        With ``centroid_y, centroid_x`` (and ``centroid_z``).
    regions : ndarray or dask array of int, 2-D or 3-D
        Each value, 0 too, is a region. May be coarser than the scan; both start at the same
        corner.
    region_spacing : sequence of float, default=None
        Size of a pixel of `regions`, in the units of the centroids; None is that of the scan.
    spacing : sequence of float, default=None
        Size of a pixel of the scan; None is 1.

    Returns
    -------
    pandas.DataFrame
        ``region, objects, size`` (of the region, in units of `region_spacing`) and ``density``, one
        row for each value of `regions`, and region -1 if centroids lie outside of all.
    """
    regions = np.asarray(regions)
    pixel = np.ones(regions.ndim) if spacing is None else np.asarray(spacing, float)
    steps = pixel if region_spacing is None else np.asarray(region_spacing, float)
    at = np.floor(_from_corner(table, pixel) / steps).astype(np.int64)
    inside = ((at >= 0) & (at < regions.shape)).all(axis=1)
    values, sizes = np.unique(regions, return_counts=True)
    index = np.searchsorted(values, regions[tuple(at[inside].T)])
    counts = np.bincount(index, minlength=len(values))
    sizes = sizes * steps.prod()
    result = pd.DataFrame({"region": values, "objects": counts, "size": sizes,
                           "density": counts / sizes})  # fmt: skip
    if not inside.all():
        outside = {"region": -1, "objects": int((~inside).sum()), "size": np.nan, "density": np.nan}
        result = pd.concat([result, pd.DataFrame([outside])], ignore_index=True)
    return result


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
        With centroids in units of `spacing`.
    shape : tuple of int
        Of the scan, pixels.
    grid : sequence of float
        Size of a cell of the grid, in units of `spacing`.
    spacing : sequence of float, default=None
        Size of a pixel of the scan; None is 1.

    Returns
    -------
    ndarray of float64
        The last cells along an axis may be smaller; their density is that of the part in the scan.
    """
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
    counts, _ = np.histogramdd(_from_corner(table, steps), edges)
    sizes = np.ones(())
    for each in edges:
        sizes = np.multiply.outer(sizes, np.diff(each))
    return counts / sizes


def _from_corner(table, pixel):
    """Centroids relative to the corner of the scan's first pixel, whose center is 0."""
    return np.stack([table[f"centroid_{n}"] for n in _AXES[len(pixel)]], axis=1) + pixel / 2
