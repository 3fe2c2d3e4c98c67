"""LabelMe JSON: polygons, rectangles, circles, points and masks of one image."""

from __future__ import annotations

import base64
import binascii
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from .documents import child, shape_of
from .objects import Drawing, filled, to_xy
from .regions import (
    UNLABELED,
    ImageRegions,
    Region,
    as_number,
    ellipse,
    leave_out,
    points_of,
    rectangle,
    vertices_of,
    where_is,
)

_LINES = ("line", "linestrip")
_DEFAULT = "object"


def parse_labelme(content: Any, file: Path) -> list[ImageRegions]:
    """Take the shapes of an image."""
    shape = shape_of(content, ("imageHeight", "imageWidth"), f"{file}")
    shapes = [(item, where_is(file, i)) for i, item in enumerate(content["shapes"], start=1)]
    labels = [child(item, "label", str, where) for item, where in shapes]
    kinds = [item.get("shape_type") or "polygon" for item, _ in shapes]
    lines = [label for label, kind in zip(labels, kinds) if kind in _LINES]
    leave_out(file, lines, "lines", is_all=len(lines) == len(shapes), stacklevel=5)
    keys = _keys(shapes, labels)
    regions = [
        _region(item, kind, label, key, f"{where} ({label!r})")
        for (item, where), kind, label, key in zip(shapes, kinds, labels, keys)
        if kind not in _LINES
    ]
    return [ImageRegions(None, shape, regions)]


def _keys(shapes, labels):
    """Shapes of one group and label are one object; numbers if no group has two labels."""
    groups = [item.get("group_id") for item, _ in shapes]
    pairs = {(group, label) for group, label in zip(groups, labels) if group is not None}
    is_unique = len(pairs) == len({group for group, _ in pairs})
    return [
        None if group is None else as_number(group) if is_unique and as_number(group)
        else (str(group), label) for group, label in zip(groups, labels)
    ]  # fmt: skip


def _region(item, kind, label, key, where):
    points = child(item, "points", list, where)
    known = {"name": label, "class_name": label, "key": key}
    if kind in ("point", "points"):
        return Region(points=points_of(points, where, offset=0.5), **known)
    if kind == "polygon":
        return Region(rings=(vertices_of(points, where),), **known)
    if kind == "mask":
        return Region(mask=_mask(item, points, where), **known)
    if kind not in ("rectangle", "circle") or (kind == "circle" and len(points) != 2):
        raise ValueError(
            f"{where} must be a polygon, rectangle, circle, mask or point, got {kind}."
        )
    if len(points) != 2:  # of newer versions: all corners
        return Region(rings=(vertices_of(points, where),), **known)
    (y0, x0), (y1, x1) = vertices_of(points, where, least=1)[[0, -1]]
    if kind == "rectangle":
        return Region(rings=(rectangle(x0, y0, x1, y1, where),), **known)
    radius = math.hypot(y1 - y0, x1 - x0)
    return Region(rings=(ellipse((x0, y0), (radius, radius), where),), **known)


def _mask(item, points, where):
    """A mask, and the pixel of its first corner."""
    from PIL import Image

    corner = vertices_of(points, where, least=1)[0]
    try:
        content = base64.b64decode(child(item, "mask", str, where), validate=True)
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            pixels = np.asarray(image)
    except (binascii.Error, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{where} must have a mask, a PNG in base64.") from error
    if pixels.ndim != 2:
        raise ValueError(f"{where} must have a mask of one channel, got {pixels.shape}.")
    return int(corner[0]), int(corner[1]), pixels > 0


def write_labelme(path: Path, drawing: Drawing) -> None:
    """Write the shapes of an image; an object with holes is a mask, others are polygons.

    Parameters
    ----------
    path : Path
    drawing : Drawing
        Two-dimensional.
    """
    height, width = drawing.shape
    shapes = []
    for shape in drawing.shapes():
        label = UNLABELED if shape.number is None else shape.class_name or _DEFAULT
        for polygon in shape.polygons:
            kind = _mask_of(polygon) if len(polygon) > 1 else _polygon_of(polygon[0])
            shapes.append(_shape(label, shape.number, **kind))
    for y, x in [] if drawing.points is None else drawing.points.tolist():
        kind = {"shape_type": "point", "points": [[x + 0.5, y + 0.5]]}
        shapes.append(_shape(drawing.class_name or _DEFAULT, None, **kind))
    content: dict[str, Any] = {
        "version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": drawing.name,
        "imageData": None, "imageHeight": height, "imageWidth": width,
    }  # fmt: skip
    path.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")


def _shape(label, number, **kind):
    return {"label": label, "group_id": number, "description": "", "flags": {}, **kind}


def _polygon_of(ring):
    return {"shape_type": "polygon", "points": to_xy(ring), "mask": None}


def _mask_of(rings):
    from PIL import Image

    top, left, pixels = filled(rings)
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, format="PNG")
    bottom, right = top + pixels.shape[0] - 1, left + pixels.shape[1] - 1
    return {"shape_type": "mask", "points": [[left, top], [right, bottom]],
            "mask": base64.b64encode(png.getvalue()).decode()}  # fmt: skip
