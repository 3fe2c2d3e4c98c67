"""Opening files of all vendors."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..pictures import Picture
from .bioio import SUFFIXES as BIOIO_SUFFIXES
from .bioio import open_bioio
from .czi import open_czi
from .lif import open_lif
from .nd2 import open_nd2
from .scene import Scene, whole

_FORMATS: dict[str, Callable[[Path], list[Scene]]] = {
    ".czi": open_czi, ".lif": open_lif, ".nd2": open_nd2,
}  # fmt: skip
SUFFIXES = tuple(_FORMATS)


def is_vendor_file(path: Path) -> bool:
    """Return whether a library for the files of a vendor reads a file, by its suffix."""
    return path.suffix.lower() in (*SUFFIXES, *BIOIO_SUFFIXES)


def open_scenes(path: Path) -> list[Scene]:
    """Return the scenes of a file, without reading their pixels.

    Raises
    ------
    ImportError
        If the library that reads the file is not installed.
    ValueError
        If the file cannot be read, is not complete, or holds no image; the message names it.
    """
    with naming(path):
        scenes = _FORMATS.get(path.suffix.lower(), open_bioio)(path)
    if not scenes:
        raise ValueError(f"{path} cannot be read as an image: it holds no image.")
    return scenes


def read_scenes(path: Path) -> list[Picture]:
    """Read all scenes of a file; errors are those of `open_scenes`."""
    scenes = open_scenes(path)
    with naming(path):
        return [
            Picture(
                scene.read(whole(scene.shape)),
                scene.axes,
                scene.spacing,
                scene.units,
                channels=scene.channels,
            )
            for scene in scenes
        ]


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Let the errors of a library name the file."""
    try:
        yield
    except (ImportError, MemoryError, PermissionError):
        raise
    except Exception as error:  # libraries raise errors of many kinds
        reason = str(error).rstrip(".")
        raise ValueError(f"{path} cannot be read as an image: {reason}.") from error
