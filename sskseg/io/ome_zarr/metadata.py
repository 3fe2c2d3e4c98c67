"""Metadata of OME-Zarr, version 0.4 (in groups of Zarr 2) and 0.5 (Zarr 3)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..object_tables import names_with_units
from ..units import ngff_unit

ZARR_FORMATS = {"0.4": 2, "0.5": 3}  # by version
OME_VERSIONS = {number: version for version, number in ZARR_FORMATS.items()}
_TYPES = {"t": "time", "c": "channel"}  # others are space


def create_group(folder: Path, version: str) -> Any:
    """Create a group of zarr in the format that a version requires.

    Parameters
    ----------
    folder : Path
    version : {"0.4", "0.5"}

    Returns
    -------
    zarr.Group
    """
    import zarr

    formats: Any = ZARR_FORMATS
    return zarr.create_group(folder, zarr_format=formats[version])


def set_attributes(group: Any, version: str, content: dict[str, Any]) -> None:
    """Write metadata of a group, beside those that it has.

    Parameters
    ----------
    group : zarr.Group
    version : {"0.4", "0.5"}
    content : dict
        Replaces entries of the same names.
    """
    if version == "0.4":
        group.attrs.update(content)
    else:
        known = dict(group.attrs).get("ome", {})
        group.attrs.update({"ome": {**known, "version": version, **content}})


def warn_of_unit(unit: str | None, stacklevel: int) -> None:
    """Warn where NGFF does not have a unit of length.

    Parameters
    ----------
    unit : str or None
    stacklevel : int
        Of the warning, as from the caller.
    """
    if unit and ngff_unit(unit) is None:
        warnings.warn(
            f"NGFF has no unit of length {unit!r}: the axes are written without a unit. Give "
            "unit='micrometer' for example.",
            stacklevel=stacklevel + 1,
        )


def axes_metadata(axes: Sequence[str], unit: str | None) -> list[dict[str, str]]:
    """Describe axes, with their unit where NGFF has it: see `warn_of_unit`.

    Parameters
    ----------
    axes : sequence of str
        Names of axes, of "t", "c", "z", "y" and "x".
    unit : str or None
        Unit of the spatial axes.

    Returns
    -------
    list of dict
    """
    name = ngff_unit(unit) if unit else None
    units = {letter: {"unit": name} for letter in "zyx" if name}
    return [{"name": a, "type": _TYPES.get(a, "space"), **units.get(a, {})} for a in axes]


def transformations(
    scale: Sequence[float], translation: Sequence[float] | None = None
) -> list[dict[str, Any]]:
    """Describe how indices of pixels become coordinates."""
    changes: list[dict[str, Any]] = [{"type": "scale", "scale": list(map(float, scale))}]
    if translation is not None:
        changes.append({"type": "translation", "translation": list(map(float, translation))})
    return changes


def multiscales(
    name: str,
    axes: Sequence[dict[str, Any]],
    levels: Sequence[list[dict[str, Any]]],
    version: str,
    **more: Any,
) -> list[dict[str, Any]]:
    """Describe a pyramid whose levels are the arrays "0", "1", ...

    Parameters
    ----------
    name : str
    axes : sequence of dict
    levels : sequence of list of dict
        Transformations of each level.
    version : {"0.4", "0.5"}
    **more
        Such as the transformations of all levels, and the ``type`` of the downsampling.

    Returns
    -------
    list of one dict
    """
    datasets = [
        {"path": str(level), "coordinateTransformations": changes}
        for level, changes in enumerate(levels)
    ]
    own = {"version": version} if version == "0.4" else {}
    return [{**own, "name": name, "axes": list(axes), "datasets": datasets, **more}]


def object_properties(table: Any) -> list[dict[str, Any]]:
    """Convert a table of objects to properties of labels.

    Parameters
    ----------
    table : pandas.DataFrame
        With a column ``id``. Columns that hold no numbers, texts and bools, such as polygons, are
        left out, and so are NaN.

    Returns
    -------
    list of dict

    Raises
    ------
    ValueError
        Without a column ``id`` of different integers.
    """
    if "id" not in getattr(table, "columns", ()):
        raise ValueError(
            "properties must be a table with a column 'id', as InstanceCounter.measure returns it, "
            f"got {table!r:.200}."
        )
    ids = table["id"]
    if ids.dtype.kind not in "iu" or ids.duplicated().any():
        raise ValueError("properties must have a different integer in each row of its column 'id'.")
    names = names_with_units([*table.columns], table.attrs.get("units", {}))
    entries: list[dict[str, Any]] = [{"label-value": int(label)} for label in ids]
    for column, name in zip(table.columns, names, strict=True):
        if column != "id":
            for entry, value in zip(entries, table[column].tolist(), strict=True):
                if isinstance(value, bool | int | str) or (
                    isinstance(value, float) and np.isfinite(value)
                ):
                    entry[name] = value
    return entries
