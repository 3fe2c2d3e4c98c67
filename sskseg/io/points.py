"""Read points from tables."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..images.points import points_from_table
from .folders import SUFFIXES, natural_key, stem

_TABLES = (".csv", ".tsv", ".txt")
_NAMES = ("image", "label", "file", "filename", "sample")  # columns that say which image


def read_points(
    path: str | os.PathLike[str],
    names: Sequence[str] | None = None,
    *,
    spatial_ndim: int = 2,
    origin: str = "center",
) -> tuple[list[str], list[np.ndarray | None]]:
    """Read points, such as clicks on objects, from tables of Fiji, napari or QuPath.

    Coordinates are found by the names of columns: x, y and z (in any case; ``axis-0``, ``axis-1``
    ... of napari), not by their order.

    Parameters
    ----------
    path : str or path-like
        CSV or TSV file, or a folder of them. A column "image", "label", "file" or "sample" names
        the image that a point belongs to; without it, a file is that of one image.
    names : sequence of str, default=None
        Names of images, as `read_images` returns them, to order the points by.
    spatial_ndim : {2, 3}, default=2
        With 3, a column z is needed.
    origin : {"center", "corner"}, default="center"
        What (0, 0) is in the file: the center of the first pixel (napari, scikit-image, this
        library) or its corner (Fiji with subpixel resolution, QuPath). Half a pixel is subtracted
        from the latter.

    Returns
    -------
    names : list of str
        As given, or those in the file.
    points : list of ndarray of shape (k, spatial_ndim), float64, or None
        (y, x) or (z, y, x) in pixels, None of an image without a file. An image without a row in a
        table of several images has no objects.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or no table in the folder.
    ValueError
        If a column is missing or no number, or a table names an unknown image.
    """
    if origin not in ("center", "corner"):
        raise ValueError(f"origin must be 'center' or 'corner', got {origin!r}.")
    found: dict[str, np.ndarray] = {}
    several = False
    for file in _tables(Path(path)):
        tables, by_column = _split(_read(file), file)
        several = several or by_column
        for name, table in tables.items():
            points = points_from_table(table, spatial_ndim, f"{file}")
            found[name] = points - 0.5 if origin == "corner" else points
    if names is None:
        return list(found), list(found.values())
    names = list(names)
    if len(found) == 1 and len(names) == 1 and not several:
        return names, list(found.values())
    unknown = sorted(found.keys() - set(names))
    if unknown:
        raise ValueError(f"{path} has points of {unknown[0]!r}, which is none of {names[:5]}.")
    absent = np.empty((0, spatial_ndim)) if several else None
    return names, [found.get(name, absent) for name in names]


def _tables(path):
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FileNotFoundError(f"No table of points at {path}.")
    files = [
        f for f in path.iterdir() if f.suffix.lower() in _TABLES and not f.name.startswith(".")
    ]
    if not files:
        raise FileNotFoundError(f"No tables ({', '.join(_TABLES)}) in {path}.")
    return sorted(files, key=natural_key)


def _read(file):
    import pandas as pd

    try:
        return pd.read_csv(file, sep=None, engine="python", encoding="utf-8-sig")
    except (ValueError, UnicodeError) as error:
        raise ValueError(f"{file} cannot be read as a table: {error}.") from error


def _split(table, file):
    """Tables of each image, and whether a column names the images."""
    column = next((c for c in table.columns if str(c).strip().lower() in _NAMES), None)
    if column is None:
        return {file.stem: table}, False
    groups = table.groupby(table[column].astype(str).map(_without_suffix), sort=False)
    return dict(iter(groups)), True


def _without_suffix(name):
    path = Path(name)
    return stem(path) if path.suffix.lower() in SUFFIXES else name
