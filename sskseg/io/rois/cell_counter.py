"""Markers of the Cell Counter of Fiji: XML with points of several types."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from .regions import ImageRegions, Region, points_of, where_is

TAG = "CellCounter_Marker_File"
_COORDINATES = ("MarkerX", "MarkerY", "MarkerZ")


def parse_cell_counter(root: ElementTree.Element, file: Path) -> list[ImageRegions]:
    """Take the markers of the image of a file; those of a type are one set of points.

    Parameters
    ----------
    root : Element
    file : Path

    Returns
    -------
    list of ImageRegions
        One.

    Raises
    ------
    ValueError
        If a coordinate is no number.
    """
    types = [_points(item, file) for item in root.iter("Marker_Type")]
    name = (root.findtext("Image_Properties/Image_Filename") or "").strip()
    return [ImageRegions(name or None, None, [each for each in types if each is not None])]


def _points(item, file):
    """Points of a type, None if it has no marker."""
    number = (item.findtext("Type") or "").strip()
    name = (item.findtext("Name") or "").strip() or f"Type {number}"
    where = where_is(file, name)
    try:
        markers = [[int(marker.findtext(key) or "") for key in _COORDINATES]
                   for marker in item.iter("Marker")]  # fmt: skip
    except ValueError as error:
        raise ValueError(
            f"{where} must have {', '.join(_COORDINATES)}, integers: {error}."
        ) from error
    if not markers:
        return None
    *xy, slices = zip(*markers, strict=True)
    points = points_of([*zip(*xy, strict=True)], where, offset=0)
    return Region(name=name, class_name=name, points=points, plane=_planes(slices, where))


def _planes(slices, where):
    if min(slices) < 1:
        raise ValueError(f"{where} must count slices (MarkerZ) from 1, got {min(slices)}.")
    return np.array(slices) - 1
