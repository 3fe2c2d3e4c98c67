"""Read points from tables."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..images.points import points_from_table
from ..images.spacing import check_spacing
from .folders import SUFFIXES, composed, files_of, stem
from .rois.adapters import holds_points, read_region_points
from .rois.regions import listed, warn_of_kinds
from .tables import read_table

_TABLES = (".csv", ".tsv", ".txt")
_NAMES = ("image", "label", "file", "filename", "sample")  # columns that say which image
_CLASSES = ("class", "classification", "type")  # of Fiji's Cell Counter
_ROI_NAME = re.compile(
    r":\d{4,}-\d{4,}$"
)  # of the ROI Manager of ImageJ, after the name of the image


def read_points(
    path: str | os.PathLike[str],
    names: Sequence[str] | None = None,
    *,
    spatial_ndim: int = 2,
    origin: str = "center",
    spacing: Sequence[float] | None = None,
) -> tuple[list[str], list[np.ndarray | None]]:
    """Read points, such as clicks on objects, from files of Fiji, napari or QuPath.

    Columns are recognized by their names, in any order: x, y and z in upper or lower case, or
    ``axis-0``, ``axis-1`` and so on of napari. A column "slice" of Fiji is z, and counts from 1.
    Points in files of regions (ROIs of Fiji, GeoJSON and others, see `read_rois`) are in pixels,
    with the origin of the format.

    Parameters
    ----------
    path : str or path-like
        A CSV or TSV file, or a folder of them. Or a file of regions (.roi, .zip, .geojson, .json,
        .xml, TIFF with an overlay of Fiji), or a folder of them without tables. A column "image",
        "label", "file" or "sample" names the image of each point. Without such a column, a file
        belongs to one image.
    names : sequence of str, default=None
        Names of images, as `read_images` returns them. The points are returned in this order.
    spatial_ndim : {2, 3}, default=2
        Number of coordinates of a point. 3 needs a column z or slice.
    origin : {"center", "corner"}, default="center"
        Position of (0, 0) in the file: the center of the first pixel (napari, scikit-image, this
        library, ImageJ 1.53t), or its corner (QuPath, fractional points of old versions of ImageJ).
        With "corner", half a pixel is subtracted along y and x, and along z unless it is a slice.
    spacing : sequence of float, default=None
        Size of a pixel along (y, x) or (z, y, x). Coordinates are divided by it, but slices are
        not. None: coordinates are in pixels. Fiji writes coordinates in the unit of the image if it
        has a scale.

    Returns
    -------
    names : list of str
        Names as given, or those in the file.
    points : list of ndarray of shape (k, spatial_ndim), float64, or None
        (y, x) or (z, y, x) in pixels. None is an unlabeled image, without a file, or without a row
        in a table of several images. An array without rows is an image without objects: its file
        has only a header.

    Raises
    ------
    FileNotFoundError
        If the file does not exist, or the folder has no table.
    ValueError
        If a column is missing, a coordinate is not a finite number (the message has the row), the
        points of an image lie in several planes or frames, a table has shapes, names an unknown
        image or no image, or two files have points of the same image. The message names the file.
    """
    if origin not in ("center", "corner"):
        raise ValueError(f"origin must be 'center' or 'corner', got {origin!r}.")
    check_spacing(spacing, spatial_ndim)
    if _holds_regions(Path(path)):
        if origin != "center" or spacing is not None:
            raise ValueError(f"origin and spacing are of tables, and {path} holds regions.")
        return read_region_points(Path(path), names, spatial_ndim)
    found: dict[str, np.ndarray] = {}
    sources: dict[str, Path] = {}
    several = False
    for file in _tables(Path(path)):
        tables, by_column = _split(read_table(file, _NAMES), file)
        several = several or by_column
        for name, table in tables.items():
            _check_once(name, file, sources)
            points = points_from_table(table, spatial_ndim, f"{file}", spacing)
            warn_of_kinds(_kinds(table), file, 2)
            found[name] = points - _corner(table, spatial_ndim) * (origin == "corner")
    if names is None:
        return list(found), list(found.values())
    names = [*map(composed, names)]
    if len(found) == 1 and len(names) == 1 and not several:
        return names, list(found.values())
    unknown = sorted(found.keys() - set(names))
    if unknown:
        raise ValueError(
            f"{sources[unknown[0]]} has points of {unknown[0]!r}, which pairs with no image of "
            f"{listed(names)}."
        )
    return names, [found.get(name) for name in names]


def _holds_regions(path):
    return holds_points(path, path.is_dir() and bool(files_of(path, _TABLES)))


def _kinds(table):
    """Values of a column of classes."""
    column = next((c for c in table.columns if str(c).strip().lower() in _CLASSES), None)
    return [] if column is None else table[column].dropna().astype(str).unique()


def _corner(table, spatial_ndim):
    """Half a pixel along each axis, none along slices."""
    has_slices = "slice" in (str(column).strip().lower() for column in table.columns)
    return np.array([0 if has_slices else 0.5, 0.5, 0.5][-spatial_ndim:])


def _check_once(name, file, sources):
    other = sources.setdefault(name, file)
    if other is not file:
        raise ValueError(f"{other} and {file} have points of {name!r}: expected one of them.")


def _tables(path):
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FileNotFoundError(f"No table of points at {path}.")
    files = files_of(path, _TABLES)
    if not files:
        raise FileNotFoundError(f"No tables ({', '.join(_TABLES)}) in {path}.")
    return files


def _split(table, file):
    """Tables of each image, and whether a column names the images."""
    column = next((c for c in table.columns if str(c).strip().lower() in _NAMES), None)
    if column is None:
        return {stem(file): table}, False
    if not len(table):
        raise ValueError(
            f"{file} has the column {str(column)!r} but no row, so that it names no image. To say "
            "that an image has no object, give it a file of its own, with a header only."
        )
    missing = table.index[table[column].isna()]
    if len(missing):
        raise ValueError(f"{file} names no image in row {missing[0]}, column {str(column)!r}.")
    given = table[column].astype(str).str.replace(_ROI_NAME, "", regex=True)
    images = given.map(_without_suffix)
    for name, same in given.groupby(images):
        if same.nunique() > 1:
            raise ValueError(
                f"{file} has points of {sorted(same.unique())}, which are one image by their "
                f"name, {name!r}: remove or rename one of them."
            )
    return dict(iter(table.groupby(images, sort=False))), True


def _without_suffix(name):
    path = Path(name)
    return stem(path) if path.suffix.lower() in SUFFIXES else composed(name)
