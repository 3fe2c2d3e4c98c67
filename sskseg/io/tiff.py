"""TIFF files: all their series, and what OME-XML and ImageJ say of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from .orientation import upright
from .pictures import Picture

SUFFIXES = (".tif", ".tiff", ".btf", ".tf8")
_REDUCED = 1  # bit of NewSubfileType: a smaller version of another page
_MIN_IS_WHITE, _PALETTE = 0, 3
_SHORT = 4  # a last axis of at most so many pixels is that of channels


def read_tiff(path: Path) -> list[Picture]:
    """Read the images of all series, in the order of their pages.

    Raises
    ------
    ValueError
        If a file of a set of OME-TIFF files is missing.
    """
    import tifffile

    with tifffile.TiffFile(path) as file:
        spacing, units = physical_sizes(file)
        every = list(_all_series(file))
        found: list[tuple[int, Picture]] = []
        for series in every:
            check_complete(series)
            picture = _picture(file, series, spacing, units)
            pages = [page.index for page in series.pages if page is not None]
            if len(every) > 1 and series.kind == "generic" and picture.axes[0] == "i":
                parts = [picture._replace(pixels=p, axes=picture.axes[1:]) for p in picture.pixels]
                found += zip(pages, parts, strict=True)  # pages of other sizes may lie between
            else:
                found.append((pages[0] if pages else 0, picture))
    return [picture for _, picture in sorted(found, key=lambda pair: pair[0])]


def series_files(path: Path) -> set[str]:
    """Return the names of the files over which the images of an OME-TIFF file are spread."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        if not file.is_ome:
            return set()
        pages = [page for series in file.series for page in series.pages if page is not None]
        return {page.parent.filehandle.name for page in pages}


def _all_series(file):
    """Series, with levels that are no pyramid as series of their own.

    Pages of half the size are taken for a pyramid where nothing says what they are.
    """
    for series in file.series:
        levels = series.levels if series.kind == "generic" else [series]
        yield series
        yield from (s for s in levels[1:] if not s.keyframe.subfiletype & _REDUCED)


def check_complete(series: Any) -> None:
    """Refuse an OME-TIFF series of which pages are missing; they would be read as zeros."""
    missing = sum(page is None for page in series.pages)
    if missing:
        raise ValueError(
            f"{missing} of {len(series.pages)} pages of the OME-TIFF are missing: it is spread "
            "over several files. Put all of them into one folder, with their names"
        )


def _picture(file, series, spacing, units):
    pixels, page = series.asarray(), series.keyframe
    axes = axes_of(series)
    is_inverted = page.photometric == _MIN_IS_WHITE
    if is_inverted and not file.is_imagej:  # ImageJ inverts the display, not the values
        pixels = _inverted(pixels, page.bitspersample)
        is_inverted = False
    tag = page.tags.get("Orientation")
    if tag is not None and tag.value != 1 and axes in ("yx", "yxs"):
        pixels = upright(pixels, int(tag.value))
    palette = None
    if page.photometric == _PALETTE and page.colormap is not None:
        palette = (np.asarray(page.colormap).T // 257).astype(np.uint8)
    return Picture(pixels, axes, spacing, units, palette, is_inverted)


def axes_of(series: Any) -> str:
    """Return the axes of a series in lower case.

    Pages that nothing explains, with a last axis of a few pixels, are one image with channels.
    """
    axes = series.axes.lower()
    if axes in ("qyx", "iyx") and series.shape[-1] <= _SHORT < series.shape[0]:
        return "yxc"
    return axes


def _inverted(pixels, bits):
    if pixels.dtype == bool:
        return ~pixels
    if pixels.dtype.kind != "u":
        return pixels
    bits = bits if isinstance(bits, int) else bits[0]
    return (2**bits - 1 - pixels.astype(np.int64)).astype(pixels.dtype)


def physical_sizes(file: Any) -> tuple[dict[str, float], dict[str, str]]:
    """Return sizes of pixels and their units by axis, as OME-XML or ImageJ define them."""
    return _imagej_sizes(file) if file.is_imagej else _ome_sizes(file)


def _ome_sizes(file):
    """Pixel sizes and units of the first image of OME-XML."""
    text = file.ome_metadata
    try:
        elements = ElementTree.fromstring(text).iter() if text else ()
    except ElementTree.ParseError:  # damaged metadata define no size
        elements = ()
    pixels = next((e.attrib for e in elements if e.tag.rpartition("}")[2] == "Pixels"), {})
    sizes = {a.lower(): pixels[f"PhysicalSize{a}"] for a in "ZYX" if f"PhysicalSize{a}" in pixels}
    return (
        {axis: float(size) for axis, size in sizes.items()},
        {axis: pixels.get(f"PhysicalSize{axis.upper()}Unit", "µm") for axis in sizes},
    )


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
