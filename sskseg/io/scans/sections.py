"""A folder of sections, one image file each."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from . import tiff
from .scan import FileContent, check_level

SECTION_SUFFIXES = (*tiff.SUFFIXES, ".png", ".jpg", ".jpeg", ".bmp")


def open_sections(path: Path, level: int) -> FileContent:
    """Open the image files of a folder, in the order of the numbers in their names."""
    import dask
    import dask.array as da
    from skimage.io import imread

    check_level(level)
    files = [file for file in path.iterdir() if file.suffix.lower() in SECTION_SUFFIXES]
    if not files:
        raise ValueError(
            f"{path} holds no zarr and no image files ({', '.join(SECTION_SUFFIXES)})."
        )
    files.sort(key=lambda f: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", f.name)])
    first = imread(files[0])
    if first.ndim not in (2, 3):
        raise ValueError(f"{files[0]} must hold one section, got shape {first.shape}.")
    read = dask.delayed(_read_section, pure=True)
    sections = [da.from_delayed(read(str(f), first.shape), first.shape, first.dtype) for f in files]
    return FileContent(da.stack(sections), "zyx" + "c" * (first.ndim == 3))


def _read_section(path: str, shape: tuple[int, ...]) -> np.ndarray:
    from skimage.io import imread

    section = imread(path)
    if section.shape != shape:
        raise ValueError(f"{path} has shape {section.shape}, the first section {shape}.")
    return section
