"""A folder of sections, one image file each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..images import image_files, images_of, read_headers, read_pictures
from ..stacks import warn_of_section_numbers
from ..tiff import SUFFIXES as TIFF_SUFFIXES
from ..tiff import plain_series
from ..truncation import unreadable
from ..vendors import is_vendor_file, open_scenes
from .on_disk import ArrayOnDisk, as_box
from .scan import FileContent, check_level
from .tiff import own_chunks, read_region


def open_sections(path: Path, level: int) -> FileContent:
    """Open the image files of a folder, in the order of the numbers in their names.

    Raises
    ------
    ValueError
        If a file is not one section, or has another size or dtype than the first one.

    Warns
    -----
    UserWarning
        If the numbers in the names leave out sections, or begin again.
    """
    check_level(level)
    try:
        files = image_files(path)
    except FileNotFoundError as error:
        raise ValueError(f"{path} holds no zarr and no image files ({error})") from error
    warn_of_section_numbers(path, files, stacklevel=5)
    first = _section(files[0])
    _check_headers(files)
    shape, names = (len(files), *first.shape), tuple(file.name for file in files)
    array = _Sections(str(path), names, shape, first.dtype, _own_chunks(files[0], first.shape))
    chunks = (1, *array.choose_chunks()[1:])
    return FileContent(array.to_dask(chunks), "zyx" + "c" * (first.ndim == 3))


class _Sections(ArrayOnDisk):
    """Sections, of which boxes are read; `inside` are the names of their files."""

    def __getitem__(self, region: Any) -> np.ndarray:
        (sections, *box), part = as_box(region, self.shape)
        lengths = [each.stop - each.start for each in (sections, *box)]
        if 0 in lengths:  # dask asks for no pixels to find out the type of the array
            return np.empty(lengths, self.dtype)[part]
        files = [Path(self.path, name) for name in self.inside[sections]]
        return np.stack([self._read(file, tuple(box)) for file in files])[part]

    def _read(self, file, box):
        found = _read_tiff_region(file, box) if file.suffix.lower() in TIFF_SUFFIXES else None
        if found is None:  # the format has no regions, or its pixels are changed by reading
            section = _section(file)
            found = section.shape, section[box]
        shape, pixels = found
        _check_alike(file, (shape, pixels.dtype), (self.shape[1:], self.dtype))
        return pixels


def _read_tiff_region(file, box):
    """Shape of a section, and its region; None where pixels are not read as they are stored."""
    import tifffile

    try:
        with tifffile.TiffFile(file) as opened:
            series = plain_series(opened)
            if series is None:
                return None
            shape = tuple(series.shape)
            return shape, read_region(opened, series, box[: len(shape)])
    except Exception as error:  # decoders raise errors of many kinds
        raise unreadable(file, "an image", error) from error


def _own_chunks(file, shape):
    """Tiles of the first section with its channels, or the section where it has none."""
    import tifffile

    if file.suffix.lower() not in TIFF_SUFFIXES:
        return shape
    with tifffile.TiffFile(file) as opened:
        series = plain_series(opened)
        return shape if series is None else (own_chunks(series.keyframe) or (1, 1)) + shape[2:]


def _check_headers(files):
    """Compare the headers of all files of a format, without reading their pixels."""
    first: dict[Callable[[Path], tuple], tuple] = {}
    for file in files:
        read_header = _header_reader(file)
        header = read_header(file)
        _check_alike(file, header, first.setdefault(read_header, header))


def _check_alike(file, found, first):
    """Refuse a section of another shape or another dtype than the first one."""
    for what, own, expected in zip(("shape", "dtype"), found, first, strict=True):
        if own != expected:
            raise ValueError(f"{file} has {what} {own}, the first section {expected}.")


def _header_reader(file):
    if is_vendor_file(file):
        return _vendor_header
    return _tiff_header if file.suffix.lower() in TIFF_SUFFIXES else _raster_header


def _vendor_header(file):
    scene = open_scenes(file)[0]
    return scene.shape, str(scene.dtype)


def _tiff_header(file):
    header = read_headers(file)[0]
    return tuple(header.shape), str(header.dtype)


def _raster_header(file):
    from PIL import Image

    try:
        with Image.open(file) as opened:
            return opened.size[::-1], opened.mode
    except OSError as error:
        raise unreadable(file, "an image", error) from error


def _section(path):
    images = [image for each in read_pictures(path) for image in images_of(each, 2)]
    if len(images) != 1:
        raise ValueError(f"{path} must hold one section, got {len(images)}.")
    return np.asarray(images[0])
