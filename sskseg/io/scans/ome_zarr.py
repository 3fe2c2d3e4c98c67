"""OME-Zarr, and arrays of zarr."""

from __future__ import annotations

import posixpath
from pathlib import Path, PurePath
from typing import Any

from ..channels import channel_names
from ..storage import Storage, is_url, open_storage
from .scan import FileContent, check_level, letters_of

ZARR_METADATA = ("zarr.json", ".zgroup", ".zarray", ".zattrs")


def is_zarr(path: Path) -> bool:
    """Whether a folder is a group or an array of zarr."""
    return any((path / name).exists() for name in ZARR_METADATA)


def is_zarr_storage(storage: Storage) -> bool:
    """Whether a place is a group or an array of zarr."""
    return any(storage.read(name) is not None for name in ZARR_METADATA)


def open_zarr(storage: Storage, inside: str, level: int) -> FileContent:
    """Open a level of a pyramid, an array, the only array of a group, or its only labels."""
    import zarr

    path = storage.place
    node: Any = zarr.open(storage.zarr(), mode="r", path=inside or None)
    if not hasattr(node, "groups"):
        check_level(level)
        pyramid = _pyramid_with(storage, inside)
        return _array_content(node) if pyramid is None else _open_level(*pyramid)
    attributes = ome_attributes(node)
    if "bioformats2raw.layout" in attributes:
        node = only_image(node, path, inside)
        attributes = ome_attributes(node)
    if "plate" in attributes:
        wells = [f"{well['path']}/0" for well in attributes["plate"].get("wells", [])]
        raise ValueError(
            f"{path} is a plate of several images; open one of them, {_name(path)}:/WELL/FIELD "
            f"with {wells[:3]}."
        )
    pyramids = attributes.get("multiscales")
    if not pyramids and len(attributes.get("labels", ())) == 1:
        node = node[attributes["labels"][0]]
        pyramids = ome_attributes(node).get("multiscales")
    if not pyramids:
        check_level(level)
        return _array_content(_only_array(node, path))
    return _open_level(node, pyramids[0], level, _labels(attributes))


def _pyramid_with(storage, inside):
    """Group, pyramid, level and labels of an array that is the level of a pyramid; None: another.

    Beside an object that an object store grants, others may be refused.
    """
    import zarr

    if is_url(storage.place) and not inside:
        return None
    place = storage.place if is_url(storage.place) else Path(storage.place).as_posix()
    parent, name = posixpath.split(posixpath.join(place, inside).rstrip("/"))
    above = open_storage(parent, storage.options)
    if not is_zarr_storage(above):
        return None
    group: Any = zarr.open(above.zarr(), mode="r")
    attributes = ome_attributes(group)
    pyramid = next(iter(attributes.get("multiscales", ())), {"datasets": ()})
    levels = [dataset["path"] for dataset in pyramid["datasets"]]
    if name not in levels:
        return None
    return group, pyramid, levels.index(name), _labels(attributes)


def _array_content(array):
    """Read an array without multiscales, whose axes Zarr 3 or xarray may name."""
    import dask.array as da

    names = getattr(array.metadata, "dimension_names", None)
    names = names or array.attrs.get("_ARRAY_DIMENSIONS")
    return FileContent(da.from_zarr(array), letters_of(names))


def only_image(group: Any, path: str | Path, inside: str) -> Any:
    """Return the image of a group in the layout of bioformats2raw, which has one group for each."""
    names = sorted(
        name for name, child in group.groups()
        if "multiscales" in ome_attributes(child)
    )  # fmt: skip
    if len(names) != 1:
        prefix = f"{inside}/" if inside else ""
        raise ValueError(
            f"{path} holds {len(names)} images (bioformats2raw); open one of "
            f"{[f'{_name(path)}:/{prefix}{name}' for name in names]}."
        )
    return group[names[0]]


def holds_image(storage: Storage, inside: str = "") -> bool:
    """Whether a place is an image of OME-Zarr, with its multiscales."""
    import zarr

    try:
        node = zarr.open(storage.zarr(), mode="r", path=inside or None)
    except FileNotFoundError:
        return False
    return hasattr(node, "groups") and bool(ome_attributes(node).get("multiscales"))


def ome_attributes(group: Any) -> dict[str, Any]:
    """Return the attributes of a group that belong to OME-Zarr."""
    attributes = dict(group.attrs)
    return attributes.get("ome", attributes)


def _name(path):
    return PurePath(path).name


def _only_array(group, path):
    names = [name for name, _ in group.arrays()]
    if len(names) != 1:
        raise ValueError(f"{path} is a group without multiscales, and holds {names}.")
    return group[names[0]]


def _labels(attributes):
    """Names of the channels, which viewers show."""
    return [each.get("label") for each in attributes.get("omero", {}).get("channels", [])]


def _open_level(group, pyramid, level, labels):
    import dask.array as da

    check_level(level, len(pyramid["datasets"]))
    dataset = pyramid["datasets"][level]
    axes = [a if isinstance(a, dict) else {"name": a} for a in pyramid.get("axes", [])]
    letters = "".join(axis["name"][0].lower() for axis in axes)
    spacing = dict.fromkeys(letters, 1.0)
    for part in (dataset, pyramid):  # first that of the level
        for change in part.get("coordinateTransformations", []):
            if change["type"] == "scale":
                scales = zip(spacing.items(), change["scale"], strict=True)
                spacing = {axis: step * scale for (axis, step), scale in scales}
    units = {axis["name"][0].lower(): axis["unit"] for axis in axes if "unit" in axis}
    data = da.from_zarr(group[dataset["path"]])
    names = channel_names(labels, letters, data.shape) if len(letters) == data.ndim else ()
    return FileContent(data, letters or None, spacing, units, names)
