"""Layers of napari that are saved as CSV: shapes and points."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from ...images.points import points_from_table
from ..tables import read_table
from .objects import Drawing
from .regions import ImageRegions, Region, as_number, ellipse, leave_out, vertices_of, where_is

_SHAPES = ("polygon", "rectangle", "ellipse")
_HEADER = ["index", "shape-type", "vertex-index"]
# Number of the object that a shape is a piece of: napari reads other columns by their names, does
# not mind this one, and loses it where it saves the layer.
_OBJECT = "object"


def read_napari(file: Path, spatial_ndim: int) -> list[ImageRegions]:
    """Read a layer of shapes or of points; (0, 0) is the center of the first pixel there."""
    table = read_table(file)
    table.columns = [str(column).strip().lower() for column in table.columns]
    if "shape-type" not in table.columns:
        points = points_from_table(table, spatial_ndim, f"{file}")
        planes = np.rint(points[:, 0]).astype(int) if spatial_ndim == 3 else None
        region = Region(name=file.stem, points=points[:, -2:], plane=planes)
        return [ImageRegions(None, None, [region])]
    axes = sorted(column for column in table.columns if column.startswith("axis-"))
    if "index" not in table.columns or len(axes) < 2:
        raise ValueError(
            f"{file} must have the columns index, shape-type, axis-0 and axis-1 of shapes of "
            f"napari, got {list(table.columns)}."
        )
    regions, lines = [], []
    for number, vertices in table.groupby("index", sort=False):
        kind = str(vertices["shape-type"].iloc[0])
        name = f"{kind} {number}"
        if kind not in _SHAPES:
            lines.append(name)
            continue
        own = vertices[_OBJECT].tolist()[0] if _OBJECT in vertices else None
        regions.append(_region(vertices[axes], kind, name, as_number(own), where_is(file, name)))
    leave_out(file, lines, "lines", is_all=not regions, stacklevel=4)
    return [ImageRegions(None, None, regions)]


def _region(vertices, kind, name, key, where):
    try:
        coordinates = vertices.to_numpy(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where} must have numbers as coordinates: {error}.") from error
    planes = coordinates[:, :-2]
    if len(planes) and (planes != planes[:1]).any():
        raise ValueError(f"{where} must lie in one section, got vertices in several.")
    if planes.shape[1] > 1 and planes[:, :-1].any():
        raise ValueError(f"{where} must lie in the first frame: of axes before z, only 0 is read.")
    ring = vertices_of(coordinates[:, :-3:-1] + 0.5, where)
    if kind == "ellipse":
        ring = _ellipse_in(ring, where)
    plane = int(np.rint(planes[0, -1])) if planes.shape[1] else None
    return Region(name=name, rings=(ring,), plane=plane, key=key)


def _ellipse_in(corners, where):
    """Ellipse in a rectangle that may be turned."""
    if len(corners) != 4:
        raise ValueError(f"{where} must have the four corners around it, got {len(corners)}.")
    sides = (corners[1] - corners[0])[::-1], (corners[2] - corners[1])[::-1]
    axes = [float(np.hypot(*side)) / 2 for side in sides]
    angle = float(np.arctan2(sides[0][1], sides[0][0]))
    return ellipse(corners.mean(axis=0)[::-1], axes, where, angle=angle)


def write_napari(path: Path, drawing: Drawing) -> None:
    """Write a layer of shapes, or of points if there are points only.

    Each piece of an object is a polygon. The column "object" has the number of the object, so that
    its pieces are one when the file is read here.

    Parameters
    ----------
    path : Path
    drawing : Drawing

    Raises
    ------
    ValueError
        If there are both, or an object has holes, or pixels are unlabeled: shapes of napari hold
        none of these.
    """
    if drawing.labels is not None and drawing.points is not None:
        raise ValueError("A layer of napari holds shapes or points, got labels and points.")
    with path.open("w", encoding="utf-8", newline="") as file:
        write = csv.writer(file).writerow
        if drawing.points is not None:
            axes = [f"axis-{i}" for i in range(drawing.points.shape[1])]
            write(["index", *axes])
            for i, point in enumerate(drawing.points.tolist()):
                write([i, *point])
            return
        write([*_HEADER, *(f"axis-{i}" for i in range(len(drawing.shape))), _OBJECT])
        pieces = ((shape, ring) for shape in drawing.shapes() for ring in _rings(shape))
        for i, (shape, ring) in enumerate(pieces):
            plane = [shape.plane] if shape.has_plane else []
            for j, (y, x) in enumerate((ring - 0.5).tolist()):
                write([i, "polygon", j, *plane, y, x, shape.number])


def _rings(shape):
    """Outlines of the pieces of an object."""
    if shape.number is None or shape.has_holes:
        what = "unlabeled pixels" if shape.number is None else f"holes of object {shape.number}"
        raise ValueError(
            f"Shapes of napari hold neither holes nor unlabeled pixels, got {what}. Label images, "
            "which napari opens, too, and the formats imagej, geojson and coco hold them."
        )
    return [ring for (ring,) in shape.polygons]
