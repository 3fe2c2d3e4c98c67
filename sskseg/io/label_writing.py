"""Write label images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..images.spacing import check_spacing
from ..images.validation import check_unmasked
from .atomic import atomic_path
from .tiff_metadata import MAX_CLASSIC, mark, with_size

_SUFFIXES = (".tif", ".tiff")


def write_labels(
    path: str | os.PathLike[str],
    labels: Sequence[np.ndarray],
    *,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
) -> None:
    """Write label images to a TIFF file, which `read_labels` reads as exactly these numbers.

    One image has the axes "YX", and a volume "ZYX". Several images of one shape are written as one
    series of pages ("QYX") or of volumes ("QZYX"), and images of different shapes as a series each.
    The dtype is the smallest of uint16, uint32 and int32 that fits, and int32 if there is a -1.

    Parameters
    ----------
    path : str or path-like
        Path with the suffix .tif or .tiff. The file appears when it is complete.
    labels : sequence of ndarray of int, shape (height, width) or (depth, height, width)
        Label images: 0 is background, -1 is unlabeled, positive numbers are objects. Floats must be
        whole numbers.
    spacing : sequence of float, default=None
        Size of a pixel along each axis, y and x last, for programs such as Fiji. The size along z
        is stored in files of one volume with labels from 0 to 65535.
    unit : str, default=None
        Unit of length of `spacing`. The file has no size without one.

    Raises
    ------
    ValueError
        If the suffix is another one, there is no image, an item is not a label image (None,
        fractions, NaN, masked pixels, values below -1), or a value needs more than 32 bits. The
        message names the item.
    """
    if Path(path).suffix.lower() not in _SUFFIXES:
        raise ValueError(
            f"{path} cannot be written: label files are TIFF, with a suffix of "
            f"{' or '.join(_SUFFIXES)}, got {Path(path).suffix!r}."
        )
    checked = [check_label_image(label, f"labels[{i}]") for i, label in enumerate(labels)]
    if not checked:
        raise ValueError(f"labels is empty: {path} would hold no image.")
    are_pages = len(checked) > 1 and len({label.shape for label in checked}) == 1
    series = [np.stack(checked)] if are_pages else checked
    axes = ["Q" * are_pages + "ZYX"[are_pages - each.ndim :] for each in series]
    sizes = check_spacing(spacing)
    if sizes is not None and len(series) > 1:  # of several volumes, ImageJ has no size along z
        sizes = sizes[-2:]
    _write(path, series, axes, sizes, unit)


def write_planes(
    path: str | os.PathLike[str],
    labels: np.ndarray,
    axes: str,
    *,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
) -> None:
    """Write the labels of a file of images to a TIFF file, with the axes of that file.

    Parameters
    ----------
    path : str or path-like
    labels : ndarray of int
    axes : str
        ``"YX"``, ``"ZYX"``, ``"TYX"`` or ``"TZYX"``.
    spacing, unit : sequence of float and str, default=None
        As for `write_labels`.
    """
    _write(path, [labels], [axes], check_spacing(spacing), unit)


def _write(path, series, axes, sizes, unit):
    """Write series of the smallest dtype that holds the labels of all of them."""
    import tifffile

    dtype = _smallest_dtype(series, path)
    series = [each.astype(dtype) for each in series]
    options = [
        with_size({"metadata": {"axes": own, **mark("labels")}}, each, sizes, unit)
        for own, each in zip(axes, series, strict=True)
    ]
    kind = {"bigtiff": _is_large(series), "imagej": options[0].pop("imagej", False)}
    with atomic_path(path) as part, tifffile.TiffWriter(part, **kind) as file:
        for each, own in zip(series, options, strict=True):
            file.write(
                each, compression="zlib", photometric="minisblack", contiguous=False, **own
            )  # fmt: skip


def check_label_image(label: Any, name: str) -> np.ndarray:
    """Check a label image that is to be written.

    Parameters
    ----------
    label : array-like
    name : str
        For messages.

    Returns
    -------
    ndarray of shape (height, width) or (depth, height, width)

    Raises
    ------
    ValueError
        If it is None or no label image: fractions, NaN, masked pixels, values below -1.
    """
    if label is None:
        raise ValueError(
            f"{name} is None: expected a label image. Give np.full(shape, -1) if it is unlabeled."
        )
    check_unmasked(label, name, "give them the label -1")
    label = np.asarray(label)
    if label.ndim not in (2, 3) or not label.size:
        raise ValueError(
            f"{name} must be a label image of shape (height, width) or (depth, height, width), got "
            f"shape {label.shape}."
        )
    if label.dtype.kind not in "biuf":
        raise ValueError(f"{name} must hold integers, got dtype {label.dtype}.")
    fractions = label[label != np.rint(label)] if label.dtype.kind == "f" else label[:0]
    if len(fractions):  # NaN, too, which is not equal to NaN
        raise ValueError(
            f"{name} must hold whole numbers, got {len(fractions)} pixels of fractions or NaN, as "
            f"{fractions[0]:g}."
        )
    if label.dtype.kind in "if" and label.min() < -1:
        raise ValueError(f"{name} must not hold values below -1 (unlabeled), got {label.min():g}.")
    return label


def _smallest_dtype(labels, path):
    low = min(label.min() for label in labels)
    high = max(label.max() for label in labels)
    for dtype in (np.uint16, np.uint32, np.int32):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return dtype
    raise ValueError(
        f"{path} cannot hold labels from {low:.0f} to {high:.0f}: 32 bits are not enough."
    )


def _is_large(labels):
    return sum(4 * label.size for label in labels) > MAX_CLASSIC
