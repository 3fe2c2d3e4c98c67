"""TIFF, BigTIFF, OME-TIFF and what ImageJ writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..orientation import upright, upright_sizes
from ..pictures import has_colors
from ..tiff import SUFFIXES, axes_of, inverted, is_zero_white, orientation_of, palette_of
from ..tiff_metadata import check_complete, names_of_channels, physical_sizes
from ..truncation import unreadable
from .on_disk import ArrayOnDisk
from .scan import FileContent, check_level, series_number

__all__ = ["SUFFIXES", "open_tiff"]


def open_tiff(path: Path, inside: str, level: int, chunks: Any) -> FileContent:
    """Open a level of a series: the first, or that of the number `inside`."""
    import tifffile

    try:
        file = tifffile.TiffFile(path)
    except tifffile.TiffFileError as error:
        raise unreadable(path, "an image", error) from error
    with file:
        if not file.series:  # tifffile only logs that the first page is not there
            raise unreadable(path, "an image", "it holds no page of pixels")
        number = series_number(path, inside, len(file.series))
        series = file.series[number]
        try:
            check_complete(file, series)
            orientation = orientation_of(series)  # of all levels: coarse ones may lack the tag
        except ValueError as error:
            raise unreadable(path, "an image", error) from error
        check_level(level, len(series.levels))
        part = series.levels[level]
        axes = axes_of(part)
        if "c" not in axes:
            axes = axes.replace("s", "c")
        if "z" not in axes and axes.count("q") + axes.count("i") == 1:
            axes = axes.replace("q", "z").replace("i", "z")
        spacing, units = physical_sizes(file, series)
        channels = names_of_channels(file, series, axes_of(series))
        if level:
            wide, narrow = series.shape[axes.index("x")], part.shape[axes.index("x")]
            spacing = {k: v * (wide / narrow if k in "yx" else 1) for k, v in spacing.items()}
        array = _Tiff(str(path), (number, level), part.shape, part.dtype, own_chunks(part.keyframe))
        data, axes = _as_read(array.to_dask(chunks), axes, file, part, orientation)
    sizes = upright_sizes(spacing, orientation), upright_sizes(units, orientation)
    return FileContent(data, axes, *sizes, channels)


def _as_read(data, axes, file, series, orientation):
    """Pixels of a lazy array, and its axes, as `sskseg.io.read_images` reads them."""
    page = series.keyframe
    if is_zero_white(file, page):
        data = data.map_blocks(_from_black, page.bitspersample, dtype=data.dtype)
    palette = palette_of(page)
    if orientation != 1:
        data = upright(data, orientation, axes.index("y"))
    if axes == "yx" and has_colors(palette):
        chunks = (*data.chunks, (palette.shape[1],))
        data = data.map_blocks(_colors, palette, dtype=palette.dtype, new_axis=2, chunks=chunks)
        axes = "yxc"
    return data, axes


def _from_black(block, bits):
    return inverted(block, bits)[0]


def _colors(block, palette):
    return palette[block]


def own_chunks(page: Any) -> tuple[int, int] | None:
    """Return height and width of the tiles of a page, if it has any."""
    return (page.tilelength, page.tilewidth) if page.is_tiled else None


def read_region(file: Any, series: Any, region: Any) -> np.ndarray:
    """Read a region of a series, or of one of its levels.

    Only the tiles or strips around it are read. Where pixels lie in the file as they are, only
    these are.

    Parameters
    ----------
    file : tifffile.TiffFile
    series : tifffile.TiffPageSeries
    region : int, slice or tuple of these

    Returns
    -------
    ndarray
    """
    import zarr

    offset = series.dataoffset
    if offset is not None and all(page.parent is file for page in series.pages):
        stored = np.dtype(file.byteorder + series.dtype.char)
        pixels = np.memmap(file.filehandle.path, stored, "r", offset, series.shape)
        return np.array(pixels[region], series.dtype)
    with series.aszarr() as store:
        return np.asarray(zarr.open(store, mode="r")[region])


class _Tiff(ArrayOnDisk):
    """A level of a series."""

    def __getitem__(self, region: Any) -> np.ndarray:
        import tifffile

        number, level = self.inside
        try:
            with tifffile.TiffFile(self.path) as file:
                return read_region(file, file.series[number].levels[level], region)
        except Exception as error:  # decoders raise errors of many kinds
            raise unreadable(Path(self.path), "an image", error) from error
