"""Objects of QuPath: GeoJSON with classifications and measurements."""

from __future__ import annotations

import json
import uuid
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .documents import child, is_feature
from .objects import Drawing, Shape, to_xy
from .regions import (
    ImageRegions,
    Region,
    as_measurement,
    as_number,
    leave_out,
    listed,
    points_of,
    vertices_of,
    where_is,
)

_CONTAINERS = ("annotation", "tma_core", "root")  # they hold detections, or are objects themselves
_IGNORED = {"name": "Ignore*", "color": [180, 180, 180]}


def parse_geojson(content: Any, file: Path) -> list[ImageRegions]:
    """Take the objects of a collection of features, of a list of them, or of one."""
    if isinstance(content, dict) and content.get("type") == "FeatureCollection":
        content = child(content, "features", list, f"{file}")
    features = content if isinstance(content, list) else [content]
    found = [_regions(feature, i, file) for i, feature in enumerate(features, start=1)]
    others = [name for name, _, regions in found if not regions]
    leave_out(file, others, "lines", is_all=len(others) == len(found), stacklevel=5)
    return [ImageRegions(None, None, _objects(found, file))]


def _objects(found, file):
    """Without annotations around detections, which are no objects then."""
    kinds = {kind for _, kind, _ in found}
    if not kinds - {*_CONTAINERS, ""}:
        return [region for _, kind, regions in found for region in regions]
    around = [
        name for name, kind, regions in found
        if kind in _CONTAINERS and any(r.rings and not r.is_unlabeled for r in regions)
    ]  # fmt: skip
    if around:
        _warn(
            f"{file} holds detections or cells: the annotations {listed(around)} are left out, "
            "since detections are the objects in them."
        )
    return [
        region for _, kind, regions in found for region in regions
        if kind not in _CONTAINERS or region.points is not None or region.is_unlabeled
    ]  # fmt: skip


def _warn(text):
    warnings.warn(text, UserWarning, stacklevel=6)


def _regions(feature, i, file):
    """Name and type of an object, and its regions."""
    if not is_feature(feature):
        raise ValueError(
            f"{where_is(file, i)} must be a feature of GeoJSON, got {str(feature)[:80]}."
        )
    properties = feature.get("properties") or {}
    where = where_is(file, i)
    if not isinstance(properties, dict):
        raise ValueError(f"{where} must have 'properties', an object.")
    name = str(properties.get("name") or f"feature {i}")
    where = where_is(file, name)
    geometry = child(feature, "geometry", dict, where)
    plane = _plane(geometry, where)
    metadata = properties.get("metadata")
    known = {
        "name": name,
        "plane": plane,
        "key": as_number(metadata.get("object")) if isinstance(metadata, dict) else None,
        "class_name": _class_name(properties.get("classification")),
        "measurements": _measurements(properties.get("measurements")),
    }
    if geometry.get("type") == "GeometryCollection":
        known["key"] = known["key"] or f"feature {i}"  # its parts are one object
    kind = str(properties.get("objectType") or properties.get("object_type") or "").lower()
    return name, kind, list(_shapes(geometry, known, where))


def _plane(geometry, where):
    plane = geometry.get("plane")
    if not isinstance(plane, dict):
        return None
    z, t = plane.get("z", 0), plane.get("t", 0)
    if not (isinstance(z, int) and isinstance(t, int)) or min(z, t) < 0 or (z and t):
        raise ValueError(f"{where} must have a plane z or t, from 0, got {plane}.")
    return z or t


def _class_name(value):
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        return None
    names = value.get("names")
    text = value.get("name") or (": ".join(map(str, names)) if isinstance(names, list) else "")
    return str(text) or None


def _measurements(value):
    if isinstance(value, list):  # of QuPath before 0.4
        pairs = [(v.get("name"), v.get("value")) for v in value if isinstance(v, dict)]
    else:
        pairs = list(value.items()) if isinstance(value, dict) else []
    numbers = {str(name): as_measurement(number) for name, number in pairs}
    return {name: number for name, number in numbers.items() if number is not None}


def _shapes(geometry, known, where) -> Iterator[Region]:
    """Regions of a geometry; none of lines."""
    kind = geometry.get("type")
    if kind in ("LineString", "MultiLineString"):
        return
    if kind == "GeometryCollection":
        for part in child(geometry, "geometries", list, where):
            yield from _shapes(part if isinstance(part, dict) else {}, known, where)
        return
    coordinates = child(geometry, "coordinates", list, where)
    if kind in ("Point", "MultiPoint"):
        points = [coordinates] if kind == "Point" else coordinates
        if points:
            yield Region(points=points_of(points, where, offset=0.5), **known)
    elif kind in ("Polygon", "MultiPolygon"):
        polygons = [coordinates] if kind == "Polygon" else coordinates
        if not all(isinstance(polygon, list) for polygon in polygons):
            raise ValueError(f"{where} must have lists of rings as coordinates.")
        rings = tuple(vertices_of(ring, where) for polygon in polygons for ring in polygon)
        if not rings:
            raise ValueError(f"{where} is empty: it has no vertices.")
        yield Region(rings=rings, **known)
    else:
        raise ValueError(
            f"{where} must have a Polygon, MultiPolygon, Point or MultiPoint as geometry, got "
            f"{str(kind)[:40]!r}."
        )


def write_geojson(path: Path, drawing: Drawing) -> None:
    """Write a collection of features: objects as detections, points as an annotation.

    Parameters
    ----------
    path : Path
    drawing : Drawing
    """
    with path.open("w", encoding="utf-8") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        separator = "\n"
        for feature in _features(drawing):
            file.write(separator + json.dumps(feature, allow_nan=False))
            separator = ",\n"
        file.write("\n]}\n")


def _features(drawing):
    for shape in drawing.shapes():
        yield _feature(_geometry(shape), _properties(shape), shape.plane)
    points = drawing.points
    if points is None or not len(points):
        return
    planes = np.rint(points[:, 0]).astype(int) if points.shape[1] == 3 else np.zeros(len(points))
    for plane in np.unique(planes).tolist():
        xy = to_xy(points[planes == plane, -2:], 0.5)
        geometry = {"type": "MultiPoint", "coordinates": xy}
        yield _feature(geometry, {"objectType": "annotation", "name": "points"}, int(plane))


def _feature(geometry, properties, plane):
    first = geometry["coordinates"]
    while isinstance(first[0], list):
        first = first[0]
    # Of the content, so that the same objects give the same file.
    identity = uuid.uuid5(uuid.NAMESPACE_OID, f"{properties} {plane} {first}")
    geometry = {**geometry, "plane": {"c": -1, "z": plane, "t": 0}}
    return {"type": "Feature", "id": str(identity), "geometry": geometry, "properties": properties}


def _geometry(shape: Shape):
    polygons = [[_closed(ring) for ring in polygon] for polygon in shape.polygons]
    if len(polygons) == 1:
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons}


def _closed(ring):
    xy = to_xy(ring)
    return [*xy, xy[0]]


def _properties(shape):
    if shape.number is None:
        return {"objectType": "annotation", "classification": _IGNORED}
    properties: dict[str, Any] = {"objectType": "detection", "name": shape.name}
    if shape.class_name:
        properties["classification"] = {
            "name": shape.class_name,
            # The same for a class in all files, and with luck unlike those of others.
            "color": list(zlib.crc32(shape.class_name.encode()).to_bytes(4, "big")[:3]),
        }
    if shape.measurements:
        properties["measurements"] = shape.measurements
    return {**properties, "metadata": {"object": str(shape.number)}}
