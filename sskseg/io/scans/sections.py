"""A folder of sections, one image file each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..images import image_files, read_images
from ..tiff import SUFFIXES as TIFF_SUFFIXES
from ..vendors import is_vendor_file, open_scenes
from .scan import FileContent, check_level


def open_sections(path: Path, level: int) -> FileContent:
    """Open the image files of a folder, in the order of the numbers in their names.

    Raises
    ------
    ValueError
        If a file is not one section, or has another size or dtype than the first one.
    """
    import dask
    import dask.array as da

    check_level(level)
    try:
        files = image_files(path)
    except FileNotFoundError as error:
        raise ValueError(f"{path} holds no zarr and no image files ({error})") from error
    first = _section(str(files[0]))
    _check_headers(files)
    read = dask.delayed(_read_section, pure=True)
    sections = [
        da.from_delayed(read(str(f), first.shape, first.dtype), first.shape, first.dtype)
        for f in files
    ]
    return FileContent(da.stack(sections), "zyx" + "c" * (first.ndim == 3))


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
    import tifffile

    try:
        with tifffile.TiffFile(file) as opened:
            series = opened.series[0]
            return tuple(series.shape), str(series.dtype)
    except Exception as error:  # decoders raise errors of many kinds
        raise ValueError(f"{file} cannot be read as an image: {error}.") from error


def _raster_header(file):
    from PIL import Image

    try:
        with Image.open(file) as opened:
            return opened.size[::-1], opened.mode
    except OSError as error:
        raise ValueError(f"{file} cannot be read as an image: {error}.") from error


def _section(path):
    _, images = read_images(path)
    if len(images) != 1:
        raise ValueError(f"{path} must hold one section, got {len(images)}.")
    return np.asarray(images[0])


def _read_section(path: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    section = _section(path)
    _check_alike(path, (section.shape, section.dtype), (shape, dtype))
    return section
