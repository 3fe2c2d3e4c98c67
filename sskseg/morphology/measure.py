"""Measure objects, of whole images or of their parts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..images.spacing import check_spacing
from .columns import AXES, length_unit, select_columns, units_of
from .components import warn_of_mask
from .contours import contour_areas, contour_perimeters
from .shapes import ellipse_columns, hull_columns, perimeters
from .sums import object_sums


def measure_objects(
    labels: ArrayLike,
    *,
    probability: ArrayLike | None = None,
    intensity: ArrayLike | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Measure the objects of a label image.

    Values equal those of `skimage.measure.regionprops_table` up to rounding, but are computed for
    all objects at once. `sskseg.morphology.REGIONPROPS_NAMES` maps the names. Default columns
    derive from sums and extrema over pixels, so that the sums of the parts of an image can be
    merged.

    Parameters
    ----------
    labels : ndarray of int, 2-D or 3-D
        0 is background, -1 unlabeled.
    probability : ndarray of the same shape, default=None
        Foreground probability; its mean over an object is the object's score.
    intensity : ndarray of that shape, with or without a channel axis at the end, default=None
    spacing : sequence of float, default=None
        Size of a pixel along each axis, in any unit; None is 1.
    unit : str, default=None
        Unit of `spacing`, such as "micrometer", for ``attrs["units"]`` of the table.
    columns : sequence of str, default=None
        Names of columns, below, in any order. None: all except those on request.

    Returns
    -------
    pandas.DataFrame
        One row per object, in the order of their ids, always with ``id``. Lengths are in units of
        `spacing`. ``attrs["units"]`` maps columns to units, for example ``{"area":
        "micrometer^2"}``, without `spacing` ``{"area": "pixel^2"}``;
        `sskseg.io.write_object_table` writes them to files. The last three columns are computed
        only if `columns` names them:

        - ``centroid``: ``centroid_y, centroid_x`` (and ``centroid_z``), pixel centers counting
          from 0;
        - ``area`` or ``volume``;
        - ``mean_intensity, min_intensity, max_intensity``, with `intensity`
          (``mean_intensity_0``, ... where there is a channel axis);
        - ``bounding_box``: ``min_y, max_y``, ... in pixels, the maximum excluded;
        - ``touches_border`` of the image, at which the object may be cut; in 3-D the first and
          the last section are borders, too;
        - ``score``, with `probability`;
        - ``equivalent_diameter``: of the disc or ball of that size;
        - ``major_axis_length, minor_axis_length``: longest and shortest axis of the ellipse or
          ellipsoid with the same second moments;
        - ``eccentricity`` (2-D): of that ellipse, 0 for a circle, below 1;
        - ``orientation`` (2-D): angle between the axis y and the major axis, radians from -pi/2 to
          pi/2, arbitrary for round objects;
        - ``extent``: share of the bounding box that the object fills;
        - ``perimeter`` (2-D, square pixels, on request): length of the outline;
        - ``solidity`` (2-D, on request): share of the convex hull that the object fills;
        - ``feret_diameter`` (2-D, on request): largest distance of two points of the outline of
          that hull.

    Raises
    ------
    ValueError
        If shapes do not fit, labels are no integers or below -1, `columns` has unknown names or
        those that need an image which is not given, `unit` is given without `spacing`, or the
        perimeter of pixels that are not square is requested.

    Warns
    -----
    UserWarning
        If the only object has five separate parts or more, as in a mask of 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.morphology import measure_objects
    >>> labels = np.array([[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]])
    >>> measure_objects(labels, spacing=(2.0, 0.5), unit="micrometer", columns=["centroid", "area"])
       id  centroid_y  centroid_x  area
    0   1         1.0        0.75   4.0
    """
    image = _check_labels(labels)
    given = {"probability": probability, "intensity": intensity}
    names = select_columns(columns, image.ndim, [k for k, v in given.items() if v is not None])
    if unit is not None and spacing is None:
        raise ValueError(f"unit is that of spacing, got unit={unit!r} and no spacing.")
    steps = check_spacing(spacing, image.ndim) or (1.0,) * image.ndim
    if "perimeter" in names and steps[0] != steps[1]:
        raise ValueError(f"The column 'perimeter' needs square pixels, got spacing={steps}.")
    sums = object_sums(image, probability=probability, intensity=intensity)
    if len(sums["label"]) == 1:
        warn_of_mask(image, "labels", 3)
    further = _outline_columns(image, sums["label"], np.array(steps), names)
    unit = length_unit(unit, spacing)
    return sums_to_table(sums, image.shape, steps, unit=unit, columns=names, further=further)


def _check_labels(labels):
    labels = np.asarray(labels)
    if labels.ndim not in (2, 3):
        raise ValueError(f"labels must be 2-D or 3-D, got shape {labels.shape}.")
    if labels.dtype.kind not in "iu":
        raise ValueError(
            f"labels must hold integers, one for each object, got dtype {labels.dtype}. Objects of "
            "a mask are numbered by sskseg.morphology.label_components."
        )
    lowest = labels.min(initial=0)
    if lowest < -1:
        raise ValueError(f"labels must not be below -1 (unlabeled), got {lowest}.")
    return labels


def _outline_columns(labels, ids, spacing, names):
    """Columns that need whole objects, and not only their sums."""
    hull = {"solidity", "feret_diameter"} & {*names}
    if not hull and "perimeter" not in names:
        return {}
    numbers = _numbers(labels, ids)
    columns = (
        hull_columns(numbers, len(ids), spacing, feret="feret_diameter" in hull) if hull else {}
    )
    if "perimeter" in names:
        columns["perimeter"] = perimeters(numbers, len(ids)) * spacing[0]
    return columns


def _numbers(labels, ids):
    """Labels as 1 to n in the order of their ids."""
    labels = np.maximum(labels, 0)
    if not len(ids) or ids[-1] >= 4 * labels.size:
        return np.where(labels > 0, np.searchsorted(ids, labels) + 1, 0)
    table = np.zeros(int(ids[-1]) + 1, np.int32)  # faster than searching
    table[ids] = np.arange(1, len(ids) + 1)
    return table[labels]


def contour_columns(contours: np.ndarray, spacing: ArrayLike) -> dict[str, Any]:
    """Compute the columns of a table of objects that describe their contours.

    Parameters
    ----------
    contours : ndarray of shape (n_objects, n_points, 2)
        Row and column, pixels.
    spacing : sequence of 2 floats

    Returns
    -------
    dict of str to array of shape (n_objects,)
        ``contour_area, perimeter`` and ``polygon``, the outline as well-known text:
        ``POLYGON ((x y, ...))``, in units of `spacing`.
    """
    contours = np.asarray(contours, float) * np.asarray(spacing, float)
    return {
        "contour_area": np.abs(contour_areas(contours)),
        "perimeter": contour_perimeters(contours),
        "polygon": pd.array([_well_known_text(contour) for contour in contours], dtype="string"),
    }


def _well_known_text(contour):
    """A closed polygon of (row, column) as text of (x, y)."""
    closed = np.concatenate([contour, contour[:1]])
    return "POLYGON ((" + ", ".join(f"{x:.2f} {y:.2f}" for y, x in closed) + "))"


def sums_to_table(
    sums: dict[str, np.ndarray],
    shape: Sequence[int],
    spacing: ArrayLike,
    *,
    unit: str | None = None,
    columns: Sequence[str] | None = None,
    further: dict[str, np.ndarray] | None = None,
) -> pd.DataFrame:
    """Make the table of `measure_objects` from sums.

    Parameters
    ----------
    sums : dict
        Result of `object_sums` or `merge_sums`; optional ``contour``, (n_objects, n_points, 2):
        contours in pixels of the image, multiplied by the sizes so that parts of an object add up.
    shape : tuple of int
        Size of the image in pixels.
    spacing : sequence of float
    unit : str, default=None
        Unit of `spacing`, for ``attrs["units"]``, such as "pixel"; None is unknown.
    columns : sequence of str, default=None
        As in `measure_objects`; None is all that derive from sums.
    further : dict of str to ndarray, default=None
        Columns that do not derive from sums.

    Returns
    -------
    pandas.DataFrame
    """
    steps, sizes, ndim = np.asarray(spacing, float), sums["size"], len(shape)
    pairs = (("probability", "score"), ("intensity", "intensity"))
    given = [argument for argument, name in pairs if name in sums]
    names = select_columns(columns, ndim, given)
    groups: dict[str, dict[str, Any]] = {
        "id": {"id": sums["label"]},
        **_position_columns(sums, shape, steps),
        **_size_columns(sums, steps),
        **_mean_columns(sums),
    }
    single = dict(further or {})
    if {"major_axis_length", "minor_axis_length", "eccentricity", "orientation"} & {*names}:
        single |= ellipse_columns(sums, steps)
    groups |= {name: {name: values} for name, values in single.items()}
    table: dict[str, Any] = {}
    for name in names:
        table |= groups[name]
    if "contour" in sums:
        table |= contour_columns(sums["contour"] / sizes[:, None, None], steps)
    return with_units(pd.DataFrame(table), unit)


def with_units(table: pd.DataFrame, unit: str | None) -> pd.DataFrame:
    """Set ``attrs["units"]`` of a table of objects to the units of its columns.

    Parameters
    ----------
    table : pandas.DataFrame
        It is modified.
    unit : str or None
        Unit of length, see `units_of`.

    Returns
    -------
    pandas.DataFrame
        `table`.
    """
    units = units_of([*table.columns], unit)
    if units:
        table.attrs["units"] = units
    return table


def _position_columns(sums, shape, spacing):
    sizes, axes = sums["size"], AXES[len(shape)]
    centroid, box = {}, {}
    for axis, name in enumerate(axes):
        centroid[f"centroid_{name}"] = sums["position"][:, axis] / sizes * spacing[axis]
        box[f"min_{name}"] = sums["low"][:, axis]
        box[f"max_{name}"] = sums["high"][:, axis]
    touches = (sums["low"] == 0) | (sums["high"] == np.array(shape))
    return {
        "centroid": centroid,
        "bounding_box": box,
        "touches_border": {"touches_border": touches.any(axis=1)},
    }


def _size_columns(sums, spacing):
    ndim, size = len(spacing), sums["size"] * spacing.prod()
    values = {
        "area" if ndim == 2 else "volume": size,
        "equivalent_diameter": (2 * ndim * size / np.pi) ** (1 / ndim),
        "extent": sums["size"] / (sums["high"] - sums["low"]).prod(axis=1),
    }
    return {name: {name: column} for name, column in values.items()}


def _mean_columns(sums):
    """Score and intensities; of several channels a column for each."""
    sizes, groups = sums["size"], {}
    if "score" in sums:
        groups["score"] = {"score": sums["score"] / sizes}
    if "intensity" in sums:
        values = {"mean_intensity": (sums["intensity"].T / sizes).T}
        values |= {name: sums[name] for name in ("min_intensity", "max_intensity")}
        for name, column in values.items():
            channels = {f"{name}_{c}": x for c, x in enumerate(column.T)}
            groups[name] = channels if column.ndim > 1 else {name: column}
    return groups
