"""Images with their labels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..images import ImageStack
from ..images.annotation_checks import is_labeled
from .folders import files_of, list_images
from .images import read_images
from .labels import read_labels
from .ome_zarr.reading import holds_zarr
from .points import read_points
from .rois.adapters import holds_labels, read_areas_or_points

_TABLES = (".csv", ".tsv")


def read_pairs(
    images: str | os.PathLike[str],
    labels: str | os.PathLike[str],
    *,
    spatial_ndim: int = 2,
    background: int | None = None,
    empty: str | None = None,
    channel: int | str | None = None,
) -> tuple[list[str], ImageStack, list[Any]]:
    """Read images, and labels or points for some of them.

    Parameters
    ----------
    images : str or path-like
        File or folder, as `read_images` takes it.
    labels : str or path-like
        Label images or regions, as `read_labels` takes them; or points: regions of points alone,
        and a CSV or TSV table or a folder of them, as `read_points` takes them. They are paired
        with the images by name.
    spatial_ndim : {2, 3}, default=2
    background : int, default=None
        The class of labels of ilastik that is background, see `read_labels`.
    empty : {"background", "unlabeled"} or None, default=None
        Meaning of pages of zeros in a stack of labels, see `read_labels`.
    channel : int or str, default=None
        The only channel of the images to read, see `read_images`.

    Returns
    -------
    names : list of str
    images : ImageStack
    labels : list of ndarray or None
        Label images, or points of shape (k, spatial_ndim); None for images without labels.

    Raises
    ------
    FileNotFoundError, ValueError
        As the readers do; for labels of another shape than their image, and if nothing is labeled.
    """
    names, X = read_images(images, spatial_ndim=spatial_ndim, channel=channel)
    path, shapes = Path(labels), [image.shape[:spatial_ndim] for image in X]
    if _holds_tables(path):
        _, y = read_points(path, names, spatial_ndim=spatial_ndim)
        return names, X, y
    if not holds_zarr(path) and holds_labels(path):
        y, are_points = read_areas_or_points(path, names, spatial_ndim, shapes, background, empty)
        if are_points:
            return names, X, y
    else:
        _, y = read_labels(path, names, spatial_ndim=spatial_ndim, empty=empty)
    for name, shape, label in zip(names, shapes, y, strict=True):
        if label is not None and shape != label.shape:
            raise ValueError(
                f"The label file of {name!r} in {labels} does not pair with its image: "
                f"shape {label.shape}, expected {shape}."
            )
    if not any(is_labeled(label) for label in y):
        raise ValueError(f"Nothing in {labels} is labeled.")
    return names, X, y


def _holds_tables(path):
    """Whether points are read from a table, or from tables in a folder without other labels."""
    if not path.is_dir():
        return path.name.lower().endswith(_TABLES) and not holds_labels(path)
    return bool(files_of(path, _TABLES)) and not list_images(path) and not holds_labels(path)
