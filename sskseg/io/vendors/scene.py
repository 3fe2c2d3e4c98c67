"""`Scene`: one image of a file, without its pixels; all libraries are read through it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

Box = tuple[slice, ...]  # from start to stop, in steps of one, along each axis
_FREE = "abdefghjklmnopruvw"  # letters without a meaning to `Picture`


class Scene(NamedTuple):
    """A scene, position or series of a file.

    Parameters
    ----------
    axes : str
        One letter for each axis, as in `Picture`.
    shape : tuple of int
    dtype : dtype
    read : callable
        ``read(box)`` opens the file, reads a box of pixels and closes the file. Can be pickled.
    spacing : dict of str to float
        Size of a pixel by axis, where the file defines it.
    units : dict of str to str
        Unit of `spacing` by axis.
    channels : tuple of str
        Names of the channels; empty where the file does not define them.
    chunks : tuple of int or None
        What is read at once, along the last axes; None: any box.
    """

    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[Box], np.ndarray]
    spacing: dict[str, float] = {}  # noqa: RUF012 - never written to
    units: dict[str, str] = {}  # noqa: RUF012
    channels: tuple[str, ...] = ()
    chunks: tuple[int, ...] | None = None


def missing_library(path: str | os.PathLike[str], package: str, extra: str) -> ImportError:
    """Make the error of a file whose library is not installed."""
    return ImportError(
        f'{path} needs the package {package}, which is not installed: pip install "sskseg[{extra}]"'
    )


def axis_letters(names: Iterable[str]) -> str:
    """Return a letter for each axis; free ones for axes that have none, or that of pages.

    Examples
    --------
    >>> axis_letters("TICYX")
    'tacyx'
    """
    lower = [name.lower() for name in names]
    free = iter([letter for letter in _FREE if letter not in lower])
    letters: list[str] = []
    for name in lower:
        is_plain = name.isascii() and len(name) == 1 and name.isalpha() and name not in "qi"
        letters.append(name if is_plain and name not in letters else next(free))
    return "".join(letters)


def long_axes(sizes: dict[str, int]) -> list[str]:
    """Return the names of the axes that are kept: y and x, and others longer than one pixel."""
    return [name for name, n in sizes.items() if n > 1 or name in ("Y", "X")]


def whole(shape: Sequence[int]) -> Box:
    """Return the box of all pixels."""
    return tuple(slice(0, n) for n in shape)


def read_planes(
    box: Box, n_loops: int, dtype: np.dtype, read: Callable[[tuple[int, ...], Box], np.ndarray]
) -> np.ndarray:
    """Read a box plane by plane.

    Parameters
    ----------
    box : tuple of slice
    n_loops : int
        Number of first axes along which planes are read one by one.
    dtype : dtype
    read : callable
        ``read(indices, box)`` reads a part of the plane at the indices along the first axes.

    Returns
    -------
    ndarray
    """
    loops, rest = box[:n_loops], box[n_loops:]
    lengths = [part.stop - part.start for part in box]
    pixels = np.empty(lengths, dtype)
    for at in np.ndindex(*lengths[:n_loops]):
        pixels[at] = read(tuple(p.start + i for p, i in zip(loops, at, strict=True)), rest)
    return pixels
