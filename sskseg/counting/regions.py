"""Counts and densities of objects by region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..images import check_spacing
from ..io.object_tables import check_centroid_unit, check_one_image
from ..io.units import per_millimeter
from ..morphology.components import warn_of_mask
from ._region_objects import as_array, find_majority, pixels_of_centroids
from ._region_pixels import count_pixels, find_regions

_BY = ("centroid", "majority")
OUTSIDE = -1  # beyond the image of regions
_NAMES = {OUTSIDE: "outside", 0: "background"}


def count_by_region(
    objects: pd.DataFrame | ArrayLike,
    regions: ArrayLike,
    *,
    names: Mapping[int, str] | None = None,
    by: str = "centroid",
    region_spacing: Sequence[float] | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
) -> pd.DataFrame:
    """Count objects in the regions of a label image, such as an atlas.

    An object belongs to the region of its centroid. Centroids of curved objects may lie beside
    them; ``by="majority"`` takes the region of most of their pixels.

    Parameters
    ----------
    objects : pandas.DataFrame, label image or points
        A table with ``centroid_y, centroid_x`` (and ``centroid_z``) in units of `spacing`, as
        `InstanceCounter.measure` and `sskseg.scans.count_scan` make it; a label image (0
        background, -1 unlabeled) of numpy, dask or zarr; or points of shape (k, ndim), in pixels.
        In two dimensions integers of shape (k, 2) are points, unless `regions` has that shape.
    regions : array of int or bool, 2-D or 3-D
        Array of numpy, dask or zarr. Blocks of dask and zarr are read one after the other, each
        once. Each value is a region, and 0 is background; of booleans, True is region 1. The array
        may be coarser than the image of the objects; both start at the same corner.
    names : dict of int to str, default=None
        Names of regions. Regions that are only in `names` have a row, too.
    by : {"centroid", "majority"}, default="centroid"
        ``"majority"`` needs objects as a label image. Of regions with as many pixels, the one of
        the smallest number.
    region_spacing : sequence of float, default=None
        Size of a pixel of `regions`, in units of `spacing`; None is `spacing`.
    spacing : sequence of float, default=None
        Size of a pixel of the image of the objects; None is 1.
    unit : str, default=None
        Unit of `spacing`, such as "micrometer": sizes and densities are then in mm^2 or mm^3. None:
        they are in units of `spacing`.

    Returns
    -------
    pandas.DataFrame
        ``region``, ``name`` (if `names` is given; missing where it has none), ``objects``, ``size``
        of the region, and ``density``, objects divided by size (NaN where the size is 0), one row
        for each region, in the order of their numbers. Objects outside of all regions are in rows
        of their own: those on background in region 0, which has a row where `regions` has a 0, and
        those beyond the image of regions in region -1, the last row, which exists if there are any.
        So ``objects`` sum up to their number. ``attrs["units"]`` has the units of ``size`` and
        ``density``, if `unit` is given.

    Raises
    ------
    ValueError
        If shapes, spacings or units do not fit, labels or regions are negative or no integers,
        centroids are NaN, or a table has objects of several samples.

    Warns
    -----
    UserWarning
        If the only object of a label image has five separate parts or more, as in a mask of 0 and
        1. Arrays of dask and zarr are not checked.

    See Also
    --------
    sskseg.scans.density_map : Densities on a grid.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.counting import count_by_region
    >>> labels = np.array([[1, 0, 2, 2], [1, 0, 0, 3]])
    >>> regions = np.array([[5, 5, 7, 7], [5, 5, 0, 0]])
    >>> count_by_region(labels, regions, names={5: "left", 7: "right", 9: "none"})
       region        name  objects  size  density
    0       0  background        1   2.0     0.50
    1       5        left        1   4.0     0.25
    2       7       right        1   2.0     0.50
    3       9        none        0   0.0      NaN
    """
    atlas = as_array(regions, "regions")
    given = objects if isinstance(objects, pd.DataFrame) else as_array(objects, "objects")
    _check_arguments(given, atlas, by, unit, spacing)
    _warn_of_mask(given)
    pixel = np.array(check_spacing(spacing, atlas.ndim) or (1.0,) * atlas.ndim)
    coarse = check_spacing(region_spacing, atlas.ndim, "region_spacing")
    steps = pixel if coarse is None else np.array(coarse)
    if by == "majority":
        found = find_majority(given, atlas, pixel, coarse, OUTSIDE)
        values, sizes = count_pixels(atlas)
    else:
        at = pixels_of_centroids(given, atlas, pixel, coarse)
        values, sizes, found = find_regions(atlas, at, OUTSIDE)
    return _table(values, sizes, found, names, steps, unit)


def _check_arguments(objects, regions, by, unit, spacing):
    if regions.ndim not in (2, 3) or 0 in regions.shape:
        raise ValueError(f"regions must be a 2-D or 3-D label image, got shape {regions.shape}.")
    if np.dtype(regions.dtype).kind not in "biu":
        raise ValueError(f"regions must hold integers or booleans, got dtype {regions.dtype}.")
    if by not in _BY:
        raise ValueError(f"by must be one of {_BY}, got {by!r}.")
    if by == "majority" and (isinstance(objects, pd.DataFrame) or objects.ndim != regions.ndim):
        kind = "a table" if isinstance(objects, pd.DataFrame) else f"shape {objects.shape}"
        raise ValueError(f"by='majority' needs a label image of {regions.ndim} axes, got {kind}.")
    if unit is not None and spacing is None:
        raise ValueError(f"unit is that of spacing, got unit={unit!r} and no spacing.")
    if unit is not None and per_millimeter(unit) is None:
        raise ValueError(f"unit must be a unit of length, as 'micrometer', got {unit!r}.")
    if isinstance(objects, pd.DataFrame):
        check_centroid_unit(objects, spacing, unit)
        check_one_image(objects)


def _warn_of_mask(objects):
    """Warn of a mask, which would be one object."""
    if not isinstance(objects, np.ndarray) or objects.dtype.kind not in "iu":
        return
    numbers = objects[objects > 0]
    if numbers.size and numbers.min() == numbers.max():
        warn_of_mask(objects, "objects", 4)


def _table(values, sizes, found, names, steps, unit):
    """Rows of all regions, from the region of each object."""
    if len(values) and values[0] < 0:
        raise ValueError(f"regions must not be negative, got {values[0]}.")
    numbers, counts = np.unique(found, return_counts=True)
    named = [] if names is None else [_number(key) for key in names]
    beyond = [OUTSIDE] if OUTSIDE in numbers else []
    inside = sorted({*values.tolist(), *named, *numbers.tolist()} - {OUTSIDE})
    table = pd.DataFrame({"region": np.array([*inside, *beyond], np.int64)})
    if names is not None:
        known = {**_NAMES, **{_number(key): str(name) for key, name in names.items()}}
        table["name"] = pd.array([known.get(region) for region in table["region"]], dtype="string")
    table["objects"] = table["region"].map(dict(zip(numbers, counts, strict=True))).fillna(0)
    table["objects"] = table["objects"].astype(np.int64)
    factor = 1.0 if unit is None else per_millimeter(unit)
    pixel = float(np.prod(steps * factor))
    area = table["region"].map(dict(zip(values, sizes * pixel, strict=True)))
    table["size"] = area.fillna(0.0).where(table["region"] != OUTSIDE, np.nan).astype(float)
    table["density"] = table["objects"] / table["size"].where(table["size"] > 0, np.nan)
    if unit is not None:
        power = f"millimeter^{len(steps)}"
        table.attrs["units"] = {"size": power, "density": f"1/{power}"}
    return table


def _number(key):
    if isinstance(key, bool) or not isinstance(key, (int, np.integer)) or key < 0:
        raise ValueError(f"names must have numbers of regions, 0 or above, as keys, got {key!r}.")
    return int(key)
