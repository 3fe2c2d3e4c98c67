"""Points as annotations, and label images drawn from them."""

import re
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .spacing import check_spacing

POINT_RADIUS = 3.0  # pixels of an image, by default


def are_points(values: ArrayLike, shape: tuple[int, ...]) -> bool:
    """Return whether the annotation of a sample is points rather than a label image.

    Parameters
    ----------
    values : array-like
    shape : tuple of int
        Spatial shape of its image.

    Returns
    -------
    bool
        Whether `values` are of shape (k, spatial_ndim) or empty, and not of the image's shape.
    """
    if hasattr(values, "columns"):
        return True
    given = np.shape(values)
    is_empty = 0 in given and len(given) <= 2
    return given != tuple(shape) and (is_empty or (len(given) == 2 and given[1] == len(shape)))


_COLUMNS = {"z": ("z", "slice"), "y": ("y",), "x": ("x",)}
_PLANES = ("z", "slice", "frame", "t", "time", "timepoint")  # in which plane a point lies


def points_from_table(
    table: Any, ndim: int, name: str = "y", spacing: Sequence[float] | None = None
) -> np.ndarray:
    """Take the coordinates of points from a table, by the names of its columns.

    Parameters
    ----------
    table : pandas.DataFrame
        Table with columns y and x, and for volumes z (or slice, which counts from 1), in upper or
        lower case and any order. Columns ``axis-0``, ``axis-1`` and so on, as napari writes them,
        are read, too.
    ndim : {2, 3}
    name : str, default="y"
    spacing : sequence of float, default=None
        Coordinates are divided by it; slices are not. None is 1.

    Returns
    -------
    ndarray of float64, shape (k, ndim)

    Raises
    ------
    ValueError
        If a column is missing, or there are two of one name; if a coordinate is no finite number;
        if the points lie in several planes or frames, of which the coordinates say nothing; if the
        table holds shapes; if a slice is less than 1.
    """
    columns = [str(column).strip().lower() for column in table.columns]
    if "shape-type" in columns:
        raise ValueError(
            f"{name} holds shapes of napari (column shape-type), the corners of polygons or lines; "
            "expected points. Save a layer of points."
        )
    napari = sorted(c for c in columns if re.fullmatch(r"axis-\d", c))
    if napari:
        wanted = [[column] for column in napari[-ndim:]]
    else:
        wanted = [list(_COLUMNS[axis]) for axis in "zyx"[-ndim:]]
    found = [[i for i, c in enumerate(columns) if c in names] for names in wanted]
    if len(found) < ndim or any(len(each) != 1 for each in found):
        counts = " If it holds counts of images, pass these as y to the fit of a counter."
        raise ValueError(
            f"{name} must have one column each of {', '.join('zyx'[-ndim:])} (or of axis-0, "
            f"axis-1, ...), got the columns {list(map(str, table.columns))}."
            f"{'' if any(found) else counts}"
        )
    used = [each[0] for each in found]
    _check_one_plane(table, [i for i, c in enumerate(columns) if i not in used and
                             (c in _PLANES or c in napari)], ndim, name)  # fmt: skip
    points = _numbers(table.iloc[:, used], name)
    steps = np.ones(ndim) if spacing is None else np.array(check_spacing(spacing, ndim))
    from_one = np.array([columns[i] == "slice" for i in used])
    if (points[:, from_one] < 1).any():
        raise ValueError(
            f"{name} must count slices from 1, as Fiji does, got {points[:, from_one].min():g}. If "
            "they are coordinates from 0, name the column z."
        )
    return np.where(from_one, points - 1, points / steps)


def _check_one_plane(table, dropped, ndim, name):
    """Refuse points of several planes or frames that would be taken for those of one."""
    several = [i for i in dropped if table.iloc[:, i].nunique() > 1]
    if several:
        raise ValueError(
            f"{name} has points of several planes or frames, of which points of {ndim} axes say "
            f"nothing: the columns {[str(table.columns[i]) for i in several]} hold more than one "
            "value. Keep the points of one, name images in a column image, or read 3 axes."
        )


def _numbers(values, name):
    """Finite coordinates."""
    try:
        numbers = values.to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold numbers as coordinates: {error}.") from error
    missing = np.flatnonzero(~np.isfinite(numbers).all(axis=1))
    if len(missing):
        raise ValueError(
            f"{name} must hold finite coordinates, got {values.iloc[missing[0]].tolist()} in row "
            f"{values.index[missing[0]]}."
        )
    return numbers


def check_points(points: ArrayLike, shape: tuple[int, ...], name: str = "y") -> np.ndarray:
    """Validate the points of one sample.

    Parameters
    ----------
    points : array-like of shape (k, spatial_ndim)
        Coordinates in pixels; (0, 0) is the center of the first pixel. A table is read by the
        names of its columns, see `points_from_table`.
    shape : tuple of int
        Spatial shape of the image.
    name : str, default="y"

    Returns
    -------
    ndarray of float64, shape (k, spatial_ndim)
        Those in the last half pixel, where programs have them whose (0, 0) is the corner of the
        first pixel, are moved to the edge of the image.

    Raises
    ------
    ValueError
        For anything but numbers, NaN, infinity, or points outside of the image.
    """
    if hasattr(points, "columns"):
        points = points_from_table(points, len(shape), name)
    try:
        points = np.asarray(points, dtype=np.float64).reshape(-1, len(shape))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold points, numbers, got {points!r}.") from error
    edge = np.array(shape) - 0.5
    inside = (points > -0.5) & (points <= np.array(shape))
    if not inside.all():
        wrong = points[~inside.all(axis=1)][0]
        raise ValueError(
            f"{name} must hold points inside of the image of shape {tuple(shape)}, got "
            f"{wrong.tolist()}; (0, 0) is the center of the first pixel."
        )
    return np.minimum(points, np.nextafter(edge, 0))


def draw_points(
    points: np.ndarray,
    shape: tuple[int, ...],
    radius: float,
    spacing: Sequence[float] | None = None,
) -> np.ndarray:
    """Draw a disc around each point, and an unlabeled ring around the disc.

    Parameters
    ----------
    points : ndarray of shape (k, ndim)
    shape : tuple of int
    radius : float
        Radius of the discs, in units of `spacing`. Rings extend to twice the radius. The pixel of a
        point belongs to its disc, also where pixels are longer than the radius.
    spacing : sequence of float, default=None
        Size of a pixel along each axis; None is 1.

    Returns
    -------
    ndarray of int32
        0 background, 1, 2, ... the discs in the order of the points (a pixel belongs to the
        nearest point), -1 the rings.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.images import draw_points
    >>> draw_points(np.array([[0, 1.0]]), (1, 7), 1.0)
    array([[ 1,  1,  1, -1,  0,  0,  0]], dtype=int32)
    """
    distance = np.full(shape, np.inf, np.float32)
    owner = np.zeros(shape, np.int32)
    outer = 2 * radius
    sizes = np.ones(len(shape)) if spacing is None else np.asarray(spacing, float)
    reach = np.maximum(outer / sizes, 0.5)
    inner = np.zeros(shape, bool)
    for number, point in enumerate(points, start=1):
        low = np.maximum(np.ceil(point - reach), 0).astype(int)
        high = np.minimum(np.floor(point + reach) + 1, shape).astype(int)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        axes = np.ogrid[box]
        offsets = [axis - x for axis, x in zip(axes, point, strict=True)]
        inner[box] |= reduce(np.logical_and, [(x > -0.5) & (x <= 0.5) for x in offsets])
        squares = sum((x * size) ** 2 for x, size in zip(offsets, sizes, strict=True))
        away = np.sqrt(squares).astype(np.float32)
        nearer = away < distance[box]
        distance[box] = np.where(nearer, away, distance[box])
        owner[box] = np.where(nearer, number, owner[box])
    inner |= distance <= radius
    return np.where(inner, owner, np.where(distance <= outer, -1, 0)).astype(np.int32)
