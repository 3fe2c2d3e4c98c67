"""Read image files, with errors that name them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp")


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Read one image file; a TIFF of several pages is one array.

    Parameters
    ----------
    path : str or path-like
        TIFF, PNG, JPEG or another format that `skimage.io.imread` reads.

    Returns
    -------
    ndarray of shape (height, width), (height, width, channels) or (pages, height, width, ...)

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be read as an image; the message names it.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No image file at {path}.")
    try:
        image = _decode(path)
    except Exception as error:  # decoders raise errors of many kinds
        raise ValueError(f"{path} cannot be read as an image: {error}") from error
    if image.size == 0 or image.ndim < 2:  # tifffile only logs that the first page is not there
        raise ValueError(f"{path} cannot be read as an image: it holds no page of pixels.")
    return image


def _decode(path):
    # Imported here: estimators import this package for their model files alone.
    if path.suffix.lower() in (".tif", ".tiff"):
        import tifffile

        return np.asarray(tifffile.imread(path))
    from skimage.io import imread

    return np.asarray(imread(path))


def read_images(path: str | os.PathLike[str]) -> tuple[list[str], list[np.ndarray]]:
    """Read the images of a file or of a folder.

    Parameters
    ----------
    path : str or path-like
        File or folder. A TIFF of several pages is a stack of sections; a folder is read in natural
        order ("2" before "10").

    Returns
    -------
    names : list of str
        Stem of the file of each image, with the number of the page if the file has several.
    images : list of ndarray

    Raises
    ------
    FileNotFoundError
        If there is no such file, or no image in the folder.
    ValueError
        If a file cannot be read; the message names it.
    """
    path = Path(path)
    if path.is_dir():
        files = list_images(path)
        if not files:
            raise FileNotFoundError(f"No image files ({', '.join(SUFFIXES)}) in {path}.")
        return [file.stem for file in files], [read_image(file) for file in files]
    image = read_image(path)
    # Three axes of which the last is short are one page in color, not narrow sections.
    one_page = image.ndim == 2 or (image.ndim == 3 and image.shape[-1] <= 4)
    pages = image[None] if one_page else image
    if len(pages) == 1:
        return [path.stem], [pages[0]]
    return [f"{path.stem}_{i:04d}" for i in range(len(pages))], list(pages)


def list_images(folder: str | os.PathLike[str]) -> list[Path]:
    """List the image files of a folder in natural order."""
    files = [f for f in Path(folder).iterdir() if f.suffix.lower() in SUFFIXES and f.is_file()]
    return sorted(files, key=natural_key)


def natural_key(path: str | os.PathLike[str]) -> list[tuple[int, str]]:
    """Return a sort key under which "section2" comes before "section10"."""
    parts = re.split(r"(\d+)", Path(path).name)
    return [(int(part), "") if part.isdigit() else (0, part) for part in parts]
