"""Columns of the table of objects: names, dimensions, units, and their names in scikit-image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

PIXEL = "pixel"  # the unit of lengths without a spacing
AXES = {2: ("y", "x"), 3: ("z", "y", "x")}


class Column(NamedTuple):
    """A column of the table of objects, or a group of columns that share a name.

    Parameters
    ----------
    regionprops : str
        Name in `skimage.measure.regionprops`, empty where it has none.
    ndim : tuple of int
        Numbers of axes for which it is defined.
    power : int
        Of the unit of length; 0 for pixels, radians, ratios and intensities.
    is_default : bool
        Whether it is computed unless `columns` is given.
    needs : str
        Argument without which there is no such column, or empty.
    """

    regionprops: str
    ndim: tuple[int, ...] = (2, 3)
    power: int = 0
    is_default: bool = True
    needs: str = ""


# In the order of the table.
COLUMNS = {
    "id": Column("label"),
    "centroid": Column("centroid", power=1),
    "area": Column("area", (2,), power=2),
    "volume": Column("area", (3,), power=3),
    "mean_intensity": Column("intensity_mean", needs="intensity"),
    "bounding_box": Column("bbox"),
    "touches_border": Column(""),
    "score": Column("", needs="probability"),
    "min_intensity": Column("intensity_min", needs="intensity"),
    "max_intensity": Column("intensity_max", needs="intensity"),
    "equivalent_diameter": Column("equivalent_diameter_area", power=1),
    "major_axis_length": Column("axis_major_length", power=1),
    "minor_axis_length": Column("axis_minor_length", power=1),
    "eccentricity": Column("eccentricity", (2,)),
    "orientation": Column("orientation", (2,)),
    "extent": Column("extent"),
    "perimeter": Column("perimeter", (2,), power=1, is_default=False),
    "solidity": Column("solidity", (2,), is_default=False),
    "feret_diameter": Column("feret_diameter_max", (2,), power=1, is_default=False),
}

#: Names of columns of `measure_objects`, and what `skimage.measure.regionprops` calls them.
REGIONPROPS_NAMES = {name: c.regionprops for name, c in COLUMNS.items() if c.regionprops}


def select_columns(
    columns: Sequence[str] | None, ndim: int, given: Sequence[str] = ()
) -> list[str]:
    """Validate names of columns, and sort them as the table has them.

    Parameters
    ----------
    columns : sequence of str, or None
        None selects the default ones.
    ndim : {2, 3}
    given : sequence of str, default=()
        Which of "probability" and "intensity" are given.

    Returns
    -------
    list of str
        Always with "id".

    Raises
    ------
    ValueError
        For names that are unknown or not defined for `ndim`, and those that need what is not given.
    """
    known = {name: c for name, c in COLUMNS.items() if ndim in c.ndim}
    if columns is None:
        return [n for n, c in known.items() if c.is_default and c.needs in ("", *given)]
    if isinstance(columns, str):
        raise ValueError(f"columns must be a list of names, got the text {columns!r}.")
    unknown = [name for name in columns if name not in known]
    if unknown:
        raise ValueError(
            f"columns has {unknown}, which are no columns of {ndim}-D objects. Known are "
            f"{', '.join(known)}."
        )
    for name in columns:
        needs = known[name].needs
        if needs and needs not in given:
            raise ValueError(f"columns has {name!r}, which needs {needs}, but {needs} is None.")
    return [name for name in known if name == "id" or name in columns]


def units_of(table_columns: Sequence[str], unit: str | None) -> dict[str, str]:
    """List the units of those columns of a table that have one.

    Parameters
    ----------
    table_columns : sequence of str
        Names in the table, such as ``centroid_y``.
    unit : str or None
        Of length; None is unknown.

    Returns
    -------
    dict of str to str
        Such as ``{"area": "micrometer^2"}``; for None only what is in pixels or radians whatever
        the spacing.
    """
    units = {f"{side}_{axis}": PIXEL for side in ("min", "max") for axis in AXES[3]}
    units["orientation"] = "radian"
    if unit is not None:
        powers = {name: c.power for name, c in COLUMNS.items() if c.power}
        powers |= {f"centroid_{axis}": 1 for axis in AXES[3]} | {"contour_area": 2, "polygon": 1}
        units |= {name: unit if n == 1 else f"{unit}^{n}" for name, n in powers.items()}
    return {name: units[name] for name in table_columns if name in units}


def length_unit(unit: str | None, spacing: Sequence[float] | None) -> str | None:
    """Return the unit of lengths: pixels without a spacing, None for a spacing of no known unit."""
    return PIXEL if unit is None and spacing is None else unit
