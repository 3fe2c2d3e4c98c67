"""COCO JSON: instances of several images, as polygons or run-length encoded masks."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .documents import child, shape_of
from .objects import Drawing, filled
from .regions import (
    UNLABELED,
    ImageRegions,
    Region,
    as_measurement,
    as_number,
    listed,
    vertices_of,
    where_is,
)
from .rle import decode_runs, decompressed, encode_runs

_KEYPOINT, _DEFAULT = "point", "object"


def parse_coco(content: Any, file: Path) -> list[ImageRegions]:
    """Take the annotations of all images."""
    images: dict[Any, ImageRegions] = {}
    for item in content["images"]:
        identity = child(item, "id", (int, str), f"{file}, images")
        where = f"{file}, image {identity!r}"
        name = child(item, "file_name", str, where)
        if identity in images:
            raise ValueError(f"{where} is there twice: images must have ids of their own.")
        images[identity] = ImageRegions(name, shape_of(item, ("height", "width"), where), [])
    categories = {c.get("id"): str(c.get("name")) for c in content.get("categories") or []
                  if isinstance(c, dict)}  # fmt: skip
    crowds = []
    for i, item in enumerate(content["annotations"]):
        name = f"annotation {item.get('id', i) if isinstance(item, dict) else i}"
        where = where_is(file, name)
        image = images.get(child(item, "image_id", (int, str), where))
        if image is None:
            raise ValueError(f"{where} is of the image {item['image_id']!r}, which is not there.")
        image.regions.extend(_regions(item, name, image.shape, categories, where))
        is_named = categories.get(item.get("category_id")) == UNLABELED
        crowds += [name] if item.get("iscrowd") and not is_named else []
    if crowds:
        warnings.warn(
            f"{file}: {listed(crowds)} have iscrowd=1, which is a group of objects: they are "
            "unlabeled (-1). Set iscrowd to 0 if each of them is one object.",
            UserWarning,
            stacklevel=5,
        )
    return list(images.values())


def _regions(item, name, shape, categories, where):
    class_name = UNLABELED if item.get("iscrowd") else categories.get(item.get("category_id"))
    attributes = item.get("attributes")
    attributes = attributes if isinstance(attributes, dict) else {}
    numbers = {k: as_measurement(v) for k, v in attributes.items() if k != "object"}
    known = {
        "name": name,
        "class_name": class_name,
        "key": as_number(attributes.get("object")) or name,
        "measurements": {k: v for k, v in numbers.items() if v is not None},
    }
    segmentation = item.get("segmentation")
    if not segmentation and item.get("keypoints"):
        return [Region(points=_keypoints(item["keypoints"], where), **known)]
    if not segmentation:
        raise ValueError(
            f"{where} has no segmentation, a box at most: its pixels are unknown. Export "
            "instances with polygons or masks."
        )
    if isinstance(segmentation, dict):
        return [Region(mask=_mask(segmentation, shape, where), **known)]
    # Pixels of any of the polygons: they may overlap, and none is a hole.
    return [Region(rings=(ring,), **known) for ring in _rings(segmentation, where)]


def _rings(segmentation, where):
    """Polygons of one object, of which each is a list x, y, x, y, ..."""
    if not isinstance(segmentation, list) or not all(
        isinstance(p, list) and len(p) % 2 == 0 for p in segmentation
    ):
        raise ValueError(f"{where} must have lists of x, y, x, y, ... as segmentation.")
    rings = []
    for polygon in segmentation:
        pairs = list(zip(polygon[0::2], polygon[1::2], strict=True))
        rings.append(vertices_of(pairs, where))
    return rings


def _mask(segmentation, shape, where):
    size, counts = child(segmentation, "size", list, where), segmentation.get("counts")
    if size != list(shape):
        raise ValueError(f"{where} must have the size of its image, {list(shape)}, got {size}.")
    if isinstance(counts, str):
        counts = decompressed(counts, where)
    return decode_runs(counts, shape, "F", where)


def _keypoints(values, where):
    if not isinstance(values, list) or len(values) % 3:
        raise ValueError(f"{where} must have keypoints x, y, v, x, y, v, ..., got {values!r}"[:200])
    triples = [values[i : i + 3] for i in range(0, len(values), 3)]
    return vertices_of([t[:2] for t in triples if t[2]], where, least=1)


def write_coco(path: Path, drawings: Sequence[Drawing]) -> None:
    """Write the instances of several images.

    Objects in several pieces are several polygons of one annotation. Objects with holes are
    run-length encoded, as are unlabeled pixels, with ``iscrowd`` 1.

    Parameters
    ----------
    path : Path
    drawings : sequence of Drawing
        Two-dimensional.
    """
    categories: dict[str, int] = {}
    images: list[dict] = []
    annotations: list[dict] = []
    for i, drawing in enumerate(drawings, start=1):
        height, width = drawing.shape
        images.append({"id": i, "file_name": drawing.name, "height": height, "width": width})
        for item in [*_instances(drawing), *_points(drawing)]:
            category = categories.setdefault(item.pop("category"), len(categories) + 1)
            number = len(annotations) + 1
            annotations.append({"id": number, "image_id": i, "category_id": category, **item})
    listed_categories = [
        {"id": n, "name": name, "supercategory": ""} | ({"keypoints": [_KEYPOINT], "skeleton": []}
                                                        if name == _KEYPOINT else {})
        for name, n in categories.items()
    ]  # fmt: skip
    content = {"info": {}, "licenses": [], "images": images, "annotations": annotations,
               "categories": listed_categories}  # fmt: skip
    path.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")


def _instances(drawing):
    for shape in drawing.shapes():
        rings = [ring for polygon in shape.polygons for ring in polygon]
        low = np.min([ring.min(axis=0) for ring in rings], axis=0)
        high = np.max([ring.max(axis=0) for ring in rings], axis=0)
        is_crowd = shape.number is None
        segmentation: Any
        if shape.has_holes or is_crowd:
            counts = encode_runs(filled(rings), drawing.shape, "F")
            segmentation = {"counts": counts, "size": list(drawing.shape)}
        else:
            segmentation = [ring[:, ::-1].ravel().tolist() for ring in rings]
        item = {
            "category": UNLABELED if is_crowd else shape.class_name or _DEFAULT,
            "segmentation": segmentation,
            "area": float(sum(_area(ring) for ring in rings)),
            "bbox": [*low[::-1].tolist(), *(high - low)[::-1].tolist()],
            "iscrowd": int(is_crowd),
        }
        own = {} if is_crowd else {"object": shape.number, **shape.measurements}
        yield item | ({"attributes": own} if own else {})


def _area(ring):
    """Signed area: that of holes is negative."""
    y, x = ring.T.astype(np.float64)
    return (np.roll(y, -1) * x - np.roll(x, -1) * y).sum() / 2


def _points(drawing):
    for y, x in [] if drawing.points is None else drawing.points.tolist():
        yield {"category": _KEYPOINT, "keypoints": [x, y, 2], "num_keypoints": 1, "iscrowd": 0,
               "area": 0.0, "bbox": [x, y, 0, 0], "segmentation": []}  # fmt: skip
