"""Checks of labels before anything is written."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...images.validation import check_unmasked
from ..scans.ome_zarr import is_zarr

_NAME = re.compile(r"(?!__)[\w-]([\w. -]*[\w-])?")


def check_label_name(name: Any) -> None:
    """Refuse names that are no name of a single folder on each system."""
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name == "zarr.json":
        raise ValueError(
            "name must be that of a folder, of letters, digits, '_', '-' and, between them, '.' "
            f"and spaces, got {name!r}."
        )


def check_labels(
    labels: Any, axes: Sequence[str], shapes: Sequence[tuple[int, ...]], path: Path
) -> Any:
    """Return labels with all axes of their image.

    Parameters
    ----------
    labels : array-like
    axes : sequence of str
        Names of those of the image without channels.
    shapes : sequence of tuple of int
        Of the image without channels, at each level.
    path : Path
        Of the image, for messages.

    Returns
    -------
    ndarray or dask array of int or bool

    Raises
    ------
    ValueError
        For another shape or dtype.
    """
    check_unmasked(labels, "labels", "give them the label -1")
    labels = labels if hasattr(labels, "dask") else np.asarray(labels)
    if labels.dtype.kind not in "biu":
        raise ValueError(f"labels of {path} must hold integers, got dtype {labels.dtype}.")
    shape = shapes[0]
    bare, kept = _without_short_axes(labels.shape), _without_short_axes(shape)
    if [labels.shape[i] for i in bare] != [shape[i] for i in kept]:
        raise ValueError(_of_another_shape(labels, axes, shapes, path))
    labels = labels[tuple(slice(None) if i in bare else 0 for i in range(labels.ndim))]
    return labels[tuple(slice(None) if i in kept else None for i in range(len(shape)))]


def in_smallest_dtype(labels: Any) -> Any:
    """Return labels in the smallest integer type that holds them, which viewers expect.

    Parameters
    ----------
    labels : ndarray or dask array of int or bool

    Returns
    -------
    ndarray or dask array
        Unsigned, and signed only where a label is negative. Of dask as it is: the largest label is
        unknown before all blocks are computed.
    """
    if hasattr(labels, "dask") or labels.dtype.kind == "b" or not labels.size:
        return labels
    return labels.astype(smallest_dtype(int(labels.min()), int(labels.max())), copy=False)


def smallest_dtype(low: int, high: int) -> np.dtype:
    """Return the smallest integer type that holds two numbers, an unsigned one if possible."""
    kinds = "u" if low >= 0 else "i"
    types = [np.dtype(f"{kinds}{n}") for n in (1, 2, 4, 8)]
    return next(t for t in types if np.iinfo(t).min <= low and high <= np.iinfo(t).max)


def _without_short_axes(shape):
    """Axes that are longer than 1, and the last two."""
    return [i for i, size in enumerate(shape) if size > 1 or i >= len(shape) - 2]


def _of_another_shape(labels, axes, shapes, path):
    coarse = [level for level, other in enumerate(shapes) if labels.shape == other]
    return (
        f"labels must have the shape {shapes[0]} of {path} without channels, axes "
        f"{', '.join(axes)}, got {labels.shape}"
        + (f", the shape of its level {coarse[0]}: enlarge them." if coarse else ".")
    )


def check_target(path: Path, target: Path, overwrite: bool) -> None:
    """Refuse a place for labels that is taken, or cannot be written to.

    Parameters
    ----------
    path, target : Path
        Of the groups of the image and of the labels.
    overwrite : bool
    """
    folder = target.parent
    if target.exists() and not overwrite:
        raise ValueError(f"{target} exists: choose another name, or overwrite=True.")
    if folder.exists() and not is_zarr(folder):
        raise ValueError(f"{folder} is no group of zarr: labels would not be found in it.")
    for each in (path, folder):
        if each.exists() and not os.access(each, os.W_OK):
            raise ValueError(f"{each} cannot be written to.")
