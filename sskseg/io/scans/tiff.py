"""TIFF, BigTIFF, OME-TIFF and what ImageJ writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..tiff import SUFFIXES, axes_of
from ..tiff_metadata import check_complete, physical_sizes
from .on_disk import ArrayOnDisk
from .scan import FileContent, check_level, series_number

__all__ = ["SUFFIXES", "open_tiff"]


def open_tiff(path: Path, inside: str, level: int, chunks: Any) -> FileContent:
    """Open a level of a series: the first, or that of the number `inside`."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        number = series_number(path, inside, len(file.series))
        series = file.series[number]
        try:
            check_complete(file, series)
        except ValueError as error:
            raise ValueError(f"{path} cannot be opened: {error}.") from error
        check_level(level, len(series.levels))
        part = series.levels[level]
        axes = axes_of(part)
        if "c" not in axes:
            axes = axes.replace("s", "c")
        if "z" not in axes and axes.count("q") + axes.count("i") == 1:
            axes = axes.replace("q", "z").replace("i", "z")
        spacing, units = physical_sizes(file, series)
        if level:
            wide, narrow = series.shape[axes.index("x")], part.shape[axes.index("x")]
            spacing = {k: v * (wide / narrow if k in "yx" else 1) for k, v in spacing.items()}
        page = part.keyframe
        tile = (page.tilelength, page.tilewidth) if page.is_tiled else None
        array = _Tiff(str(path), (number, level), part.shape, part.dtype, tile)
    return FileContent(array.to_dask(chunks), axes, spacing, units)


class _Tiff(ArrayOnDisk):
    """A level of a series, through tifffile's zarr store."""

    def __getitem__(self, region: Any) -> np.ndarray:
        import tifffile
        import zarr

        number, level = self.inside
        with (
            tifffile.TiffFile(self.path) as file,
            file.series[number].levels[level].aszarr() as store,
        ):
            return np.asarray(zarr.open(store, mode="r")[region])
