"""Write and read tables of objects, with the units of their columns."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..morphology.columns import PIXEL
from .atomic import atomic_path
from .tables import iterate_table, read_table
from .units import ngff_unit, per_millimeter

if TYPE_CHECKING:
    import pandas as pd

_SUFFIXES = (".csv", ".parquet")
_IMAGES = ("sample", "image")  # columns that say of which image an object is
_TEXT = ("image", "name")  # columns of names
_WITH_UNIT = re.compile(r"(.+) \[([^\[\]]+)\]")
_WITH_UNIT_IN_ROIS = re.compile(r"(.+?) ?\[([^\[\]]+)\]")  # spaces end the names of ImageJ


def write_object_table(path: str | os.PathLike[str], table: pd.DataFrame) -> None:
    """Write a table of objects to CSV or Parquet, with the units of its columns.

    Parameters
    ----------
    path : str or path-like
        Its suffix is .csv or .parquet. The file appears when it is complete.
    table : pandas.DataFrame
        Table, as `sskseg.morphology.measure_objects` or `InstanceCounter.measure` returns it. Units
        come from ``table.attrs["units"]``. In CSV they are part of the first line, such as ``area
        [micrometer^2]``. In Parquet they are attributes, which `pandas.read_parquet` reads.

    Raises
    ------
    ValueError
        For another suffix, or a name that would be read as one with a unit.
    ImportError
        For Parquet without pyarrow, which the extra "scans" installs.

    See Also
    --------
    read_object_table : Reads it.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from sskseg.io import read_object_table, write_object_table
    >>> from sskseg.morphology import measure_objects
    >>> labels = np.array([[0, 1, 1], [0, 1, 1]])
    >>> table = measure_objects(labels, spacing=(0.5, 0.5), unit="micrometer", columns=["area"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "objects.csv")
    ...     write_object_table(path, table)
    ...     print(path.read_text(), end="")
    ...     read_object_table(path).attrs
    id,area [micrometer^2]
    1,1.0
    {'units': {'area': 'micrometer^2'}}
    """
    suffix = _check_suffix(path)
    units = table.attrs.get("units", {})
    names = names_with_units([*table.columns], units)
    with atomic_path(path) as part:
        if suffix == ".csv":
            table.to_csv(part, index=False, header=names)
        else:
            table.to_parquet(part, index=False, engine=_pyarrow())


def read_object_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a table of objects from CSV or Parquet.

    Parameters
    ----------
    path : str or path-like
        A file of `write_object_table`, or ``objects.csv`` or ``objects.parquet`` of
        `sskseg.scans.count_scan`.

    Returns
    -------
    pandas.DataFrame
        Columns without units in their names; ``attrs["units"]`` maps them to units if the file has
        any.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        For another suffix, a file that is no such table, or two columns that differ in their units
        only.
    ImportError
        For Parquet without pyarrow.

    See Also
    --------
    write_object_table : Writes it.
    """
    import pandas as pd

    suffix = _check_suffix(path)
    if not Path(path).is_file():
        raise FileNotFoundError(f"No table of objects at {path}.")
    if suffix == ".parquet":
        try:
            return pd.read_parquet(path, engine=_pyarrow())
        except (ValueError, OSError) as error:
            raise ValueError(f"{path} cannot be read as a table of objects: {error}.") from error
    return _separate_units(path, read_table(Path(path), _TEXT).reset_index(drop=True))


def _separate_units(path, table):
    """Move the units of a table from the names of its columns to its attributes."""
    matches = {name: _WITH_UNIT.fullmatch(name) for name in table.columns}
    table.columns = [match[1] if match else name for name, match in matches.items()]
    twice = sorted({*table.columns[table.columns.duplicated()]})
    if twice:
        raise ValueError(f"{path} has several columns {twice}, with different units.")
    units = {match[1]: match[2] for match in matches.values() if match}
    if units:
        table.attrs["units"] = units
    return table


def iterate_object_table(
    path: str | os.PathLike[str], columns: Sequence[str], chunk_size: int = 100_000
) -> Iterator[pd.DataFrame]:
    """Read columns of a table of objects part by part, for tables larger than memory.

    Parameters
    ----------
    path : str or path-like
        As in `read_object_table`.
    columns : sequence of str
        Names without units.
    chunk_size : int, default=100_000
        Objects of a part, at most.

    Yields
    ------
    pandas.DataFrame
        One at least, with its units. A column that names images ("sample" or "image") is read, too.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        For another suffix, a file that is no such table, or one that lacks a column.
    ImportError
        For Parquet without pyarrow.
    """
    import pandas as pd

    suffix = _check_suffix(path)
    if not Path(path).is_file():
        raise FileNotFoundError(f"No table of objects at {path}.")
    if suffix == ".parquet":
        _pyarrow()
        from pyarrow import parquet

        with parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            _check_columns(path, columns, schema.names)
            columns = _with_images(columns, schema.names)
            attributes = json.loads((schema.metadata or {}).get(b"PANDAS_ATTRS", b"{}"))
            if not file.metadata.num_rows:
                yield pd.DataFrame(columns=list(columns), dtype=float)
            for batch in file.iter_batches(chunk_size, columns=list(columns)):
                part = batch.to_pandas()
                part.attrs = attributes
                yield part
        return
    for part in iterate_table(Path(path), _TEXT, chunk_size):
        table = _separate_units(path, part)
        _check_columns(path, columns, table)
        yield table[_with_images(columns, table.columns)]


def _with_images(columns, found):
    """Add the columns of a table that name images."""
    return [*dict.fromkeys([*columns, *(name for name in _IMAGES if name in found)])]


def check_one_image(table: pd.DataFrame, name: str = "objects") -> None:
    """Refuse objects of several images, whose centroids would be taken for those of one.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `InstanceCounter.measure` (column "sample") or ``sskseg count`` (column "image").
    name : str, default="objects"
    """
    for column in _IMAGES:
        n = table[column].nunique() if column in table.columns else 0
        if n > 1:
            raise ValueError(
                f"{name} has {n} {column}s, each with pixels of its own: count them one by one, "
                f"table[table[{column!r}] == {table[column].iloc[0]!r}]. If they lie in one image, "
                f"drop the column {column!r}."
            )


def check_centroid_unit(
    table: pd.DataFrame,
    spacing: Sequence[float] | None,
    unit: str | None = None,
    name: str = "objects",
) -> None:
    """Compare the unit that a table says its centroids have with a spacing and its unit.

    Parameters
    ----------
    table : pandas.DataFrame
        With ``attrs["units"]``; one without is not checked.
    spacing : sequence of float, or None
    unit : str, default=None
    name : str, default="objects"
    """
    own = table.attrs.get("units", {}).get("centroid_x")
    if own == PIXEL:
        if spacing is not None and (unit is not None or {*spacing} != {1}):
            raise ValueError(
                f"{name} has centroids in pixels, got spacing={spacing!r}, unit={unit!r}: measure "
                "the objects with this spacing, or omit it."
            )
    elif own is not None and spacing is None:
        raise ValueError(
            f"{name} has centroids in {own}: give spacing, the size of a pixel in that unit."
        )
    elif own is not None and unit is not None and per_millimeter(own) != per_millimeter(unit):
        raise ValueError(f"{name} has centroids in {own}, got unit={unit!r}.")


def _check_columns(path, columns, found):
    lacking = [name for name in columns if name not in found]
    if lacking:
        raise ValueError(f"{path} must have columns {list(columns)}, lacks {lacking}.")


def names_with_units(columns: Sequence[str], units: Mapping[str, str]) -> list[str]:
    """Append units to names of columns, ``area [micrometer^2]``.

    Parameters
    ----------
    columns : sequence of str
    units : dict of str to str
        Of some of the columns; those of columns that were removed are left out.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        For names or units with brackets, which could not be separated again.
    """
    names = [f"{name} [{units[name]}]" if name in units else name for name in columns]
    for name, written in zip(columns, names, strict=True):
        match = _WITH_UNIT.fullmatch(str(written))
        if (match and match.groups()) != ((name, units[name]) if name in units else None):
            raise ValueError(
                f"The name {written!r} of a column would be read as another name with a unit: "
                "rename it without brackets."
            )
    return names


def split_unit(name: str) -> tuple[str, str | None]:
    """Split the name of a measurement in a file of regions, ``area [micrometer^2]``.

    Parameters
    ----------
    name : str
        With a space before the unit or without.

    Returns
    -------
    name : str
    unit : str or None
        None if there is none that this library writes: other programs may have brackets in names.

    Examples
    --------
    >>> from sskseg.io.object_tables import split_unit
    >>> split_unit("area [micrometer^2]"), split_unit("DAB [mean]")
    (('area', 'micrometer^2'), ('DAB [mean]', None))
    """
    match = _WITH_UNIT_IN_ROIS.fullmatch(name)
    base = match[2].partition("^")[0] if match else ""
    is_unit = base in (PIXEL, "radian") or (base != "" and ngff_unit(base) == base)
    return (match[1], match[2]) if match and is_unit else (name, None)


def _check_suffix(path: str | os.PathLike[str]) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in _SUFFIXES:
        raise ValueError(
            f"{path} must have a suffix of {' or '.join(_SUFFIXES)}, as tables of objects do, got "
            f"{suffix!r}."
        )
    return suffix


def _pyarrow() -> Any:
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "Parquet needs pyarrow, which is not installed: pip install sskseg[scans]"
        ) from error
    return "pyarrow"
