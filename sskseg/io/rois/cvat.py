"""CVAT for images 1.1: XML with the shapes of several images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from .documents import check_size
from .objects import Drawing, filled, to_xy
from .regions import (
    UNLABELED,
    ImageRegions,
    Region,
    as_number,
    ellipse,
    leave_out,
    points_of,
    vertices_of,
    where_is,
)
from .rle import decode_runs, encode_runs

_SHAPES = ("polygon", "box", "ellipse", "mask", "points")
_LINES = ("polyline", "skeleton", "cuboid")
_DEFAULT = "object"


def parse_cvat(root: ElementTree.Element, file: Path) -> list[ImageRegions]:
    """Take the shapes of all images of a file, those of a low ``z_order`` first."""
    if root.tag != "annotations" or root.find("track") is not None:
        raise ValueError(
            f"{file} must be of CVAT for images 1.1: <annotations> with <image>, got <{root.tag}>"
            f"{' with <track>, of a video' if root.find('track') is not None else ''}."
        )
    return [_image(item, file) for item in root.iter("image")]


def _image(item, file):
    where = f"{file}, image {item.get('name')!r}"
    if not item.get("name"):
        raise ValueError(f"{where} must have a name.")
    height, width = (int(_number(item, key, where)) for key in ("height", "width"))
    shape = check_size(height, width, where)
    others = [part.get("label") for part in item if part.tag in _LINES]
    is_all = not any(part.tag in _SHAPES for part in item)
    leave_out(where, others, "lines, skeletons or cuboids", is_all=is_all, stacklevel=6)
    parts = [(i, part) for i, part in enumerate(item, start=1) if part.tag in _SHAPES]
    parts.sort(key=lambda pair: _number(pair[1], "z_order", where, 0))
    name = item.get("name")
    return ImageRegions(name, shape, [_region(part, i, file, name, shape) for i, part in parts])


def _number(item, key, where, default=None):
    try:
        number = float(item.get(key, default))
        if math.isfinite(number):
            return number
    except (TypeError, ValueError):
        pass
    raise ValueError(f"{where} must have {key!r}, a number, got {item.get(key)!r}.")


def _region(part, i, file, image, shape):
    label = part.get("label") or f"shape {i}"
    where = where_is(file, f"{image}, {part.tag} {i}, {label}")
    own = {each.get("name"): each.text for each in part.iter("attribute")}
    known: dict[str, Any] = {
        "name": f"{part.tag} {i} ({label})" if label != UNLABELED else label,
        "class_name": label,
        "key": as_number(part.get("group_id")) or as_number(own.get("object")),
    }
    if part.tag == "points":
        return Region(points=points_of(_pairs(part, where), where, offset=0.5), **known)
    if part.tag == "polygon":
        return Region(rings=(vertices_of(_pairs(part, where), where),), **known)
    if part.tag == "mask":
        return Region(mask=_mask(part, where, shape), **known)
    return Region(rings=(_round_or_box(part, where),), **known)


def _pairs(part, where):
    """Vertices of the text "x,y;x,y"."""
    try:
        return [[float(n) for n in pair.split(",")] for pair in part.get("points", "").split(";")]
    except ValueError as error:
        raise ValueError(f"{where} must have points as x,y;x,y: {error}.") from error


def _round_or_box(part, where):
    turn = math.radians(_number(part, "rotation", where, 0))
    if part.tag == "ellipse":
        cx, cy, rx, ry = (_number(part, key, where) for key in ("cx", "cy", "rx", "ry"))
        return ellipse((cx, cy), (rx, ry), where, angle=turn)
    x0, y0, x1, y1 = (_number(part, key, where) for key in ("xtl", "ytl", "xbr", "ybr"))
    cx, cy, cosine, sine = (x0 + x1) / 2, (y0 + y1) / 2, math.cos(turn), math.sin(turn)
    if x0 == x1 or y0 == y1:
        raise ValueError(f"{where} is empty: its sides are {abs(x1 - x0):g} and {abs(y1 - y0):g}.")
    corners = [(x - cx, y - cy) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]
    return vertices_of(
        [(cx + x * cosine - y * sine, cy + x * sine + y * cosine) for x, y in corners]
        if turn else [(cx + x, cy + y) for x, y in corners], where,
    )  # fmt: skip


def _mask(part, where, shape):
    """Pixels of a box in the image."""
    top, left, height, width = (
        int(_number(part, key, where)) for key in ("top", "left", "height", "width")
    )
    if min(height, width) < 1 or height > shape[0] or width > shape[1]:
        raise ValueError(
            f"{where} must have a mask no larger than its image, {shape}, got {height} x {width}."
        )
    try:
        counts = [int(n) for n in part.get("rle", "").split(",")]
    except ValueError as error:
        raise ValueError(f"{where} must have lengths of runs as rle: {error}.") from error
    row, column, pixels = decode_runs(counts, (height, width), "C", where)
    return top + row, left + column, pixels


def write_cvat(path: Path, drawings: Sequence[Drawing]) -> None:
    """Write the shapes of several images; an object in several pieces or with holes is a mask.

    Parameters
    ----------
    path : Path
    drawings : sequence of Drawing
        Two-dimensional.
    """
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    for i, drawing in enumerate(drawings):
        height, width = drawing.shape
        image = ElementTree.SubElement(
            root, "image", id=str(i), name=drawing.name, width=str(width), height=str(height)
        )
        for shape in drawing.shapes():
            _add(image, shape)
        for x, y in [] if drawing.points is None else to_xy(drawing.points, 0.5):
            _element(image, "points", drawing.class_name or _DEFAULT, points=f"{x!r},{y!r}")
    path.write_bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _add(image, shape):
    label = UNLABELED if shape.number is None else shape.class_name or _DEFAULT
    if len(shape.polygons) == 1 and not shape.has_holes:
        text = ";".join(f"{x},{y}" for x, y in to_xy(shape.polygons[0][0]))
        element = _element(image, "polygon", label, points=text)
    else:
        top, left, pixels = filled([ring for polygon in shape.polygons for ring in polygon])
        height, width = pixels.shape
        counts = encode_runs((0, 0, pixels), pixels.shape, "C")
        element = _element(
            image, "mask", label, rle=", ".join(map(str, counts)),
            left=str(left), top=str(top), width=str(width), height=str(height),
        )  # fmt: skip
    if shape.number is not None:
        ElementTree.SubElement(element, "attribute", name="object").text = str(shape.number)


def _element(image, tag, label, **attributes):
    fixed = {"label": label, "source": "file", "occluded": "0", "z_order": "0"}
    return ElementTree.SubElement(image, tag, {**fixed, **attributes})
