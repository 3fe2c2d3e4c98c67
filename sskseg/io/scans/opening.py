"""Opening scans of all formats."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..channels import TrainedChannel, channel_index
from ..storage import check_no_options, is_url, open_storage
from ..units import convert_spacing
from ..vendors import BIOIO_SUFFIXES
from ..vendors import SUFFIXES as VENDOR_SUFFIXES
from . import hdf5, tiff
from .ome_zarr import holds_image, is_zarr, is_zarr_storage, open_zarr
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
    channel: int | str | TrainedChannel | None = None,
    chunks: Any = "auto",
    storage_options: Mapping[str, Any] | None = None,
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
        one image. OME-Zarr and zarr may be in an object store, ``s3://bucket/scan.zarr``.
    level : int, default=0
        Level of the resolution pyramid. 0 is the finest, and the only one of nd2, CZI, LIF and
        bioio.
    axes : str, default=None
        One letter for each axis in the file: "z", "y", "x" or "c". None: as the file defines them,
        or "yx", "zyx" and "zyxc" if it does not. "t" and other axes must have length 1.
    spacing : sequence of float, default=None
        Size of a pixel along the spatial axes. None: as the file defines it (OME-Zarr, OME-TIFF,
        files of ImageJ and of microscopes), or 1 if it does not. Axes in other units are converted
        to that of x.
    unit : str, default=None
        Unit of `spacing`. If `spacing` is None, the spacing of the file is converted to this unit.
        None is the unit of the file.
    channel : int, str or TrainedChannel, default=None
        The only channel to open: its index, from 0, or its name, if the file has names. None opens
        all channels.
    chunks : int, tuple or "auto", default="auto"
        Chunks of the lazy array if the file has none; see `dask.array.from_array`.
    storage_options : dict, default=None
        For a URL: options of the file system of fsspec, such as ``endpoint_url``, ``key`` and
        ``secret`` of s3. Other options come from the environment.

    Returns
    -------
    Scan

    Raises
    ------
    FileNotFoundError
        If nothing is at `path`.
    PermissionError
        If an object store refuses the credentials.
    ValueError
        If it is not a scan, has no such level, dataset or channel, or other axes than `axes`; or if
        its spacing cannot be converted to one unit.
    ImportError
        If the library that reads the format is not installed (extra ``scans``; ``nd2``, ``czi`` and
        ``lif``, or ``vendors`` for the three), or fsspec or the library of an object store (extra
        ``cloud``).

    Warns
    -----
    UserWarning
        If the file defines the size of a pixel along some axes only; along the others it is 1. If
        it holds several series, and none is chosen. If the numbers in the names of sections leave
        out some: those before and after are neighbors.
    """
    name, separator, inside = split_path(str(path))
    where: Any
    if is_url(name):
        where = name.rstrip("/")
        content = _open_url(where, storage_options, inside, level)
    else:
        where = Path(name).absolute()  # workers may have another folder
        check_no_options(storage_options, name)
        content = _open(where, inside, level, chunks)
    steps: Any = spacing
    if spacing is None:
        steps, unit = convert_spacing(content.spacing, content.units, unit, where)
    source = f"{where}{separator}{inside}"
    scan = _ordered(content.data, axes or content.axes, steps, unit, source)
    channels = content.channels if "c" in scan.axes else ()
    scan = replace(scan, channels=channels, storage_options=storage_options)
    return scan if channel is None else choose_channel(scan, channel)


def choose_channel(scan: Scan, channel: int | str | TrainedChannel) -> Scan:
    """Return the scan of one channel, without their axis."""
    data = scan.data if "c" in scan.axes else scan.data[..., None]
    try:
        index = channel_index(channel, data.shape[-1], scan.channels)
    except ValueError as error:
        raise ValueError(f"{scan.source}: {error}.") from error
    axes = scan.axes.removesuffix("c")
    return replace(scan, data=data[..., index], axes=axes, channels=(), channel=index)


def _open_url(url, storage_options, inside, level):
    """Open OME-Zarr or zarr in an object store."""
    storage = open_storage(url, storage_options)
    with storage.explained():
        if not is_zarr_storage(storage):
            raise FileNotFoundError(
                f"No scan at {url}: expected OME-Zarr or zarr, the only formats that are read from "
                "object stores."
            )
        return open_zarr(storage, inside, level)


def _open(where, inside, level, chunks):
    """Open a path with the module of its format."""
    if not where.exists():
        raise FileNotFoundError(f"No scan at {where}.")
    if where.is_dir():
        if is_zarr(where):
            return open_zarr(open_storage(where), inside, level)
        return open_sections(where, level)
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


def image_group(scan: Scan) -> str | None:
    """Find the image of OME-Zarr that a scan was opened from; None: another."""
    name, _, inside = split_path(scan.source)
    if not is_url(name) and not Path(name).is_dir():
        return None
    storage = open_storage(name, scan.storage_options)
    with storage.explained():
        found = holds_image(storage, inside)
    return "/".join(filter(None, (storage.place, inside))) if found else None


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
    # A tuple, so that dask leaves an array in order as it is, and a block reads its region alone.
    return Scan(data.transpose(tuple(order)), ordered, steps, unit, source)


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
