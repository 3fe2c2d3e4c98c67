"""What a table of objects tells: counts of regions, densities."""

import numpy as np
import pandas as pd

_AXES = {2: ("y", "x"), 3: ("z", "y", "x")}


def count_by_region(table, regions, *, region_spacing=None, spacing=None):
    """Count objects in the regions of an atlas, by their centroids.

    Parameters
    ----------
    table : pandas.DataFrame
        With ``centroid_y, centroid_x`` (and ``centroid_z``).
    regions : ndarray or dask array of int, 2-D or 3-D
        0 and other values are regions; may be coarser than the scan. Its first pixel begins where
        that of the scan does.
    region_spacing : sequence of float, default=None
        Size of a pixel of `regions`, in the units of the centroids; None is that of the scan.
    spacing : sequence of float, default=None
        Size of a pixel of the scan; None is 1.

    Returns
    -------
    pandas.DataFrame
        ``region, objects, size`` (of the region, in units of `region_spacing`) and ``density``, one
        row for each value of `regions`; and -1 for centroids outside of them, where there are any.
    """
    regions = np.asarray(regions)
    pixel = np.ones(regions.ndim) if spacing is None else np.asarray(spacing, float)
    steps = pixel if region_spacing is None else np.asarray(region_spacing, float)
    at = np.floor(_from_corner(table, pixel) / steps).astype(np.int64)
    inside = ((at >= 0) & (at < regions.shape)).all(axis=1)
    values, sizes = np.unique(regions, return_counts=True)
    found = np.searchsorted(values, regions[tuple(at[inside].T)])
    counts = np.bincount(found, minlength=len(values))
    sizes = sizes * steps.prod()
    result = pd.DataFrame({"region": values, "objects": counts, "size": sizes,
                           "density": counts / sizes})  # fmt: skip
    if not inside.all():
        outside = {"region": -1, "objects": int((~inside).sum()), "size": np.nan, "density": np.nan}
        result = pd.concat([result, pd.DataFrame([outside])], ignore_index=True)
    return result


def density_map(table, shape, *, grid, spacing=None):
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
        The last cells along an axis may be smaller; their density is of what lies in the scan.
    """
    steps = np.ones(len(shape)) if spacing is None else np.asarray(spacing, float)
    grid = np.asarray(grid, float)
    if grid.shape != (len(shape),) or (grid <= 0).any():
        raise ValueError(f"grid must be {len(shape)} positive numbers, got {grid.tolist()}.")
    extent = np.asarray(shape) * steps
    edges = [
        # Not one more for what is left of rounding.
        np.append(step * np.arange(np.ceil(size / step - 1e-9)), size)
        for size, step in zip(extent, grid, strict=True)
    ]
    counts, _ = np.histogramdd(_from_corner(table, steps), edges)
    sizes = np.ones(())
    for each in edges:
        sizes = np.multiply.outer(sizes, np.diff(each))
    return counts / sizes


def _from_corner(table, pixel):
    """Centroids, counted from where the scan's first pixel of size `pixel` begins."""
    # A pixel's center counts from 0, its area from half a pixel before that.
    return np.stack([table[f"centroid_{n}"] for n in _AXES[len(pixel)]], axis=1) + pixel / 2
