"""From the pixels of a label file to integers, and from these to masks and void values."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..images.label_values import LARGEST, count_components, is_interpolated, void_value
from .empty_pages import decided_pages, warn_of_zeros
from .pictures import Picture

_MAX_COLORS = 2**16
_UNSURE_MASK = 4294967295  # more often -1 that was saved as unsigned


class StoredLabels(NamedTuple):
    """Integers of a file, before masks and void values are decided.

    Parameters
    ----------
    file : Path
    images : list of ndarray of int, shape (height, width) or (depth, height, width)
    largest : int or None
        Largest value of the unsigned dtype of the file; None of other dtypes, and of colors.
    is_exact : bool
        Whether `write_labels` wrote it.
    """

    file: Path
    images: list[np.ndarray]
    largest: int | None
    is_exact: bool


def stored_labels(pictures: Sequence[Picture], spatial_ndim: int, file: Path) -> StoredLabels:
    """Read the integers of a file.

    Raises
    ------
    ValueError
        If it holds no labels; the message names it.

    Warns
    -----
    UserWarning
        If 0 is white, planes are stored as colors, or the background is not black.
    """
    images: list[np.ndarray] = []
    largest: set[int | None] = set()
    for picture in pictures:
        picture = picture._replace(pixels=_numbers_as_stored(picture, file))
        try:
            samples = picture.samples(spatial_ndim)
        except ValueError as error:
            raise ValueError(f"{file} cannot be read as labels: {error}.") from error
        if picture.is_lossy:
            _check_lossless(picture.pixels, file)
        for sample in samples:
            label, has_colors = _one_channel(sample, spatial_ndim, file)
            is_plain = label.dtype.kind == "u" and not has_colors
            largest.add(int(np.iinfo(label.dtype).max) if is_plain else None)
            # Colors have been examined as they are, before their background is black.
            images.append(_as_integers(label, file, check=not picture.is_exact and not has_colors))
    is_exact = all(picture.is_exact for picture in pictures)
    return StoredLabels(file, images, largest.pop() if len(largest) == 1 else None, is_exact)


def _numbers_as_stored(picture, file):
    """Pixels of labels: of numbers, MinIsWhite changes the display only; masks are inverted."""
    planes = [letter for letter in picture.axes.split("y")[0] if letter in "cs"]
    if planes and picture.pixels.shape[picture.axes.index(planes[0])] in (3, 4):
        _warn(
            f"{file} stores planes as channels: they are read as the colors of one label image. If "
            "they are sections, which tifffile stores so if there are 3 or 4, write them with "
            "photometric='minisblack'."
        )
    if picture.is_inverted:
        _warn(
            f"{file} is displayed with inverted gray levels (MinIsWhite): its values are read as "
            "they are stored, and 0 is background."
        )
    if picture.white is None:
        return picture.pixels
    values = set(np.unique(picture.pixels).tolist())  # what was stored as `white` is 0
    if 0 in values and values <= {0, picture.white}:
        return picture.pixels
    _warn(
        f"{file} is to be displayed with 0 as white (MinIsWhite), but holds numbers of objects: "
        "they are read as they are stored, and 0 is background."
    )
    return (picture.white - picture.pixels.astype(np.int64)).astype(picture.pixels.dtype)


def _check_lossless(pixels, file):
    values = np.unique(pixels)
    if len(values) > 2:
        raise ValueError(
            f"{file} is compressed with losses (as JPEG is), which change the values of labels: it "
            f"has {len(values)} of them. Save labels as PNG or TIFF without losses. A mask can be "
            "restored by a threshold."
        )


def _one_channel(sample, spatial_ndim, file):
    """Replace colors by numbers; return the label image, and whether it had colors."""
    if sample.ndim == spatial_ndim:
        return sample, False
    n = sample.shape[-1]
    if n not in (1, 3, 4):
        raise ValueError(f"{file} must hold labels of one channel, or colors, got {n} channels.")
    colors = sample[..., : min(n, 3)]
    if n == 4:
        colors = np.where(sample[..., 3:] > 0, colors, 0).astype(sample.dtype)
    if (colors == colors[..., :1]).all():
        return (_on_black(colors, file) if n > 1 else colors)[..., 0], False
    numbers = _numbered(colors)
    _check_colors(numbers, file)
    on_black = _on_black(colors, file)
    return numbers if on_black is colors else _numbered(on_black), True


def _numbered(colors):
    """Number the colors, black as 0."""
    flat = np.zeros(colors.shape[:-1], np.uint64)
    for channel in range(3):
        flat = flat * np.uint64(2**16) + colors[..., channel].astype(np.uint64)
    values, indices = np.unique(flat, return_inverse=True)
    numbers = np.arange(len(values)) + (values[0] != 0)
    return numbers[indices].reshape(flat.shape)


def _check_colors(label, file):
    n, found = len(np.unique(label)), count_components(label)
    if n > _MAX_COLORS or found.is_interpolated or found.is_photograph:
        raise ValueError(
            f"{file} holds {n} colors: this looks like a picture, or like labels that "
            "were resized or saved as JPEG. Expected a color for each object, without shades."
        )


def _on_black(colors, file):
    """Replace a background of another color by black: what most of the frame has."""
    sides = [colors[..., (0, -1), :, :], np.swapaxes(colors[..., 1:-1, (0, -1), :], -3, -2)]
    frame = np.concatenate([side.reshape(-1, 3) for side in sides])
    found, counts = np.unique(frame, axis=0, return_counts=True)
    color = found[counts.argmax()]
    if not color.any() or counts.max() <= len(frame) / 2:
        return colors
    shown = tuple(color.tolist())
    if not colors.any(axis=-1).all():
        is_white = color.dtype == np.uint8 and color.min() == LARGEST[0]
        if is_white or (color != color[0]).any():
            _warn(
                f"Most of the frame of {file} has the color {shown}, but there is black, too: this "
                f"is background, and {shown} is an object. Save the background as black."
            )
        return colors
    _warn(
        f"{file} holds no black, and most of its frame has the color {shown}: this is read as "
        "background. Save the background as black."
    )
    return np.where((colors == color).all(axis=-1, keepdims=True), 0, colors).astype(colors.dtype)


def _as_integers(label, file, *, check):
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
    if check and is_interpolated(label):
        raise ValueError(
            f"{file} has {len(np.unique(label))} values, most of them in rims between others or in "
            "specks: it looks like labels that were resized with interpolation or saved as JPEG, "
            "or like a picture. Resize labels without interpolation (order 0), and masks, too, or "
            "apply a threshold to them. If it is an image, keep it in another folder."
        )
    return label


def decided_labels(
    files: Sequence[StoredLabels], empty: str | None = None, regions: Sequence[Path] = ()
) -> list[np.ndarray]:
    """Decide for each file what its largest value and its pages of zeros mean.

    Parameters
    ----------
    files : sequence of StoredLabels
    empty : {"background", "unlabeled"} or None, default=None
        Meaning of pages of zeros, see `decided_pages`.
    regions : sequence of Path, default=()
        Files of regions that are read together with these: their objects are numbered.

    Returns
    -------
    list of ndarray of int
        0 background, > 0 objects, -1 unlabeled. A file whose only positive value is 1, or the
        largest value of an unsigned type, is a mask, of 0 and 1. The largest value of the dtype is
        -1 beside positive ones that are all less than half of it.

    Warns
    -----
    UserWarning
        If a value becomes -1, if a mask has no background, or stands beside numbered files or
        regions, if most pages hold zeros only, or if `empty` changes nothing in files of zeros.
    """
    images: list[np.ndarray] = []
    void_files: list[tuple[int, Path]] = []
    masks: list[Path] = []
    numbered: list[StoredLabels] = []
    for each in files:
        values = set[int]().union(*(np.unique(image).tolist() for image in each.images))
        void = void_value(values) if each.largest in values and not each.is_exact else None
        positive = {value for value in values if value > 0} - {void}
        is_mask = len(positive) == 1 and positive <= set(LARGEST) and not each.is_exact
        mask = max(positive) if is_mask else None
        if void is not None:
            void_files.append((void, each.file))
        if mask is not None:
            masks.append(each.file)
            _warn_of_full_mask(values, mask, each.file)
        elif positive - {1}:
            numbered.append(each)
        replaced = [_replaced(image, void, mask) for image in each.images]
        images += decided_pages(replaced, empty, each.file, is_exact=each.is_exact)
    if empty == "unlabeled":
        zeros = [each.file for each in files if not any(image.any() for image in each.images)]
        warn_of_zeros(images, zeros, len(files))
    _warn_of_void(void_files, numbered)
    others = [*(each.file for each in numbered), *regions]
    if masks and others:
        _warn(
            f"0 and one large value (as 255) are read as a mask, of 0 and 1, in {_listed(masks)}. "
            f"In {_listed(others)} objects are numbered, and beside them "
            "a mask is one object. Give masks, or a number to each object, in all files."
        )
    return images


def _warn_of_full_mask(values, mask, file):
    if min(values) > 0 or mask >= _UNSURE_MASK:
        beside = "only" if min(values) > 0 else "and 0 only"
        _warn(
            f"{file} holds {mask} {beside}: it is read as a mask, of 1 there. If these pixels are "
            "unlabeled, save them as -1 with write_labels."
        )


def _warn_of_void(found, numbered):
    """Warn once of the values that become -1, and of files in which they are objects."""
    for value in sorted({value for value, _ in found}):
        files = [file for each, file in found if each == value]
        objects = [
            each.file for each in numbered
            if each.file not in files and any((image == value).any() for image in each.images)
        ]  # fmt: skip
        but = f" In {_listed(objects)}, {value} is an object." if objects else ""
        _warn(
            f"{value} is read as -1 (unlabeled) in {_listed(files)}: it is the largest value of "
            f"the dtype, and all others are less than half of it.{but} If it is an object, save "
            "it with more bits; if not, save -1 with write_labels, which needs no such rule."
        )


def _listed(files):
    names = ", ".join(str(file) for file in files[:3])
    return names + (f" and {len(files) - 3} others" if len(files) > 3 else "")


def _warn(text):
    warnings.warn(text, UserWarning, stacklevel=4)


def _replaced(label: np.ndarray, void: int | None, mask: int | None) -> np.ndarray:
    """Replace the void value by -1, and the value of a mask by 1."""
    if void is None and mask is None:
        return label
    signed = label.astype(np.int64)
    if mask is not None:
        signed[label == mask] = 1
    if void is not None:
        signed[label == void] = -1
    return signed
