"""Read label images."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .folders import (
    check_names,
    companion_files,
    label_files,
    list_images,
    no_files,
    number,
    stem,
    warn_of_other_files,
    without_label_suffix,
)
from .images import image_files, read_pictures
from .label_numbers import decided_labels, stored_labels
from .ome_zarr.reading import holds_zarr, no_zarr, read_label_images
from .rois.adapters import holds_labels, read_region_labels
from .storage import check_no_options, is_url


def read_labels(
    path: str | os.PathLike[str],
    names: Sequence[str] | None = None,
    *,
    spatial_ndim: int = 2,
    shape: Sequence[int] | Sequence[Sequence[int]] | None = None,
    background: int | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> tuple[list[str], list[np.ndarray | None]]:
    """Read label images: 0 background, > 0 objects, -1 unlabeled.

    Files of `write_labels` are read as they were written. Of others, each file by itself:

    - Palette images give their indices. In RGB and RGBA each color is an object, of each image by
      itself. Black and transparent pixels are background; without any, the color of most of the
      frame is. If all colors are gray, their gray value is the number.
    - A file whose only positive value is 255, 65535 or 4294967295 is a mask, of 0 and 1.
    - The largest value of the dtype (255 of uint8, 65535 of uint16, 4294967295 of uint32) is -1
      beside positive values that are all less than half of it.
    - Floats must be whole numbers.

    Regions of Fiji, QuPath and other programs are read as `read_rois` reads them. Of OME-Zarr, an
    image or the destination of `sskseg.scans.count_scan` with one image of labels in it is read,
    or ``scan.zarr:/labels/nuclei``, with the integers that are stored.

    Parameters
    ----------
    path : str or path-like
        File or folder, as for `read_images`, or OME-Zarr. In a folder that holds images, too, only
        label files are read ("cell_mask.png" beside "cell.tif"), or, without any, files of regions
        ("cell.zip" beside "cell.tif"). Also a URL of OME-Zarr in an object store.
    names : sequence of str, default=None
        Names of images, as `read_images` returns them, to pair label files with: "cell.tif" with
        "cell.png", "cell_mask.png", "cell_cp_masks.png" or "cell_label.tif". A file of several
        pages pairs with as many images in their order.
    spatial_ndim : {2, 3}, default=2
    shape : tuple of int or sequence of tuples, default=None
        Shapes of images, for files of regions that do not have it; see `read_rois`. Not used for
        label images.
    background : int, default=None
        The class of labels of ilastik that is background, or 0 if none is. Needed for its files
        only.
    storage_options : dict, default=None
        Of a URL, as in `sskseg.scans.open_scan`.

    Returns
    -------
    names : list of str
        As given, or those of the label files.
    labels : list of ndarray of int, or None
        None for an image without a label file.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or no image in the folder.
    ValueError
        If a file holds no labels (fractions, a photograph, values from interpolation or from
        compression with losses) or is not complete, if two files pair with one image, or one with
        none; the message names it.

    Warns
    -----
    UserWarning
        If a value is read as -1, a mask stands beside numbered files or has no background, the
        background of colors is not black, 0 is displayed as white, planes are stored as colors, or
        a folder has files of formats that are not read.
    """
    if not is_url(path):
        check_no_options(storage_options, path)
    if holds_zarr(path, storage_options):
        return read_label_images(path, names, spatial_ndim, storage_options)
    if is_url(path):
        raise no_zarr(path)
    if holds_labels(Path(path)):
        return read_region_labels(Path(path), names, spatial_ndim, shape, background)
    found, stored, sources = [], [], []
    for file in _label_sources(path):
        stored.append(stored_labels(read_pictures(file), spatial_ndim, file))
        n = len(stored[-1].images)
        found += number(file.with_name(without_label_suffix(stem(file)) + file.suffix), n)
        sources += [file] * n
    labels = decided_labels(stored)
    if names is None:
        return found, list(labels)
    return list(names), _paired(list(names), found, labels, sources, Path(path))


def _label_sources(path):
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"No label file at {path}.")
    if not path.is_dir():
        return image_files(path)
    every = list_images(path)
    companions = set(companion_files(every))
    files = [file for file in every if file not in companions]
    if not files:
        raise no_files(path, "label")
    warn_of_other_files(path)
    files = label_files(files) or files
    check_names(files, lambda file: without_label_suffix(stem(file)))
    return files


def _paired(names, found, labels, sources, path):
    """Order labels like the images, with None where there are none."""
    single = path.is_file()
    if single and len(found) != len(names):
        raise ValueError(
            f"{path} has {len(found)} pages, and there are {len(names)} images; they must agree."
        )
    if single:
        return list(labels)
    by_name = {name: i for i, name in enumerate(found)}
    unpaired = sorted(by_name.keys() - set(names))
    if unpaired:
        file = sources[by_name[unpaired[0]]]
        raise ValueError(
            f"The label file {file.name!r} in {file.parent} pairs with no image of "
            f"{list(names)[:5]}{' and others' if len(names) > 5 else ''}."
        )
    return [labels[by_name[name]] if name in by_name else None for name in names]
