"""Read and write label images."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..images.label_values import is_interpolated, void_value
from .atomic import atomic_path
from .images import (
    SUFFIXES,
    check_names,
    image_files,
    label_files,
    list_images,
    number,
    read_pictures,
    stem,
    without_label_suffix,
)

_MASK_VALUES = (1, 255, 65535)
_MAX_COLORS = 2**16


def read_labels(
    path: str | os.PathLike[str], names: Sequence[str] | None = None, *, spatial_ndim: int = 2
) -> tuple[list[str], list[np.ndarray | None]]:
    """Read label images: 0 background, > 0 objects, -1 unlabeled.

    Palette images give their indices. In RGB and RGBA each color is an object; black and
    transparent pixels are background, and gray colors their gray value. 255, 65535 and 4294967295
    beside small values are -1. Files that hold 0 and 255 (or 65535) only are masks, of 0 and 1.
    Floats must be whole numbers.

    Parameters
    ----------
    path : str or path-like
        File or folder, as for `read_images`. In a folder that holds images, too, only label files
        are read ("cell_mask.png" beside "cell.tif").
    names : sequence of str, default=None
        Names of images, as `read_images` returns them, to pair label files with: "cell.tif" with
        "cell.png", "cell_mask.png", "cell_cp_masks.png" or "cell_label.tif". A file of several
        pages pairs with as many images in their order.
    spatial_ndim : {2, 3}, default=2

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
        If a file holds no labels (fractions, colors of a photograph, the gray edges of a mask that
        was resized or saved as JPEG), if two files pair with one image, or one with none; the
        message names it.

    Warns
    -----
    UserWarning
        If gray levels are inverted for display, or some files are masks of 0 and 255 and others
        are not.
    """
    found, raw, sources = [], [], []
    for file in _label_sources(path):
        samples = [s for p in read_pictures(file) for s in _samples(p, spatial_ndim, file)]
        name = file.with_name(without_label_suffix(stem(file)) + file.suffix)
        found += number(name, len(samples))
        raw += samples
        sources += [file] * len(samples)
    labels = _decided(raw, sources)
    if names is None:
        return found, list(labels)
    return list(names), _paired(list(names), found, labels, sources, Path(path))


def write_labels(path: str | os.PathLike[str], labels: Sequence[np.ndarray]) -> None:
    """Write label images to a TIFF file, in the smallest of uint16, uint32 and int32 that fits.

    Images of one shape become the pages of one series, others a series each.

    Parameters
    ----------
    path : str or path-like
        It appears when it is complete.
    labels : sequence of ndarray of int, shape (height, width) or (depth, height, width)

    Raises
    ------
    ValueError
        If a value does not fit into 32 bits.
    """
    import tifffile

    labels = [np.asarray(label) for label in labels]
    dtype = _smallest_dtype(labels, path)
    series = [np.stack(labels)] if len({label.shape for label in labels}) == 1 else labels
    with atomic_path(path) as part, tifffile.TiffWriter(part, bigtiff=_is_large(labels)) as file:
        for each in series:
            file.write(
                each.astype(dtype), compression="zlib", photometric="minisblack", contiguous=False
            )


def _smallest_dtype(labels, path):
    low = min((int(label.min()) for label in labels if label.size), default=0)
    high = max((int(label.max()) for label in labels if label.size), default=0)
    for dtype in (np.uint16, np.uint32, np.int32):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return dtype
    raise ValueError(f"{path} cannot hold labels from {low} to {high}: 32 bits are not enough.")


def _is_large(labels):
    return sum(4 * label.size for label in labels) > 2**31


def _label_sources(path):
    path = Path(path)
    if not path.is_dir():
        return image_files(path)
    files = list_images(path)
    if not files:
        raise FileNotFoundError(f"No label files ({', '.join(SUFFIXES)}) in {path}.")
    files = label_files(files) or files
    check_names(files, lambda file: without_label_suffix(stem(file)))
    return files


def _samples(picture, spatial_ndim, file):
    """Label images of one picture, as integers."""
    if picture.is_inverted:
        warnings.warn(
            f"{file} is displayed with inverted gray levels (MinIsWhite): its values are read as "
            "they are stored, and 0 is background.",
            UserWarning,
            stacklevel=3,
        )
    try:
        samples = picture.samples(spatial_ndim)
    except ValueError as error:
        raise ValueError(f"{file} cannot be read as labels: {error}.") from error
    if picture.is_lossy:
        _check_lossless(picture.pixels, file)
    return [_as_integers(_one_channel(s, spatial_ndim, file), file) for s in samples]


def _check_lossless(pixels, file):
    values = np.unique(pixels)
    if len(values) > 2:
        raise ValueError(
            f"{file} is a JPEG, which changes the values of labels: it has {len(values)} of them. "
            "Save labels as PNG or TIFF. A mask can be restored by a threshold."
        )


def _one_channel(sample, spatial_ndim, file):
    """Replace colors by numbers."""
    if sample.ndim == spatial_ndim:
        return sample
    n = sample.shape[-1]
    if n not in (1, 3, 4):
        raise ValueError(f"{file} must hold labels of one channel, or colors, got {n} channels.")
    colors = sample[..., : min(n, 3)]
    if n == 4:
        colors = np.where(sample[..., 3:] > 0, colors, 0)
    if (colors == colors[..., :1]).all():
        return colors[..., 0]
    return _numbered(colors, file)


def _numbered(colors, file):
    """Number the colors, black as 0."""
    flat = np.zeros(colors.shape[:-1], np.uint64)
    for channel in range(3):
        flat = flat * np.uint64(2**16) + colors[..., channel].astype(np.uint64)
    values, indices = np.unique(flat, return_inverse=True)
    numbers = np.arange(len(values)) + (values[0] != 0)
    labels = numbers[indices].reshape(flat.shape)
    if len(values) > _MAX_COLORS or is_interpolated(labels):
        raise ValueError(
            f"{file} holds {len(values)} colors: this looks like a picture, or like labels that "
            "were resized or saved as JPEG. Expected a color for each object, without shades."
        )
    return labels


def _as_integers(label, file):
    if label.dtype == bool:
        return label.astype(np.uint8)
    if label.dtype.kind == "f":
        if not np.isfinite(label).all() or (label != np.rint(label)).any():
            raise ValueError(
                f"{file} must hold whole numbers as labels, got fractions or NaN from "
                f"{np.nanmin(label):g} to {np.nanmax(label):g}. Apply a threshold to probabilities."
            )
        label = label.astype(np.int64)
    if label.dtype.kind not in "iu":
        raise ValueError(f"{file} must hold integers as labels, got dtype {label.dtype}.")
    if is_interpolated(label):
        raise ValueError(
            f"{file} has {len(np.unique(label))} gray levels, falling off at edges: it looks like "
            "a mask that was resized with interpolation. Resize it without (order 0), or apply a "
            "threshold."
        )
    return label


def _decided(labels, sources):
    """Decide for all files together what their largest value means."""
    values = [set(np.unique(label).tolist()) for label in labels]
    void = void_value(set().union(*values))
    if not any({0, void} < each - {-1} for each in values):  # never beside labels
        void = None
    positive = [{value for value in each if value > 0} - {void} for each in values]
    whole = set().union(*positive)
    if len(whole) == 1 and whole <= set(_MASK_VALUES):
        (mask,) = whole
        return [_replaced(label, void, mask if mask > 1 else None) for label in labels]
    masks = [source for source, each in zip(sources, positive, strict=True) if each == {255}]
    if masks and len(masks) < len(labels):
        warnings.warn(
            f"{masks[0]} holds 0 and 255 only, and other files do not: 255 is one object there. "
            "Give masks, or a number to each object, in all files.",
            UserWarning,
            stacklevel=3,
        )
    return [_replaced(label, void, None) for label in labels]


def _replaced(label: Any, void: int | None, mask: int | None) -> np.ndarray:
    """Replace the void value by -1, and the value of a mask by 1."""
    if void is None and mask is None:
        return label
    signed = label.astype(np.int64)
    if mask is not None:
        signed[label == mask] = 1
    if void is not None:
        signed[label == void] = -1
    return signed


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
