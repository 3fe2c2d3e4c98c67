"""What OME-XML, ImageJ, tags and descriptions say of the images in a TIFF file."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree

import numpy as np

from ..images import check_spacing
from .channels import channel_names
from .truncation import AdvisedError, check_ends
from .units import per_millimeter

_MARK = "sskseg"  # in the description of what is written here
MAX_CLASSIC = 2**31  # bytes of pixels; files of more have offsets of 64 bits (BigTIFF)
_MAX_INTEGER = 2**32 - 1  # of tags that are fractions
_OF_IMAGEJ = ("uint8", "uint16", "float32")  # types of pixels
_RGB = 2
_JPEG = (6, 7, 33007, 34892)  # numbers of compressions
_JPEG_2000 = (33003, 33004, 33005, 34712)
# What Fiji writes of the place of a page in a file, which names no channel.
_OF_FILE = re.compile(r"^[czt]:\d+/\d+|\.(tiff?|png|nd2|czi|lif)\b", re.IGNORECASE)
_MICROMETERS = {3: 1e4, 4: 1e3, 5: 1.0}  # by ResolutionUnit: centimeter, millimeter, micrometer
_DPI = (72, 96, 100, 120, 150, 200, 240, 300, 360, 400, 600, 1200)  # screens and printers


def mark(kind: str | None) -> dict[str, str]:
    """Return metadata by which readers know a result: "labels", "mask" or "probability"."""
    return {} if kind is None else {_MARK: kind}


def result_of(page: Any) -> str | None:
    """Return which result the series is that starts with a page, None of other images."""
    lines = (page.imagej_description or "").splitlines()
    of_imagej = dict(line.split("=", 1) for line in lines if "=" in line)
    return _description(page).get(_MARK, of_imagej.get(_MARK))


def _description(page):
    """What tifffile writes as the description of an image."""
    try:
        content = json.loads(page.shaped_description or "{}")
    except ValueError:  # of an older version, or of another program
        return {}
    return content if isinstance(content, dict) else {}


def check_complete(file: Any, series: Any) -> None:
    """Refuse a series of which pages or pixels are missing: left out, or read as zeros.

    Parameters
    ----------
    file : tifffile.TiffFile
    series : tifffile.TiffPageSeries
        Of `file`.

    Raises
    ------
    ValueError
        If the metadata describe more pages than there are, or the file ends too early.
    """
    expected, found = _imagej_pages(file) if file.is_imagej else _described_pages(file, series)
    if found < expected:
        raise ValueError(f"its description says {expected} images, and it holds {found}")
    missing = sum(page is None for page in series.pages)
    if missing:
        raise AdvisedError(
            f"{missing} of {len(series.pages)} pages of the OME-TIFF are missing: it is spread "
            "over several files. Put all of them into one folder, with their names"
        )
    # What tifffile describes is a series, after which others may be missing.
    check_ends(file, series, has_all_pages=file.is_imagej or series.kind == "ome")


def _imagej_pages(file):
    """Numbers of images: what ImageJ wrote, and what is there."""
    metadata, page, n = file.imagej_metadata or {}, file.pages.first, len(file.pages)
    parts = [int(metadata.get(name, 1)) for name in ("frames", "slices", "channels")]
    expected = int(metadata.get("images", math.prod(parts)))
    # large stacks have one page, and the pixels of the others behind it
    end = page.dataoffsets[0] + expected * page.nbytes if page.dataoffsets else math.inf
    if n == 1 and page.is_final and end <= file.filehandle.size:
        return expected, expected
    return expected, n * (1 if page.photometric == _RGB else page.samplesperpixel)


def _described_pages(file, series):
    """Numbers of images: by the shape in the description, and what is there."""
    shape = _description(series.keyframe).get("shape", ())
    plane = max(math.prod(series.keyframe.shape), 1)
    expected, found = math.prod(shape) // plane, math.prod(series.shape) // plane
    if not shape or found >= expected:
        return 0, 0
    return expected, len(file.pages) if len(file.series) == 1 else found


def is_lossy(page: Any) -> bool:
    """Return whether a page is compressed by JPEG, or by JPEG 2000 with losses."""
    code = int(page.compression)
    if code not in (*_JPEG, *_JPEG_2000) or not page.dataoffsets:
        return False
    handle = page.parent.filehandle
    handle.seek(page.dataoffsets[0])
    start = handle.read(min(page.databytecounts[0], 4096))
    if code in _JPEG:
        return b"\xff\xc3" not in start  # the start of a frame without losses
    coding = start.find(b"\xff\x52")
    return coding < 0 or start[coding + 13 : coding + 14] != b"\x01"  # reversible wavelets


def physical_sizes(file: Any, series: Any) -> tuple[dict[str, float], dict[str, str]]:
    """Return sizes of the pixels of a series, and their units, by axis.

    OME-XML and ImageJ define them; where neither does, the resolution if its unit is centimeters or
    less. A resolution in inches is mostly that of some screen.

    Parameters
    ----------
    file : tifffile.TiffFile
    series : tifffile.TiffPageSeries
        Of `file`.

    Returns
    -------
    spacing : dict of str to float
    units : dict of str to str
    """
    if file.is_imagej:
        return _imagej_sizes(file)
    spacing, units = _ome_sizes(file, series)
    return (spacing, units) if spacing else _resolution(series.keyframe)


def names_of_channels(file: Any, series: Any, axes: str) -> tuple[str, ...]:
    """Return the names of the channels of a series, by OME-XML or the labels of ImageJ.

    Parameters
    ----------
    file : tifffile.TiffFile
    series : tifffile.TiffPageSeries
        Of `file`.
    axes : str
        Of `series`.

    Returns
    -------
    tuple of str
        Empty where the file does not define them.
    """
    if file.is_imagej:  # where channels are the only pages, each has a label
        labels = [] if "c" not in axes else file.imagej_metadata.get("Labels", [])
        is_of_file = any(_OF_FILE.search(label) for label in labels)
        return () if is_of_file else channel_names(labels, axes, series.shape)
    names = [e.get("Name") for e in _ome_pixels(file, series) if _tag(e) == "Channel"]
    return channel_names(names, axes, series.shape)


def _tag(element):
    return element.tag.rpartition("}")[2]


def _ome_pixels(file, series):
    """The element Pixels of OME-XML that describes a series; empty if it is unknown which."""
    every = _every_pixels(file.ome_metadata or "") if file.is_ome else []
    if len(every) not in (1, len(file.series)):  # images without pixels: unknown which
        return ElementTree.Element("Pixels")
    return every[file.series.index(series) if len(every) > 1 else 0]


@lru_cache(maxsize=1)  # one file describes all its series
def _every_pixels(text):
    try:
        elements = ElementTree.fromstring(text).iter() if text else ()
    except ElementTree.ParseError:  # damaged metadata define nothing
        return []
    return [e for e in elements if _tag(e) == "Pixels"]


def _ome_sizes(file, series):
    """Pixel sizes and units of the image of OME-XML that a series is."""
    pixels = _ome_pixels(file, series).attrib
    sizes = {a.lower(): pixels[f"PhysicalSize{a}"] for a in "ZYX" if f"PhysicalSize{a}" in pixels}
    return (
        {axis: float(size) for axis, size in sizes.items()},
        {axis: pixels.get(f"PhysicalSize{axis.upper()}Unit", "µm") for axis in sizes},
    )


def _resolution(page):
    """Pixel sizes in micrometers, by the tags of a page."""
    tags = {
        name: page.tags[name].value
        for name in ("ResolutionUnit", "XResolution", "YResolution")
        if name in page.tags
    }
    micrometers, spacing = _MICROMETERS.get(int(tags.get("ResolutionUnit", 1))), {}
    for axis in "yx":
        pixels, length = tags.get(f"{axis.upper()}Resolution", (0, 0))
        if micrometers and pixels and length and pixels != length:
            spacing[axis] = micrometers * length / pixels
    is_dpi = any(
        math.isclose(25400 / size, n, rel_tol=1e-3) for size in spacing.values() for n in _DPI
    )
    return ({}, {}) if is_dpi else (spacing, dict.fromkeys(spacing, "µm"))


def with_size(
    options: dict[str, Any],
    image: np.ndarray,
    spacing: Sequence[float] | None,
    unit: str | None,
) -> dict[str, Any]:
    """Add the size of a pixel to arguments of `tifffile.imwrite`.

    Along z, only ImageJ defines it in a way that programs read, and which planes are times. Other
    types than those of ImageJ, and several volumes, are written with the sizes along y and x.

    Parameters
    ----------
    options : dict of str to object
        With ``metadata``, which holds ``axes``.
    image : ndarray
        What is written.
    spacing : sequence of float, or None
        Along the axes of an image, y and x last.
    unit : str or None
        Of length; without one there are no arguments.

    Returns
    -------
    dict of str to object

    Raises
    ------
    ValueError
        If a size is not a positive number, or there is only one.
    """
    plane = _resolution_tags(spacing, unit)
    axes = options["metadata"]["axes"]
    sizes = dict(zip(axes, image.shape, strict=True))
    has_depth = "Q" not in axes and sizes.get("Z", 1) > 1
    has_depth = bool(plane) and has_depth and len(spacing or ()) == 3
    is_of_imagej = image.dtype.name in _OF_IMAGEJ and 4 * image.size <= MAX_CLASSIC
    is_of_imagej &= "S" not in axes or image.dtype == np.uint8  # colors have 8 bits there
    is_line = sizes["X"] == 1  # of which tifffile would write the columns as sections
    if not is_of_imagej or is_line or not (has_depth or "T" in axes):
        return {**options, **plane}
    if not plane:
        return {**options, "imagej": True}
    micrometers = (per_millimeter(unit or "") or 0) * 1e3
    *z, y, x = (size * micrometers for size in spacing or ())
    depth = {"spacing": z[0]} if has_depth else {}
    metadata = {**options["metadata"], **depth, "unit": "um"}
    return {**options, "imagej": True, "metadata": metadata, "resolution": (1 / x, 1 / y)}


def _resolution_tags(spacing, unit):
    """Arguments of `tifffile.imwrite` for the size of a pixel along y and x."""
    sizes = check_spacing(spacing)
    if sizes is not None and len(sizes) < 2:
        raise ValueError(f"spacing must have the sizes along y and x, got {spacing!r}.")
    millimeters = per_millimeter(unit or "")
    if sizes is None or millimeters is None:
        return {}
    y, x = (10 / (size * millimeters) for size in sizes[-2:])  # pixels of a centimeter
    if not all(1 / _MAX_INTEGER < n < _MAX_INTEGER for n in (y, x)):  # a tag cannot hold it
        return {}
    return {"resolution": (x, y), "resolutionunit": "CENTIMETER"}


def _imagej_sizes(file):
    """Pixel sizes and unit of what ImageJ writes; nothing where it has none.

    The resolution of other files is ignored: it is mostly that of some screen.
    """
    metadata, tags = file.imagej_metadata, file.pages.first.tags

    def unit_of(axis):
        text = str(metadata.get(f"{axis}unit", metadata.get("unit", "")))
        return re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), text)

    if unit_of("x").lower() in ("", "pixel", "pixels"):
        return {}, {}
    spacing = {"z": float(metadata["spacing"])} if metadata.get("spacing") else {}
    for axis, name in (("y", "YResolution"), ("x", "XResolution")):
        pixels, length = tags[name].value if name in tags else (0, 0)
        if pixels and length:
            spacing[axis] = length / pixels
    return spacing, {axis: unit_of(axis) for axis in spacing}
