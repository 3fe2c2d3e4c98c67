"""Read images, with errors and warnings that name the file."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..images import ImageStack
from . import rasters, tiff
from .pictures import Picture
from .units import convert_spacing

SUFFIXES = (*tiff.SUFFIXES, *rasters.SUFFIXES)
LABEL_SUFFIXES = ("_cp_masks", "_masks", "_mask", "_labels", "_label", "_seg", "_gt")


def read_images(
    path: str | os.PathLike[str], *, spatial_ndim: int = 2
) -> tuple[list[str], ImageStack]:
    """Read the images of a file or of a folder.

    All images of all series of a file are read. Channels come last, whatever their place in the
    file; images are turned upright as their EXIF says. Palettes become colors, except for those
    that are a ramp (the lookup table of a gray image).

    Parameters
    ----------
    path : str or path-like
        TIFF (also of ImageJ, OME-TIFF), PNG, JPEG or BMP, or a folder of them, in natural order
        ("2" before "10"). Hidden files are left out, and label files beside images
        ("cell_mask.png" beside "cell.tif").
    spatial_ndim : {2, 3}, default=2
        2: each plane along z and time is an image. 3: each volume is one.

    Returns
    -------
    names : list of str
        Name of the file of each image without its suffix, with a number if it holds several.
    images : ImageStack
        With the size of a pixel (`spacing`, `unit`) if the files define it.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or no image in the folder.
    ValueError
        If a file cannot be read, or belongs to a set of which files are missing; the message names
        it.

    Warns
    -----
    UserWarning
        If files have pixels of unlike sizes, or sizes that cannot be converted to one unit: they
        are left out.
    """
    names, images, sizes = [], [], []
    for file in image_files(path):
        pictures = read_pictures(file)
        found = _named(lambda p: [_in_color(p, s) for s in p.samples(spatial_ndim)], pictures, file)
        names += number(file, len(found))
        images += found
        sizes.append((file, _spacing(pictures[0], file)))
    spacing, unit = _common(sizes)
    return names, ImageStack(images, spacing=spacing, unit=unit)


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Read one image file as one array, as it is stored.

    Parameters
    ----------
    path : str or path-like
        As for `read_images`.

    Returns
    -------
    ndarray of shape (height, width), (height, width, channels) or (pages, height, width, ...)

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be read as an image, or holds images of several shapes; the message names it.
    """
    pictures = read_pictures(_existing(path))
    if len(pictures) > 1:
        raise ValueError(
            f"{path} holds {len(pictures)} images of shapes {[p.pixels.shape for p in pictures]}: "
            "expected one, or pages of one shape. See read_images."
        )
    return pictures[0].pixels


def read_pictures(path: Path) -> list[Picture]:
    """Read all pictures of a file, with errors that name it."""
    try:
        if path.suffix.lower() in tiff.SUFFIXES:
            pictures = tiff.read_tiff(path)
        else:
            pictures = [rasters.read_raster(path)]
    except Exception as error:  # decoders raise errors of many kinds
        raise ValueError(f"{path} cannot be read as an image: {error}.") from error
    # tifffile only logs that the first page is not there
    if not pictures or any(p.pixels.size == 0 or p.pixels.ndim < 2 for p in pictures):
        raise ValueError(f"{path} cannot be read as an image: it holds no page of pixels.")
    return pictures


def image_files(path: str | os.PathLike[str]) -> list[Path]:
    """List the files of `read_images`: the file itself, or the images of the folder.

    Of an OME-TIFF that is spread over several files, the first stands for all.
    """
    path = Path(path)
    if not path.is_dir():
        return [_existing(path)]
    files = list_images(path)
    labels = label_files(files)
    files = [file for file in files if file not in labels]
    if not files:
        raise FileNotFoundError(f"No image files ({', '.join(SUFFIXES)}) in {path}.")
    check_names(files, stem)
    chosen, read = [], set()
    for file in files:
        if file.name not in read:
            chosen.append(file)
            read |= _set_of(file)
    return chosen


def check_names(files: list[Path], name_of: Callable[[Path], str]) -> None:
    """Refuse two files of one name, of which one would take the place of the other."""
    known: dict[str, Path] = {}
    for file in files:
        other = known.setdefault(name_of(file), file)
        if other is not file:
            raise ValueError(
                f"{other} and {file} have one name, {name_of(file)!r}, by which images and labels "
                "are paired. Remove or rename one of them."
            )


def _set_of(file):
    """Names of the files of an OME-TIFF; errors are left to the reader, which names the file."""
    if not file.name.lower().endswith((".ome.tif", ".ome.tiff")):
        return set()
    try:
        return tiff.series_files(file)
    except Exception:  # decoders raise errors of many kinds
        return set()


def _existing(path):
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No image file at {path}.")
    return path


def list_images(folder: str | os.PathLike[str]) -> list[Path]:
    """List the image files of a folder in natural order, without hidden ones."""
    files = (f for f in Path(folder).iterdir() if not f.name.startswith("."))
    return sorted(
        (f for f in files if f.suffix.lower() in SUFFIXES and f.is_file()), key=natural_key
    )


def label_files(files: list[Path]) -> list[Path]:
    """Find label files among images: their name is that of another file and a suffix of labels."""
    stems = {stem(file) for file in files}
    return [file for file in files if without_label_suffix(stem(file)) in stems - {stem(file)}]


def stem(path: Path) -> str:
    """Return the name of a file without ".tif", and without ".ome" before it."""
    name = path.stem
    return name[: -len(".ome")] if name.lower().endswith(".ome") else name


def without_label_suffix(name: str) -> str:
    """Remove what programs add to the name of an image for its labels."""
    found = next((s for s in LABEL_SUFFIXES if name.lower().endswith(s)), "")
    return name[: len(name) - len(found)]


def natural_key(path: str | os.PathLike[str]) -> list[tuple[int, str]]:
    """Return a sort key under which "section2" comes before "section10"."""
    parts = re.split(r"(\d+)", Path(path).name)
    return [(int(part), "") if part.isdigit() else (0, part) for part in parts]


def number(file: Path, n: int) -> list[str]:
    """Name the images of a file."""
    return [stem(file)] if n == 1 else [f"{stem(file)}_{i:04d}" for i in range(n)]


def _named(function: Callable[[Picture], list], pictures: list[Picture], file: Path) -> list[Any]:
    """Apply a function to pictures; its errors name the file."""
    try:
        return [item for picture in pictures for item in function(picture)]
    except ValueError as error:
        raise ValueError(f"{file} cannot be read: {error}.") from error


def _in_color(picture, pixels):
    """Apply a palette, unless it is a ramp."""
    palette = picture.palette
    if palette is None or _is_ramp(palette) or pixels.ndim != 2:
        return pixels
    return palette[pixels]


def _is_ramp(palette):
    steps = np.diff(palette.astype(int), axis=0)
    return bool((steps >= 0).all() or (steps <= 0).all())


def _spacing(picture, file):
    """Size of a pixel (y and x, and z if the file has it) and unit; None where it is unknown."""
    try:
        spacing, unit = convert_spacing(picture.spacing, picture.units, None, file)
    except ValueError as error:  # images can be read without
        warnings.warn(f"{error} Sizes are left out.", UserWarning, stacklevel=3)
        return None, None
    axes = [axis for axis in "zyx" if axis in spacing]
    if not {"y", "x"} <= set(axes):
        return None, None
    return tuple(spacing[axis] for axis in axes), unit


def _common(sizes):
    """Size of a pixel that all files share."""
    spacings = {size for _, size in sizes}
    if len(spacings) == 1:
        return spacings.pop()
    examples = {size: file.name for file, size in sizes}
    listed = "; ".join(f"{name}: {size} {unit}" for (size, unit), name in [*examples.items()][:3])
    warnings.warn(
        f"The images have pixels of unlike sizes ({listed}): spacing is left out.",
        UserWarning,
        stacklevel=3,
    )
    return None, None
