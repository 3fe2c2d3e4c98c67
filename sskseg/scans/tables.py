"""The table of objects from sums over blocks: no second pass over voxels."""

import numpy as np
import pandas as pd

_AXES = {2: ("y", "x"), 3: ("z", "y", "x")}


def object_sums(labels, start, probability=None):
    """Sums and extrema of the objects of a block, which those of other blocks can be added to.

    Parameters
    ----------
    labels : ndarray of int, shape (*block)
        0 background.
    start : tuple of int
        Of the block in the scan, pixels.
    probability : ndarray of shape (*block), default=None

    Returns
    -------
    dict of str to ndarray of shape (n_objects, ...)
        ``label, size, position`` (sums of coordinates), ``low, high`` (extrema, the upper
        excluded), ``score`` (sum of probabilities, float64).
    """
    where = np.nonzero(labels)
    ids, index = np.unique(labels[where], return_inverse=True)
    n, ndim = len(ids), labels.ndim
    sums = {"label": ids.astype(np.int64), "size": np.bincount(index, minlength=n)}
    position = np.zeros((n, ndim), np.int64)
    low = np.full((n, ndim), np.iinfo(np.int64).max)
    high = np.zeros((n, ndim), np.int64)
    for axis, at in enumerate(where):
        at = at + start[axis]
        # Exact in float64 up to 2**53: the order of blocks does not change the sum.
        position[:, axis] = np.bincount(index, at, n).astype(np.int64)
        np.minimum.at(low[:, axis], index, at)
        np.maximum.at(high[:, axis], index, at + 1)
    score = np.zeros(n) if probability is None else np.bincount(index, probability[where], n)
    return {**sums, "position": position, "low": low, "high": high, "score": score}


def merge_sums(parts):
    """Add sums of the same labels.

    Parameters
    ----------
    parts : list of dict
        Of `object_sums`, in a fixed order, under final ids.

    Returns
    -------
    dict of str to ndarray
        Sorted by label.
    """
    together = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    ids, index = np.unique(together["label"], return_inverse=True)
    merged = {"label": ids}
    for key in ("size", "position", "score"):
        merged[key] = np.zeros((len(ids), *together[key].shape[1:]), together[key].dtype)
        np.add.at(merged[key], index, together[key])
    merged["low"] = np.full((len(ids), together["low"].shape[1]), np.iinfo(np.int64).max)
    merged["high"] = np.zeros_like(merged["low"])
    np.minimum.at(merged["low"], index, together["low"])
    np.maximum.at(merged["high"], index, together["high"])
    return merged


def sums_to_table(sums, shape, spacing):
    """The table that `sskseg.morphology.measure_objects` makes of a whole label image.

    Parameters
    ----------
    sums : dict
        Of `merge_sums`.
    shape : tuple of int
        Of the scan.
    spacing : sequence of float

    Returns
    -------
    pandas.DataFrame
    """
    axes, spacing = _AXES[len(shape)], np.asarray(spacing, float)
    columns = {"id": sums["label"]}
    for axis, name in enumerate(axes):
        columns[f"centroid_{name}"] = sums["position"][:, axis] / sums["size"] * spacing[axis]
    columns["area" if len(shape) == 2 else "volume"] = sums["size"] * spacing.prod()
    for axis, name in enumerate(axes):
        columns[f"min_{name}"] = sums["low"][:, axis]
        columns[f"max_{name}"] = sums["high"][:, axis]
    touches = (sums["low"] == 0) | (sums["high"] == np.array(shape))
    columns["touches_border"] = touches.any(axis=1)
    columns["score"] = sums["score"] / sums["size"]
    return pd.DataFrame(columns)


def count_by_region(table, regions, *, region_spacing=None):
    """Count objects in the regions of an atlas, by their centroids.

    Parameters
    ----------
    table : pandas.DataFrame
        With ``centroid_y, centroid_x`` (and ``centroid_z``).
    regions : ndarray or dask array of int, 2-D or 3-D
        0 and other values are regions; may be coarser than the scan.
    region_spacing : sequence of float, default=None
        Size of a pixel of `regions`, in the units of the centroids; None is 1.

    Returns
    -------
    pandas.DataFrame
        ``region, objects, size`` (of the region, in units of `region_spacing`) and ``density``, one
        row for each value of `regions`; and -1 for centroids outside of them, where there are any.
    """
    regions = np.asarray(regions)
    steps = np.ones(regions.ndim) if region_spacing is None else np.asarray(region_spacing, float)
    at = np.stack([table[f"centroid_{name}"] for name in _AXES[regions.ndim]], axis=1)
    at = np.floor(at / steps + 0.5).astype(np.int64)
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
        np.append(np.arange(0, size, step), size) for size, step in zip(extent, grid, strict=True)
    ]
    # A pixel's center counts from 0, its area from half a pixel before that.
    at = np.stack([table[f"centroid_{n}"] for n in _AXES[len(shape)]], axis=1) + steps / 2
    counts, _ = np.histogramdd(at, edges)
    sizes = np.ones(())
    for each in edges:
        sizes = np.multiply.outer(sizes, np.diff(each))
    return counts / sizes
