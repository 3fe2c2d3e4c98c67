"""What OME-Zarr holds, without its pixels."""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import Any

from ..scans.ome_zarr import ome_attributes, open_zarr
from ..storage import AccessRefused, StoreFailed, open_storage
from ..units import describe_size
from .reading import holds_zarr, place_of


def summarize_zarr(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Summarize an image, labels, a plate or an array.

    Parameters
    ----------
    path : str or path-like
        As `open_scan` takes it; a URL is opened with the options of the environment.

    Returns
    -------
    dict of str to object
        What JSON holds.

    Raises
    ------
    ValueError
        If the metadata are damaged; the message names the place.
    """
    place = place_of(path)
    try:
        with open_storage(place).explained():
            return _of_node(place)
    except (AccessRefused, StoreFailed):
        raise
    except (ValueError, OSError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{place} cannot be read as OME-Zarr: {error}") from error


def _of_node(place):
    import zarr

    node: Any = zarr.open(open_storage(place).zarr(), mode="r", use_consolidated=False)
    if not hasattr(node, "groups"):
        return {"array": place, "shape": list(node.shape), "dtype": str(node.dtype)}
    attributes = ome_attributes(node)
    if "plate" in attributes:
        return {"wells": [well["path"] for well in attributes["plate"].get("wells", [])]}
    if "well" in attributes:
        return {"images": [image["path"] for image in attributes["well"].get("images", [])]}
    if "bioformats2raw.layout" in attributes:
        images = (name for name, child in node.groups() if "multiscales" in ome_attributes(child))
        return {"images": sorted(images)}
    if attributes.get("multiscales"):
        return _of_image(place, node, attributes)
    if "labels" in attributes:
        return {name: _of_node(f"{place}/{name}") for name in attributes["labels"]}
    return {"arrays": sorted(node.array_keys()), "groups": sorted(node.group_keys())}


def _of_image(place, node, attributes):
    """Axes, shape of each level, type, size of a pixel, channels and labels."""
    pyramid, content = attributes["multiscales"][0], open_zarr(open_storage(place), "", 0)
    is_labels = "image-label" in attributes
    found: dict[str, Any] = {
        "labels" if is_labels else "image": pyramid.get("name", PurePath(place).name),
        "version": str(attributes.get("version", pyramid.get("version", "unknown"))),
        "axes": content.axes,
        "shapes of levels": [list(node[dataset["path"]].shape) for dataset in pyramid["datasets"]],
        "dtype": str(content.data.dtype),
        "size of a pixel": describe_size(content.spacing, content.units),
    }
    if content.channels:
        found["channels"] = list(content.channels)
    if is_labels:
        found["source"] = attributes["image-label"].get("source", {}).get("image")
    elif holds_zarr(f"{place}/labels"):
        found["labels"] = ome_attributes(node["labels"]).get("labels", [])
    return found
