"""Images with their labels."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

from ..images import ImageStack
from ..images.annotation_checks import is_labeled
from .channels import TrainedChannel
from .folders import files_of, list_images, no_files, stem
from .images import image_files, read_images
from .label_sources import (
    keep_paired,
    label_sources_of,
    one_of_each,
    paired,
    without_copies,
    without_strays,
    without_unpaired,
)
from .labels import read_label_files, read_labels
from .ome_zarr.reading import holds_zarr
from .planes import check_planes
from .points import read_points
from .rois.adapters import areas_or_points
from .rois.formats import image_name, is_region_file, region_files
from .rois.reading import ordered, read_roi_files
from .rois.regions import listed

_TABLES = (".csv", ".tsv")


def read_pairs(
    images: str | os.PathLike[str],
    labels: str | os.PathLike[str],
    *,
    spatial_ndim: int = 2,
    background: int | None = None,
    empty: str | None = None,
    channel: int | str | TrainedChannel | None = None,
    only_paired: bool = False,
) -> tuple[list[str], ImageStack, list[Any]]:
    """Read images, and labels or points for some of them.

    Parameters
    ----------
    images : str or path-like
        File or folder, as `read_images` takes it.
    labels : str or path-like
        Label images or regions, as `read_labels` takes them; or points: regions of points alone,
        and a CSV or TSV table or a folder of them, as `read_points` takes them. They are paired
        with the images by name. A folder may have label images of some images and regions of
        others. If it is the folder of the images, overlays that Fiji saved in TIFF files are
        regions, too; if it is the image, its overlay or selection.
    spatial_ndim : {2, 3}, default=2
    background : int, default=None
        The class of labels of ilastik that is background, see `read_labels`.
    empty : {"background", "unlabeled"} or None, default=None
        Meaning of pages of zeros in a stack of labels, see `read_labels`.
    channel : int, str or TrainedChannel, default=None
        The only channel of the images to read, see `read_images`.
    only_paired : bool, default=False
        Whether nothing is said of the labels in a folder that pair with no image, even if none
        does. By default a warning names them, and it is an error if none pairs.

    Returns
    -------
    names : list of str
    images : ImageStack
    labels : list of ndarray or None
        Label images, or points of shape (k, spatial_ndim); None for images without labels.

    Raises
    ------
    FileNotFoundError, ValueError
        As the readers do; for labels of another shape than their image, or with other numbers of
        times and sections, several files with labels of one image, tables of points beside other
        labels, and if nothing is labeled (with `only_paired`, if there are no labels at all).

    Warns
    -----
    UserWarning
        As the readers do; of labels that pair with no image, if others do: they are left out. If
        an image has times and sections, and its label file has one axis of planes, or the reverse.
    """
    names, X = read_images(images, spatial_ndim=spatial_ndim, channel=channel)
    path, shapes = Path(labels), [image.shape[:spatial_ndim] for image in X]
    if _holds_tables(path):
        return names, X, _read_tables(path, names, spatial_ndim, only_paired)
    if holds_zarr(path):
        _, y = read_labels(path, names, spatial_ndim=spatial_ndim, empty=empty)
    else:
        sources = label_sources_of(path, Path(images))
        if not sources.images and not sources.regions:
            raise no_files(path, "label")
        if only_paired:
            sources = paired(sources, names)
        else:
            sources = without_unpaired(without_strays(sources, names), names)
        sources = without_copies(sources)
        options = shapes, spatial_ndim, background, empty, only_paired
        y, are_points = _read(sources, names, *options)
        if spatial_ndim == 2:
            _check_planes(Path(images), sources, names)
        _check_tables(path, names, y, is_beside=path.samefile(images))
        if are_points:
            return names, X, y
    for name, shape, label in zip(names, shapes, y, strict=True):
        if label is not None and shape != label.shape:
            raise ValueError(
                f"The label file of {name!r} in {labels} does not pair with its image: "
                f"shape {label.shape}, expected {shape}."
            )
    if not only_paired and not any(is_labeled(label) for label in y):
        raise ValueError(f"Nothing in {labels} is labeled.")
    return names, X, y


def _check_planes(images, sources, names):
    """Refuse label images whose times and sections are others than those of their image."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the images have been read
        files = {stem(file): file for file in image_files(images)}
    labels = {image_name(file): file for file in sources.images}
    if not sources.path.is_dir() and len(files) == 1:  # a file pairs with it by any name
        labels = dict.fromkeys(files, sources.path) if sources.images else {}
    check_planes(files, labels, names)


def _read_tables(path, names, spatial_ndim, only_paired):
    """Points of each image."""
    found = dict(zip(*read_points(path, spatial_ndim=spatial_ndim), strict=True))
    if not only_paired or not path.is_dir():
        found = keep_paired(path, found, names)
        if not set(found) & set(names):  # an error, or those of the only image
            return read_points(path, names, spatial_ndim=spatial_ndim)[1]
    return [found.get(name) for name in names]


def _read(sources, names, shapes, spatial_ndim, background, empty, only_paired):
    """Labels of each image, from label images and regions, or points."""
    regions: list[Any] = [None] * len(names)
    are_points = False
    if sources.regions:
        found, files = read_roi_files(
            sources.path, sources.regions, shapes, names, spatial_ndim=spatial_ndim,
            background=background, empty=empty or "unlabeled",
        )  # fmt: skip
        if only_paired and sources.path.is_dir():
            found = {name: rois for name, rois in found.items() if name in names}
        else:
            found = keep_paired(sources.path, found, names)
        regions, are_points = areas_or_points(sources.path, *ordered(found, names, files))
    if not sources.images:
        return regions, are_points
    if are_points:
        raise ValueError(
            f"{sources.path} holds points ({listed(file.name for file in sources.regions)}) and "
            f"label images ({listed(file.name for file in sources.images)}): expected one of them."
        )
    images = read_label_files(sources, names, spatial_ndim, empty)[1]
    return one_of_each(sources, names, images, regions), False


def _check_tables(path, names, y, is_beside):
    """Refuse tables of points beside labels, which are not read, of images without labels.

    Beside images, tables may be measurements.
    """
    unlabeled = [name for name, label in zip(names, y, strict=True) if label is None]
    tables = files_of(path, _TABLES) if path.is_dir() else []
    unread = [file.name for file in tables if stem(file) in unlabeled]
    if not unread:
        return
    message = (
        f"{path} holds labels, which are read, and tables of other images, which are not: "
        f"{listed(unread)}. Put points into a folder of their own."
    )
    if not is_beside:
        raise ValueError(message)
    warnings.warn(message, UserWarning, stacklevel=3)


def _holds_tables(path):
    """Whether points are read from a table, or from tables in a folder without other labels."""
    if not path.is_dir():
        return path.name.lower().endswith(_TABLES) and not is_region_file(path)
    return bool(files_of(path, _TABLES)) and not list_images(path) and not region_files(path)
