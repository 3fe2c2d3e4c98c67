"""JSON and XML files of other programs, read with errors that name the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from ..truncation import unreadable

_MAX_PIXELS = 2**32  # of an image, as a file claims


def load_json(file: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    ValueError
        If it is damaged; the message names it.
    """
    try:
        return json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise unreadable(file, "JSON", error) from error


def load_xml(file: Path) -> ElementTree.Element:
    """Read an XML file without a document type, which could define entities that fill the memory.

    Raises
    ------
    ValueError
        If it is damaged or defines a document type; the message names it.
    """
    content = file.read_bytes()
    parser = expat.ParserCreate()

    def refuse(*_):
        raise ValueError("it defines a document type, which no such file needs")

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(content, True)
        return ElementTree.fromstring(content)
    except (ValueError, expat.ExpatError, ElementTree.ParseError, RecursionError) as error:
        raise ValueError(f"{file} cannot be read as XML: {error}.") from error


def dialect(content: Any) -> str | None:
    """Return which program's regions a JSON file holds: "geojson", "coco", "labelme" or None."""
    if isinstance(content, list):
        return "geojson" if all(is_feature(item) for item in content) and content else None
    if not isinstance(content, dict):
        return None
    if isinstance(content.get("shapes"), list):
        return "labelme"
    if isinstance(content.get("annotations"), list) and isinstance(content.get("images"), list):
        return "coco"
    is_collection = content.get("type") == "FeatureCollection"
    return "geojson" if is_collection or is_feature(content) else None


def is_feature(item: Any) -> bool:
    """Return whether an item is a feature of GeoJSON."""
    return isinstance(item, dict) and item.get("type") == "Feature"


def child(item: Any, key: str, kind: type | tuple[type, ...], where: str) -> Any:
    """Take a value of a dict.

    Parameters
    ----------
    item : dict
    key : str
    kind : type or tuple of types
        What the value must be.
    where : str
        File and region, for the message.

    Returns
    -------
    object

    Raises
    ------
    ValueError
        If there is no such value, or one of another type.
    """
    value = item.get(key) if isinstance(item, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        expected = " or ".join(_NAMES.get(each, each.__name__) for each in kinds)
        raise ValueError(f"{where} must have {key!r}, {expected}, got {str(value)[:60]!r}.")
    return value


_NAMES = {dict: "an object", list: "a list", str: "text", int: "an integer", float: "a number"}


def shape_of(item: Any, keys: tuple[str, str], where: str) -> tuple[int, int]:
    """Take the height and width of an image.

    Raises
    ------
    ValueError
        If they are no positive integers, or their product is more than the memory should hold.
    """
    height, width = (child(item, key, int, where) for key in keys)
    return check_size(height, width, where)


def check_size(height: int, width: int, where: str) -> tuple[int, int]:
    """Check the height and width that a file claims."""
    if min(height, width) < 1 or height * width > _MAX_PIXELS:
        raise ValueError(
            f"{where} must have a positive height and width, of at most {_MAX_PIXELS} pixels, got "
            f"{height} x {width}."
        )
    return height, width
