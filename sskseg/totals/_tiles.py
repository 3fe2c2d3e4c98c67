"""Counts of objects in equal tiles."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..images import check_spacing
from ..io import read_labels
from ..io.object_tables import check_centroid_unit, check_one_image, iterate_object_table


def count_tiles(
    objects: Sequence[pd.DataFrame | str | os.PathLike[str]],
    shape: Sequence[int],
    tile: int | Sequence[int],
    *,
    spacing: Sequence[float] | None = None,
    regions: Any = None,
) -> pd.DataFrame:
    """Count the objects of one image in equal tiles, once for each table of objects.

    An object belongs to the tile that holds its centroid, so each is counted once. Tiles that the
    border of the image cuts are kept, as smaller ones.

    Parameters
    ----------
    objects : sequence of pandas.DataFrame or paths
        Tables of the same image, or their files (``objects.parquet`` or ``objects.csv``), which
        are read part by part. They have ``centroid_y, centroid_x`` (and ``centroid_z``) in units of
        `spacing`, as `sskseg.InstanceCounter.measure` and `sskseg.scans.count_scan` make them. The
        first has the counts that are corrected; the others, of other thresholds, orientations or
        networks, say where counts disagree.
    shape : sequence of int
        Size of the image in pixels along its two or three spatial axes.
    tile : int or sequence of int
        Size of a tile along each axis, pixels.
    spacing : sequence of float, default=None
        Size of a pixel; None is 1.
    regions : array of int of shape `shape`, or path, default=None
        A label image, such as an atlas, or the file of one or of ROIs. Of dask and zarr arrays
        only the blocks with a middle of a tile are read. A tile is of the region at its middle.

    Returns
    -------
    pandas.DataFrame
        One row for each tile: ``y``, ``x`` (and ``z``) of its first pixel, ``y_stop``, ``x_stop``
        (and ``z_stop``) behind its last, ``size`` in pixels, ``count``, ``disagreement`` (largest
        minus smallest count of the tables), and ``region`` (if `regions` is given).

    Raises
    ------
    ValueError
        If a table lacks centroids or has some that are NaN or beyond the image, has objects of
        several images, or units that do not fit `spacing`, or shapes do not fit, or regions are not
        integers.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> import pandas as pd
    >>> from sskseg.totals import count_tiles
    >>> strict = pd.DataFrame({"centroid_y": [1, 2, 6], "centroid_x": [1, 6, 6]})
    >>> count_tiles([strict, strict.iloc[:2]], shape=(8, 8), tile=4)
       y  x  y_stop  x_stop  size  count  disagreement
    0  0  0       4       4    16      1             0
    1  0  4       4       8    16      1             0
    2  4  0       8       4    16      0             0
    3  4  4       8       8    16      1             1
    """
    extent, step = _check_shapes(shape, tile)
    if isinstance(objects, pd.DataFrame):
        raise ValueError("objects must be a list of tables, got one table: pass [table].")
    if not len(objects):
        raise ValueError("objects must hold one table at least, got none.")
    pixel = np.array(check_spacing(spacing, len(extent)) or (1.0,) * len(extent))
    counts = np.stack([_count(table, extent, step, pixel, spacing) for table in objects])
    grid = np.indices(-(-extent // step)).reshape(len(extent), -1).T
    start = grid * step
    stop = np.minimum(start + step, extent)
    tiles = pd.DataFrame(start, columns=list("zyx"[-len(extent) :]))
    tiles[[f"{axis}_stop" for axis in tiles]] = stop
    tiles["size"] = np.prod(stop - start, axis=1)
    tiles["count"] = counts[0]
    tiles["disagreement"] = np.ptp(counts, axis=0)
    if regions is not None:
        tiles["region"] = _regions_at((start + stop) // 2, regions, extent)
    return tiles


def _check_shapes(shape, tile):
    for name, sizes in (("shape", shape), ("tile", tile)):
        if np.asarray(sizes).dtype.kind not in "iu":
            raise ValueError(f"{name} must be whole numbers of pixels, got {sizes!r}.")
    extent = np.array(shape, dtype=int)
    if extent.ndim != 1 or len(extent) not in (2, 3) or (extent < 1).any():
        raise ValueError(f"shape must be two or three positive sizes, got {shape!r}.")
    step = np.array([tile] * len(extent) if np.ndim(tile) == 0 else tile, dtype=int)
    if step.shape != extent.shape or (step < 1).any():
        raise ValueError(f"tile must be positive, one size for each axis of {shape}, got {tile!r}.")
    return extent, step


def _regions_at(points, regions, extent):
    if isinstance(regions, str | os.PathLike):
        shape = tuple(int(size) for size in extent)
        ndim = len(extent)
        _, found = read_labels(regions, spatial_ndim=ndim, shape=shape, empty="background")
        if len(found) != 1 or found[0] is None:
            raise ValueError(f"regions must be one label image, got {len(found)} in {regions}.")
        regions = found[0]
    # Dask and zarr arrays read only the blocks of these points.
    atlas = regions if hasattr(regions, "vindex") else np.asarray(regions)
    if tuple(atlas.shape) != tuple(extent):
        got = tuple(int(size) for size in atlas.shape)
        raise ValueError(f"regions must have shape {tuple(map(int, extent))}, got {got}.")
    if np.dtype(atlas.dtype).kind not in "iub":
        raise ValueError(f"regions must be integers, got {atlas.dtype}.")
    index = tuple(points.T)
    return np.asarray(atlas.vindex[index] if hasattr(atlas, "vindex") else atlas[index])


def _count(table, extent, step, pixel, spacing):
    if not isinstance(table, pd.DataFrame | str | os.PathLike):
        raise ValueError(
            "objects must be tables or files of tables, got "
            f"{type(table).__name__}: measure_objects makes a table of a label image."
        )
    names = [f"centroid_{axis}" for axis in "zyx"[-len(extent) :]]
    grid = -(-extent // step)
    counts = np.zeros(np.prod(grid), int)
    parts = [table] if isinstance(table, pd.DataFrame) else iterate_object_table(table, names)
    first = None
    for part in parts:
        if len(part):
            check_centroid_unit(part, spacing)
            first = part.iloc[:1] if first is None else first
            check_one_image(pd.concat([first, part]))
        counts += _count_part(part, names, extent, step, pixel)
    return counts


def _count_part(table, names, extent, step, pixel):
    lacking = [name for name in names if name not in table]
    if lacking:
        raise ValueError(f"objects must have columns {names}, lacks {lacking}.")
    at = table[names].to_numpy(float) / pixel
    if np.isnan(at).any():
        raise ValueError(f"objects must have no NaN in {names}, got {np.isnan(at).sum()}.")
    # Rounding must not move a centroid on a border to another tile than a person counts it in.
    index = np.floor(at + 0.5 + 1e-9).astype(int)
    if ((index < 0) | (index >= extent)).any():
        raise ValueError(f"objects must lie in an image of shape {extent.tolist()}; some do not.")
    grid = -(-extent // step)
    flat = np.ravel_multi_index(tuple((index // step).T), grid)
    return np.bincount(flat, minlength=np.prod(grid))
