"""Opening scans of all formats."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..units import convert_spacing
from ..vendors import BIOIO_SUFFIXES
from ..vendors import SUFFIXES as VENDOR_SUFFIXES
from . import hdf5, tiff
from .ome_zarr import holds_image, is_zarr, open_zarr
from .scan import FileContent, Scan
from .sections import open_sections
from .vendors import open_vendor_file

# A format of one file: its suffixes, and a function of path, place inside, level and chunks.
_FILE_FORMATS: list[tuple[tuple[str, ...], Callable[[Path, str, int, Any], FileContent]]] = [
    (hdf5.SUFFIXES, hdf5.open_hdf5),
    (tiff.SUFFIXES, tiff.open_tiff),
    ((*VENDOR_SUFFIXES, *BIOIO_SUFFIXES), open_vendor_file),
]
_WITH_INSIDE = "|".join(
    suffix[1:]
    for suffix in (*hdf5.SUFFIXES, ".zarr", ".tiff", ".tif", *VENDOR_SUFFIXES, *BIOIO_SUFFIXES)
)


def open_scan(
    path: str | os.PathLike,
    *,
    level: int = 0,
    axes: str | None = None,
    spacing: Sequence[float] | None = None,
    unit: str | None = None,
    chunks: Any = "auto",
) -> Scan:
    """Open a scan without reading its pixels.

    Parameters
    ----------
    path : str or path-like
        OME-Zarr or zarr (a folder), HDF5 (``file.h5`` with one dataset, or ``file.h5:/data``),
        TIFF, BigTIFF or OME-TIFF (``scan.tif:1`` is the second of its series), nd2, CZI or LIF
        (``scan.czi:1`` is the second of its scenes, positions or images; of a mosaic, all tiles),
        other formats of microscopes through bioio, or a folder of sections, one image file each, in
        the order of the numbers in their names. A group of labels of OME-Zarr is opened if it holds
        one image.
    level : int, default=0
        Of the resolution pyramid; 0 is the finest, and the only one of nd2, CZI, LIF and bioio.
    axes : str, default=None
        Of "z", "y", "x" and "c", one letter for each axis in the file; None: as the file defines
        them, or "yx" and "zyx" where it does not. "t" and other axes must have length 1.
    spacing : sequence of float, default=None
        Of the spatial axes; None: as the file defines it (OME-Zarr, OME-TIFF, what ImageJ writes,
        files of microscopes), 1 where it does not. Axes in other units are converted to that of x.
    unit : str, default=None
        Of `spacing`. Where `spacing` is None, the spacing of the file is converted to it; None: the
        unit of the file.
    chunks : int, tuple or "auto", default="auto"
        Of the lazy array where the file has none; see `dask.array.from_array`.

    Returns
    -------
    Scan

    Raises
    ------
    FileNotFoundError
        If nothing is at `path`.
    ValueError
        If it is not a scan, has no such level or dataset, or other axes than `axes`; or if its
        spacing cannot be converted to one unit.
    ImportError
        If the library that reads the format is not installed (extra ``scans``; ``nd2``, ``czi`` and
        ``lif``, or ``vendors`` for the three).

    Warns
    -----
    UserWarning
        If the file defines the size of a pixel along some axes only; along the others it is 1. If
        it holds several series, and none is chosen.
    """
    name, separator, inside = split_path(str(path))
    where = Path(name).absolute()  # workers may have another folder
    content = _open(where, inside, level, chunks)
    steps: Any = spacing
    if spacing is None:
        steps, unit = convert_spacing(content.spacing, content.units, unit, where)
    source = f"{where}{separator}{inside}"
    scan = _ordered(content.data, axes or content.axes, steps, unit, source)
    return replace(scan, channels=content.channels if "c" in scan.axes else ())


def _open(where, inside, level, chunks):
    """Open a path with the module of its format."""
    if not where.exists():
        raise FileNotFoundError(f"No scan at {where}.")
    if where.is_dir():
        return open_zarr(where, inside, level) if is_zarr(where) else open_sections(where, level)
    for suffixes, open_file in _FILE_FORMATS:
        if where.suffix.lower() in suffixes:
            return open_file(where, inside, level, chunks)
    raise ValueError(
        f"{where} is not a scan: expected zarr, HDF5 ({', '.join(hdf5.SUFFIXES)}), TIFF "
        f"({', '.join(tiff.SUFFIXES)}), a file of a microscope ({', '.join(VENDOR_SUFFIXES)}) or a "
        "folder of sections."
    )


def split_path(path: str) -> tuple[str, str, str]:
    """Split a path into a file, a colon, and what is inside; the colon of a Windows drive stays."""
    match = re.match(rf"^(.*\.(?:{_WITH_INSIDE}))(:/?)(.*)$", path, re.IGNORECASE)
    return (match[1], match[2], match[3]) if match else (path, "", "")


def image_group(source: str) -> Path | None:
    """Find the image of OME-Zarr that a scan was opened from, by its `source`; None: another."""
    name, _, inside = split_path(source)
    path = Path(name, inside)
    return path if holds_image(path) else None


def _ordered(data, axes, spacing, unit, source):
    """Return a scan with spatial axes in the order z, y, x, then channels."""
    if axes is None:
        axes = {2: "yx", 3: "zyx", 4: "zyxc"}.get(data.ndim, "")
    axes = axes.lower()
    if len(axes) != data.ndim or len(set(axes)) < len(axes):
        raise ValueError(
            f"axes must name each of the {data.ndim} axes of shape {data.shape} once, got {axes!r}."
        )
    for letter in [a for a in axes if a not in "zyxc"]:
        at = axes.index(letter)
        if data.shape[at] != 1:
            raise ValueError(
                f"Axis {letter!r} has length {data.shape[at]}: only z, y, x and c may be longer "
                "than 1."
            )
        data, axes = data[(slice(None),) * at + (0,)], axes.replace(letter, "")
    if not {"y", "x"} <= set(axes):
        raise ValueError(f"A scan has the axes y and x at least, got {axes!r}.")
    order = [axes.index(letter) for letter in "zyxc" if letter in axes]
    spatial = "".join(letter for letter in "zyx" if letter in axes)
    steps = _spacing(spacing, spatial, source)
    ordered = spatial + ("c" if "c" in axes else "")
    return Scan(data.transpose(order), ordered, steps, unit, source)


def _spacing(spacing, spatial, source):
    if isinstance(spacing, dict):
        missing = [letter for letter in spatial if letter not in spacing]
        if 0 < len(missing) < len(spatial):
            warnings.warn(
                f"{source} does not define the size of a pixel along {', '.join(missing)}: 1 is "
                "assumed. Give spacing.",
                UserWarning,
                stacklevel=4,
            )
        return tuple(float(spacing.get(letter, 1.0)) for letter in spatial)
    steps = tuple(float(step) for step in spacing)
    if len(steps) != len(spatial) or not all(0 < step < np.inf for step in steps):
        raise ValueError(f"spacing must be {len(spatial)} positive numbers, got {spacing!r}.")
    return steps
