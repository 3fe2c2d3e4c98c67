"""Write labels into the OME-Zarr image that they belong to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .checks import check_label_name, check_labels, check_target, in_smallest_dtype
from .existing import ExistingImage, read_image_group
from .levels import LABEL_CODEC, sample, write_pyramid
from .metadata import create_group, multiscales, object_properties, set_attributes
from .publishing import publish_labels, temporary_folder
from .pyramid import nearest_pixels

if TYPE_CHECKING:
    import pandas as pd


def write_ome_zarr_labels(
    image: str | os.PathLike[str],
    labels: Any,
    name: str = "objects",
    *,
    properties: pd.DataFrame | None = None,
    overwrite: bool = False,
) -> Path:
    """Write labels into the OME-Zarr image that they belong to.

    Viewers show them on the image: napari with napari-ome-zarr as a layer of labels. They are
    written as the version of the image requires: 0.4 in Zarr 2, or 0.5 in Zarr 3 [1]_.

    Parameters
    ----------
    image : str or path-like
        An image of OME-Zarr, as `sskseg.scans.open_scan` takes it: ``scan.ome.zarr``,
        ``plate.zarr:/A/1/0``.
    labels : ndarray or dask array of int, of the shape of the image without channels
        0 background, > 0 objects, -1 unlabeled; a mask of bool. Axes of length 1 may be missing.
        Arrays are written in the smallest integer type that holds them, unsigned without -1. Of
        dask, such as ``count_scan(...).labels``, whose type is kept, each block is read once, and
        memory holds a few of them.
    name : str, default="objects"
        They become the group ``labels/{name}`` in `image`.
    properties : pandas.DataFrame, default=None
        Measurements of the objects, by a column ``id``, as `InstanceCounter.measure` returns them.
        Viewers show them at an object. Polygons and NaN are left out. All of it is in one JSON
        file: choose few columns for many objects.
    overwrite : bool, default=False
        Replace labels of this name.

    Returns
    -------
    Path
        The group of the labels.

    Raises
    ------
    FileNotFoundError
        If there is no such image.
    ValueError
        If `image` is not one image of OME-Zarr 0.4 or 0.5 (a plate, several images of
        bioformats2raw, other labels), cannot be written to, or has labels of this name; if the
        labels have another shape or hold fractions or values below -1; for names with slashes. The
        image stays as it was.
    ImportError
        Without zarr and dask, which the extra "scans" installs.

    See Also
    --------
    write_ome_zarr : Writes the image, too.
    sskseg.io.read_labels : Reads labels of OME-Zarr.

    Notes
    -----
    Labels have the axes of the image but channels, since a viewer shows each channel as a layer of
    its own, which has no such axis. They have as many levels as the image, of the same shapes, and
    the same scales and translations, so that they lie on the image at each level. A pixel of a
    coarse level is the nearest pixel of the finer one, so that ids stay as they are.

    Labels are complete when they appear: they are written beside those of the image, and then
    renamed.

    References
    ----------
    .. [1] Moore et al. OME-NGFF: a next-generation file format for expanding bioimaging
       data-access strategies. Nature Methods 2021. :doi:`10.1038/s41592-021-01326-w`

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from sskseg.io import read_labels, write_ome_zarr, write_ome_zarr_labels
    >>> labels = np.array([[0, 1, 1], [0, 0, 2]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     image = write_ome_zarr(f"{folder}/cell.ome.zarr", np.zeros((2, 3)), spacing=(0.5, 0.5))
    ...     group = write_ome_zarr_labels(image, labels, "cells")
    ...     group.relative_to(folder).as_posix(), read_labels(image)
    ('cell.ome.zarr/labels/cells', (['cell'], [array([[0, 1, 1],
           [0, 0, 2]], dtype=uint8)]))
    """
    check_label_name(name)
    found = read_image_group(image)
    labels = in_smallest_dtype(check_labels(labels, found.names, found.shapes, found.path))
    content = {} if properties is None else {"properties": object_properties(properties)}
    target = found.path / "labels" / name
    check_target(found.path, target, overwrite)
    with temporary_folder(found.path / "labels") as part:
        _write_group(part / name, found, labels, content)
        publish_labels(part, target, found.version)
    return target


def _write_group(folder, found, labels, content):
    """Write the group of the labels, its metadata last."""
    group = create_group(folder, found.version)
    pixels = _sampled_pixels(found)
    write_pyramid(
        group, labels, axes=found.names, shapes=found.shapes, chunks=found.chunks, check=_check,
        coarser=lambda fine, level: sample(fine, [axis[level - 1] for axis in pixels]),
        codec=LABEL_CODEC,
    )  # fmt: skip
    whole = {"coordinateTransformations": found.whole} if found.whole else {}
    pyramid = multiscales(
        folder.name, found.axes, found.levels, found.version, type="nearest", **whole
    )
    source = {"version": found.version, "source": {"image": "../../"}}
    set_attributes(
        group, found.version, {"multiscales": pyramid, "image-label": {**source, **content}}
    )


def _check(block):
    if block.dtype.kind == "i" and block.size and block.min() < -1:
        raise ValueError(f"labels must not hold values below -1 (unlabeled), got {block.min()}.")


def _sampled_pixels(found: ExistingImage) -> list[list[np.ndarray]]:
    """Pixels that each level takes from the one before, along each axis."""
    sizes, scales, translations = (
        zip(*vectors, strict=True)
        for vectors in (found.shapes, found.vectors("scale"), found.vectors("translation"))
    )
    return [nearest_pixels(*axis) for axis in zip(sizes, scales, translations, strict=True)]
