"""TIFF, BigTIFF, OME-TIFF and what ImageJ writes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from .on_disk import ArrayOnDisk
from .scan import FileContent, check_level

SUFFIXES = (".tif", ".tiff", ".btf", ".tf8")


def open_tiff(path: Path, inside: str, level: int, chunks: Any) -> FileContent:
    """Open a level of the first series."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        series = file.series[0]
        check_level(level, len(series.levels))
        part = series.levels[level]
        axes = part.axes.lower().replace("s", "c").replace("q", "z").replace("i", "z")
        spacing, units = _imagej_spacing(file) if file.is_imagej else _ome_spacing(file)
        if level:
            wide, narrow = series.shape[axes.index("x")], part.shape[axes.index("x")]
            spacing = {k: v * (wide / narrow if k in "yx" else 1) for k, v in spacing.items()}
        page = part.keyframe
        tile = (page.tilelength, page.tilewidth) if page.is_tiled else None
        array = _Tiff(str(path), level, part.shape, part.dtype, tile)
    return FileContent(array.to_dask(chunks), axes, spacing, units)


def _ome_spacing(file):
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


def _imagej_spacing(file):
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


class _Tiff(ArrayOnDisk):
    """A level of the first series, through tifffile's zarr store."""

    def __getitem__(self, region: Any) -> np.ndarray:
        import tifffile
        import zarr

        with (
            tifffile.TiffFile(self.path) as file,
            file.series[0].levels[self.inside].aszarr() as store,
        ):
            return np.asarray(zarr.open(store, mode="r")[region])
