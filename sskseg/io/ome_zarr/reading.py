"""Read labels of OME-Zarr."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..folders import number
from ..scans.ome_zarr import is_zarr, ome_attributes
from ..scans.opening import open_scan, split_path


def holds_zarr(path: str | os.PathLike[str]) -> bool:
    """Whether a path is that of a group or an array of zarr."""
    name, _, inside = split_path(os.fspath(path))
    return is_zarr(Path(name, inside))


def open_label_image(path: str | os.PathLike[str]) -> Any:
    """Open labels of OME-Zarr without reading their pixels.

    Parameters
    ----------
    path : str or path-like
        Of labels, ``scan.zarr:/labels/nuclei``, or of an image, a group of labels or the
        destination of `count_scan` that holds one image of labels.

    Returns
    -------
    dask array of int of shape (height, width) or (depth, height, width)

    Raises
    ------
    ValueError
        If there are none or several of them, or if they are not integers.
    """
    name, _, inside = split_path(os.fspath(path))
    folder = _label_folder(Path(name, inside))
    scan = open_scan(folder)
    data = scan.data
    if data.dtype.kind not in "biu":
        raise ValueError(f"{folder} holds no labels: expected integers, got {data.dtype}.")
    if "c" in scan.axes:
        if data.shape[-1] != 1:
            raise ValueError(f"{folder} has {data.shape[-1]} channels: labels have none.")
        data = data[..., 0]
    return data


def _label_folder(folder):
    """The folder of the only labels of a group."""
    import zarr

    node: Any = zarr.open(folder, mode="r", use_consolidated=False)
    attributes = ome_attributes(node) if hasattr(node, "groups") else {}
    if "multiscales" in attributes and "image-label" not in attributes:
        if folder.parent.name == "labels":  # that do not say so
            return folder
        if not is_zarr(folder / "labels"):
            raise ValueError(f"{folder} is an image of OME-Zarr without labels.")
        return _label_folder(folder / "labels")
    names = attributes.get("labels")
    if names is None:
        return folder
    if len(names) != 1:
        raise ValueError(
            f"{folder} holds {len(names)} images of labels; read one of "
            f"{[str(folder / name) for name in names]}."
        )
    return folder / names[0]


def read_label_images(
    path: str | os.PathLike[str], names: Sequence[str] | None, spatial_ndim: int
) -> tuple[list[str], list[np.ndarray | None]]:
    """Read labels of OME-Zarr as `sskseg.io.read_labels` returns them.

    Parameters
    ----------
    path : str or path-like
        As `open_label_image` takes it.
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
    data = open_label_image(path)
    if data.ndim < spatial_ndim:
        raise ValueError(f"{path} holds labels of a plane: expected those of a volume.")
    label = data.astype(np.uint8 if data.dtype.kind == "b" else data.dtype).compute()
    images = [label] if data.ndim == spatial_ndim else list(label)
    found = number(Path(*split_path(os.fspath(path))[::2]), len(images))
    if names is not None and len(names) != len(images):
        raise ValueError(
            f"{path} holds {len(images)} label image(s), and there are {len(names)} images; they "
            "must agree."
        )
    return list(found if names is None else names), images
