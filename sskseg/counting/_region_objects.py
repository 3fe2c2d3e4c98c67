"""Objects whose regions are wanted: tables, label images and points."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
import pandas as pd

from ..morphology import merge_sums, object_sums
from ..morphology.columns import AXES
from ._region_pixels import blocks_of


def as_array(values: Any, name: str) -> Any:
    """Return arrays of dask, zarr and h5py as they are, others as arrays of numpy."""
    is_array = all(hasattr(values, key) for key in ("shape", "dtype", "ndim", "__getitem__"))
    if is_array and any(np.isnan(values.shape)):
        raise ValueError(f"{name} has an unknown shape, {values.shape}: compute its chunk sizes.")
    return values if is_array else np.asarray(values)


def centroids_of(
    objects: Any, regions: Any, pixel: np.ndarray, region_spacing: tuple[float, ...] | None
) -> np.ndarray:
    """Compute centroids from a table, a label image or points.

    Parameters
    ----------
    objects : pandas.DataFrame or array
        See `sskseg.counting.count_by_region`.
    regions : array of int
    pixel : ndarray of shape (ndim,)
        Size of a pixel of the image of the objects.
    region_spacing : tuple of float, or None
        If it is None, a label image must be of the shape of `regions`.

    Returns
    -------
    ndarray of float64, shape (n_objects, ndim)
        In units of `pixel`.
    """
    ndim = regions.ndim
    if isinstance(objects, pd.DataFrame):
        return _finite(_from_table(objects, ndim), "objects")
    if _are_points(objects, regions):
        points = np.asarray(objects)
        if points.dtype.kind not in "iuf":
            raise ValueError(f"objects must hold points, numbers, got dtype {points.dtype}.")
        return _finite(points.astype(float), "objects") * pixel
    check_labels(objects, regions, region_spacing)
    parts = [
        object_sums(_labels(objects, box), start=[part.start for part in box])
        for box in blocks_of(objects)
    ]
    sums = merge_sums(parts)
    return sums["position"] / sums["size"][:, None] * pixel


def pixels_of_centroids(
    objects: Any, regions: Any, pixel: np.ndarray, region_spacing: tuple[float, ...] | None = None
) -> np.ndarray:
    """Return the pixel of `regions` in which each centroid lies.

    Parameters
    ----------
    objects, regions, pixel, region_spacing
        As in `centroids_of`.

    Returns
    -------
    ndarray of int64, shape (n_objects, ndim)
    """
    steps = pixel if region_spacing is None else np.array(region_spacing)
    corner = centroids_of(objects, regions, pixel, region_spacing) + pixel / 2
    # Rounding must not move a centroid on a border to another region.
    return np.floor(corner / steps + 1e-9).astype(np.int64)


def _from_table(table, ndim):
    names = [f"centroid_{axis}" for axis in AXES[ndim]]
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise ValueError(
            f"objects has no columns {missing}, which {ndim}-D regions need. It has "
            f"{[str(name) for name in table.columns]}."
        )
    if ndim == 2 and "centroid_z" in table.columns:
        raise ValueError("objects has centroids of 3 axes, and regions 2: give regions in 3-D.")
    return table[names].to_numpy(float)


def _finite(points, name):
    wrong = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if len(wrong):
        raise ValueError(
            f"{name} must have finite centroids, got {points[wrong[0]].tolist()} in row {wrong[0]}"
            f"{f' and {len(wrong) - 1} further rows' if len(wrong) > 1 else ''}."
        )
    return points


def _are_points(objects, regions):
    """Whether an array holds points, and no label image."""
    is_list = objects.ndim == 2 and objects.shape[1] == regions.ndim
    is_image = np.dtype(objects.dtype).kind in "iu" and objects.shape == regions.shape
    return is_list and not is_image


def check_labels(objects: Any, regions: Any, region_spacing: Any) -> None:
    """Raise unless an array is a label image that fits the image of regions."""
    if np.dtype(objects.dtype).kind not in "iu":
        raise ValueError(
            f"objects must be a table, a label image of integers or points of shape (k, "
            f"{regions.ndim}), got shape {objects.shape} and dtype {objects.dtype}."
        )
    fits = objects.ndim == regions.ndim and region_spacing is not None
    if objects.shape != regions.shape and not fits:
        raise ValueError(
            f"objects has shape {objects.shape} and regions {regions.shape}: they must have the "
            "same shape, or the same number of axes if region_spacing is given."
        )


def _labels(objects, box):
    labels = np.asarray(objects[box])
    if labels.min(initial=0) < -1:
        raise ValueError(f"objects must not be below -1 (unlabeled), got {labels.min()}.")
    return labels


def find_majority(
    objects: Any,
    regions: Any,
    pixel: np.ndarray,
    region_spacing: tuple[float, ...] | None,
    outside: int,
) -> np.ndarray:
    """Find the region of most pixels of each object.

    Parameters
    ----------
    objects, regions : array of int
        Label images; both are read in the blocks of `objects`.
    pixel : ndarray of shape (ndim,)
    region_spacing : tuple of float, or None
        Sizes of their pixels; None is that of `objects`.
    outside : int
        Region of pixels beyond the image of regions.

    Returns
    -------
    ndarray of int64, shape (n_objects,)
        In the order of the ids.
    """
    check_labels(objects, regions, region_spacing)
    steps = pixel if region_spacing is None else np.array(region_spacing)
    parts = [
        _shared(_labels(objects, b), b, regions, pixel, steps, outside) for b in blocks_of(objects)
    ]
    pairs, n = (np.concatenate(values) for values in zip(*parts, strict=True))
    pairs, index = np.unique(pairs, axis=0, return_inverse=True)
    n = np.bincount(index.ravel(), n, len(pairs))
    # By object, the largest share first; of equal ones the region of the smallest number.
    order = np.lexsort((pairs[:, 1] == outside, -n, pairs[:, 0]))
    _, first = np.unique(pairs[order, 0], return_index=True)
    return pairs[order[first], 1]


def _shared(labels, box, regions, pixel, steps, outside):
    """Pairs (object, region) in a block, and the pixels that they share."""
    inside, axes = [], []
    for part, own, step, size in zip(box, pixel, steps, regions.shape, strict=True):
        at = np.floor((np.arange(part.start, part.stop) + 0.5) * own / step + 1e-9).astype(int)
        inside.append((at < size).astype(np.uint8))
        axes.append(np.minimum(at, size - 1))
    read = tuple(slice(at[0], at[-1] + 1) for at in axes)
    pixels = np.asarray(regions[read]).astype(np.int64)
    pixels = pixels[np.ix_(*(at - at[0] for at in axes))]
    kept = labels > 0
    found = np.where(reduce(np.multiply, np.ix_(*inside)), pixels, outside)[kept]
    pairs = np.stack([labels[kept].astype(np.int64), found], axis=1)
    return np.unique(pairs, axis=0, return_counts=True)
