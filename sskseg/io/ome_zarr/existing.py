"""Images of OME-Zarr that exist: what labels of them have to agree with."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..scans.ome_zarr import is_zarr, ome_attributes, only_image
from ..scans.opening import split_path
from .metadata import ZARR_FORMATS


@dataclass(frozen=True)
class ExistingImage:
    """An image of OME-Zarr, without its axis of channels, which labels do not have.

    Parameters
    ----------
    path : Path
        Folder of its group.
    version : {"0.4", "0.5"}
    axes : list of dict
        As the metadata describe them.
    shapes, chunks : list of tuple of int
        Of each level.
    levels : list of list of dict
        Transformations of each level.
    whole : list of dict
        Transformations of all levels.
    """

    path: Path
    version: str
    axes: list[dict[str, Any]]
    shapes: list[tuple[int, ...]]
    chunks: list[tuple[int, ...]]
    levels: list[list[dict[str, Any]]]
    whole: list[dict[str, Any]]

    @property
    def names(self) -> list[str]:
        """Names of the axes."""
        return [axis["name"] for axis in self.axes]

    def vectors(self, kind: str) -> list[list[float]]:
        """Scales or translations of the levels; a translation that is not there is 0.

        Parameters
        ----------
        kind : {"scale", "translation"}

        Returns
        -------
        list of list of float
        """
        zeros = [0.0] * len(self.axes)
        return [
            next((change[kind] for change in changes if change["type"] == kind), zeros)
            for changes in self.levels
        ]


def read_image_group(path: str | os.PathLike[str]) -> ExistingImage:
    """Read the metadata of an image of OME-Zarr.

    Parameters
    ----------
    path : str or path-like
        Of the group, or as `open_scan` takes it, ``plate.zarr:/A/1/0``.

    Returns
    -------
    ExistingImage

    Raises
    ------
    FileNotFoundError
        If nothing is there.
    ValueError
        If it is no image of version 0.4 or 0.5, or not one image.
    """
    name, _, inside = split_path(os.fspath(path))
    folder = Path(name, inside)
    if not folder.exists():
        raise FileNotFoundError(f"No OME-Zarr image at {folder}.")
    group = _open_image(folder)
    folder = folder / group.path
    attributes = ome_attributes(group)
    pyramid = attributes["multiscales"][0]
    version = _version(folder, group, attributes, pyramid)
    try:
        return _read_pyramid(folder, version, group, pyramid)
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(
            f"{folder} has incomplete metadata of OME-Zarr {version}: {error!r}."
        ) from error


def _open_image(folder):
    """The group of zarr of the image in a folder."""
    import zarr

    group: Any = None
    try:
        if is_zarr(folder):
            group = zarr.open(folder, mode="r")
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(f"{folder} cannot be read as OME-Zarr: {error}") from error
    attributes = ome_attributes(group) if hasattr(group, "groups") else {}
    if "plate" in attributes or "well" in attributes:
        raise ValueError(
            f"{folder} is a plate or a well of several images: name one of them, "
            f"{folder.name}:/WELL/FIELD."
        )
    if "bioformats2raw.layout" in attributes:
        group = only_image(group, folder, "")
        attributes = ome_attributes(group)
    if not attributes.get("multiscales"):
        raise ValueError(f"{folder} is no image of OME-Zarr: it has no multiscales.")
    if "image-label" in attributes:
        raise ValueError(f"{folder} holds labels: expected the image that they belong to.")
    return group


def _version(folder, group, attributes, pyramid):
    version = attributes.get("version", pyramid.get("version"))
    if version is None and all(isinstance(axis, dict) for axis in pyramid.get("axes", [None])):
        version = "0.4"  # which does not require it
    zarr_format = group.metadata.zarr_format
    if ZARR_FORMATS.get(version) != zarr_format:
        expected = " or ".join(f"{v} (Zarr {n})" for v, n in ZARR_FORMATS.items())
        raise ValueError(
            f"{folder} is OME-Zarr of version {version} (Zarr {zarr_format}): labels can be "
            f"written for {expected}."
        )
    return version


def _read_pyramid(folder, version, group, pyramid):
    axes = pyramid["axes"]
    kept = [i for i, axis in enumerate(axes) if not _is_channel(axis)]
    arrays = [group[dataset["path"]] for dataset in pyramid["datasets"]]
    for array, dataset in zip(arrays, pyramid["datasets"], strict=True):
        if array.ndim != len(axes):
            raise ValueError(f"{folder} has {len(axes)} axes, and an array of {array.ndim} axes.")
        if not any(change["type"] == "scale" for change in dataset["coordinateTransformations"]):
            raise ValueError(f"{folder} has no scale at level {dataset['path']}.")
    return ExistingImage(
        folder, version, [axes[i] for i in kept],
        shapes=[tuple(array.shape[i] for i in kept) for array in arrays],
        chunks=[tuple(array.chunks[i] for i in kept) for array in arrays],
        levels=[_of_axes(each["coordinateTransformations"], kept) for each in pyramid["datasets"]],
        whole=_of_axes(pyramid.get("coordinateTransformations", []), kept),
    )  # fmt: skip


def _is_channel(axis):
    return axis.get("type") == "channel" or axis["name"].lower() == "c"


def _of_axes(changes, kept):
    """Transformations of some of the axes."""
    return [
        {"type": change["type"], change["type"]: [change[change["type"]][i] for i in kept]}
        for change in changes
        if change["type"] != "identity"
    ]
