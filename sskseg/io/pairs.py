"""Images with their labels."""

from __future__ import annotations

import os
from typing import Any

from ..images import ImageStack
from ..images.annotation_checks import is_labeled
from .images import read_images
from .labels import read_labels
from .points import read_points

_TABLES = (".csv", ".tsv")


def read_pairs(
    images: str | os.PathLike[str],
    labels: str | os.PathLike[str],
    *,
    spatial_ndim: int = 2,
    background: int | None = None,
) -> tuple[list[str], ImageStack, list[Any]]:
    """Read images, and labels or points for some of them.

    Parameters
    ----------
    images : str or path-like
        As `read_images` takes it.
    labels : str or path-like
        Label images or regions, as `read_labels` takes them, or a CSV or TSV table of points, as
        `read_points` takes it. They are paired with the images by name.
    spatial_ndim : {2, 3}, default=2
    background : int, default=None
        The class of labels of ilastik that is background, see `read_labels`.

    Returns
    -------
    names : list of str
    images : ImageStack
    labels : list of ndarray or None
        None for images without labels.

    Raises
    ------
    FileNotFoundError, ValueError
        As the readers do; for labels of another shape than their image, and if nothing is labeled.
    """
    names, X = read_images(images, spatial_ndim=spatial_ndim)
    if os.fspath(labels).lower().endswith(_TABLES):
        _, y = read_points(labels, names, spatial_ndim=spatial_ndim)
        return names, X, y
    shapes = [image.shape[:spatial_ndim] for image in X]
    _, y = read_labels(
        labels, names, spatial_ndim=spatial_ndim, shape=shapes, background=background
    )
    for name, image, label in zip(names, X, y, strict=True):
        if label is not None and image.shape[:spatial_ndim] != label.shape:
            raise ValueError(
                f"The label file of {name!r} in {labels} does not pair with its image: "
                f"shape {label.shape}, expected {image.shape[:spatial_ndim]}."
            )
    if not any(is_labeled(label) for label in y):
        raise ValueError(f"Nothing in {labels} is labeled.")
    return names, X, y
