"""Read labels of OME-Zarr."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from ..folders import number
from ..scans.ome_zarr import is_zarr, is_zarr_storage, ome_attributes
from ..scans.opening import open_scan, split_path
from ..storage import is_url, open_storage


def place_of(path: str | os.PathLike[str]) -> str:
    """Return the path or URL of what a path names, which may be inside of a group of zarr."""
    name, _, inside = split_path(os.fspath(path))
    if is_url(name):
        return "/".join(filter(None, (name.rstrip("/"), inside)))
    return str(Path(name, inside))


def holds_zarr(
    path: str | os.PathLike[str], storage_options: Mapping[str, Any] | None = None
) -> bool:
    """Whether a path or URL is that of a group or an array of zarr."""
    place = place_of(path)
    if not is_url(place):
        return is_zarr(Path(place))
    storage = open_storage(place, storage_options)
    with storage.explained():
        return is_zarr_storage(storage)


def no_zarr(url: Any) -> FileNotFoundError:
    """Return the error for a URL where no zarr is."""
    return FileNotFoundError(
        f"Nothing to read at {url}: expected OME-Zarr or zarr, the only formats that are read from "
        "object stores."
    )


def open_label_image(
    path: str | os.PathLike[str], storage_options: Mapping[str, Any] | None = None
) -> Any:
    """Open labels of OME-Zarr without reading their pixels.

    Parameters
    ----------
    path : str or path-like
        Of labels, ``scan.zarr:/labels/nuclei``, or of an image, a group of labels or the
        destination of `count_scan` that holds one image of labels; or a URL of one of these.
    storage_options : dict, default=None
        Options of a URL, as in `open_scan`.

    Returns
    -------
    dask array of int of shape (height, width) or (depth, height, width)

    Raises
    ------
    ValueError
        If there are none or several of them, or if they are not integers.
    """
    place = _label_place(place_of(path), storage_options)
    scan = open_scan(place, storage_options=storage_options)
    data = scan.data
    if data.dtype.kind not in "biu":
        raise ValueError(f"{place} holds no labels: expected integers, got {data.dtype}.")
    if "c" in scan.axes:
        if data.shape[-1] != 1:
            raise ValueError(f"{place} has {data.shape[-1]} channels: labels have none.")
        data = data[..., 0]
    return data


def _label_place(place, options):
    """The path or URL of the only labels of a group."""
    import zarr

    storage = open_storage(place, options)
    with storage.explained():
        node: Any = zarr.open(storage.zarr(), mode="r", use_consolidated=False)
        attributes = ome_attributes(node) if hasattr(node, "groups") else {}
    if "multiscales" in attributes and "image-label" not in attributes:
        if PurePath(place).parent.name == "labels":  # that do not say so
            return place
        if not holds_zarr(f"{place}/labels", options):
            raise ValueError(f"{place} is an image of OME-Zarr without labels.")
        return _label_place(f"{place}/labels", options)
    names = attributes.get("labels")
    if names is None:
        return place
    if len(names) != 1:
        raise ValueError(
            f"{place} holds {len(names)} images of labels; read one of "
            f"{[f'{place}/{name}' for name in names]}."
        )
    return f"{place}/{names[0]}"


def read_label_images(
    path: str | os.PathLike[str],
    names: Sequence[str] | None,
    spatial_ndim: int,
    storage_options: Mapping[str, Any] | None = None,
) -> tuple[list[str], list[np.ndarray]]:
    """Read labels of OME-Zarr as `sskseg.io.read_labels` returns them.

    Parameters
    ----------
    path, storage_options
        As `open_label_image` takes them.
    names : sequence of str, or None
        Of the images that they belong to.
    spatial_ndim : {2, 3}
        With 2, a volume is read as its sections.

    Raises
    ------
    ValueError
        As `open_label_image`; for planes where volumes are expected, and for another number of
        names.
    """
    data = open_label_image(path, storage_options)
    if data.ndim < spatial_ndim:
        raise ValueError(f"{path} holds labels of a plane: expected those of a volume.")
    label = data.astype(np.uint8 if data.dtype.kind == "b" else data.dtype).compute()
    images = [label] if data.ndim == spatial_ndim else list(label)
    found = number(Path(place_of(path)), len(images))
    if names is not None and len(names) != len(images):
        raise ValueError(
            f"{path} holds {len(images)} label image(s), and there are {len(names)} images; they "
            "must agree."
        )
    return list(found if names is None else names), images
