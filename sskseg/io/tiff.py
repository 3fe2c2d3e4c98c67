"""TIFF files: all their series, and the meaning of their axes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .orientation import upright, upright_shape, upright_sizes
from .pictures import Header, Picture
from .tiff_metadata import (
    check_complete,
    is_lossy,
    names_of_channels,
    physical_sizes,
    result_of,
)
from .truncation import AdvisedError

SUFFIXES = (".tif", ".tiff", ".btf", ".tf8")
_REDUCED = 1  # bit of NewSubfileType: a smaller version of another page
_MIN_IS_WHITE, _PALETTE = 0, 3
_SHORT = 4  # a last axis of at most so many pixels is that of channels


def read_tiff(path: Path) -> list[Picture]:
    """Read the images of all series, in the order of their pages.

    Raises
    ------
    ValueError
        If a file of a set of OME-TIFF files is missing, or images that the file says it holds.
    """
    import tifffile

    with tifffile.TiffFile(path) as file:
        every = list(_all_series(file))
        found: list[tuple[int, Picture]] = []
        for series in every:
            check_complete(file, series)
            picture = _picture(file, series)
            pages = [page.index for page in series.pages if page is not None]
            if len(every) > 1 and series.kind == "generic" and picture.axes[0] == "i":
                parts = [picture._replace(pixels=p, axes=picture.axes[1:]) for p in picture.pixels]
                found += zip(pages, parts, strict=True)  # pages of other sizes may lie between
            else:
                found.append((pages[0] if pages else 0, picture))
    return [picture for _, picture in sorted(found, key=lambda pair: pair[0])]


def tiff_headers(path: Path) -> list[Header]:
    """Describe all series of a file, without their pixels."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        headers = []
        for series in _all_series(file):
            check_complete(file, series)
            axes, orientation = axes_of(series), orientation_of(series)
            shape = upright_shape(series.shape, orientation, axes.find("y"))
            spacing, units = physical_sizes(file, series)
            sizes = upright_sizes(spacing, orientation), upright_sizes(units, orientation)
            names = names_of_channels(file, series, axes)
            headers.append(Header(axes, shape, series.dtype, *sizes, names))
        return headers


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


def _picture(file, series):
    pixels, page = series.asarray(), series.keyframe
    result = result_of(page)
    axes = axes_of(series)
    if result == "labels":  # with axes of length 1, but not with those that ImageJ adds
        sides = zip(series.get_axes(False).lower(), series.get_shape(False), strict=True)
        own = [(axis, side) for axis, side in sides if axis not in "tcs" or side > 1]
        axes, pixels = "".join(a for a, _ in own), pixels.reshape([n for _, n in own])
    is_inverted, white = page.photometric == _MIN_IS_WHITE, None
    if is_zero_white(file, page):
        pixels, white = inverted(pixels, page.bitspersample)
        is_inverted = False
    orientation = orientation_of(series)
    if orientation != 1:
        pixels = upright(pixels, orientation, axes.index("y"))
    palette = palette_of(page)
    spacing, units = (upright_sizes(each, orientation) for each in physical_sizes(file, series))
    return Picture(
        pixels, axes, spacing, units, palette, is_inverted, white, is_lossy(page), result,
        names_of_channels(file, series, axes_of(series)),
    )  # fmt: skip


def results_in(path: Path) -> set[str | None]:
    """Return which results the series of a file are, see `result_of`; None stands for images."""
    import tifffile

    if path.suffix.lower() not in SUFFIXES:
        return {None}
    with tifffile.TiffFile(path) as file:
        return {result_of(series.keyframe) for series in file.series}


def is_of_write_labels(path: Path) -> bool:
    """Return whether a file is a TIFF file of `write_labels`."""
    return results_in(path) == {"labels"}


def plain_series(file: Any) -> Any:
    """Return the only image of a file, if its pixels are read as they are stored.

    Parameters
    ----------
    file : tifffile.TiffFile

    Returns
    -------
    tifffile.TiffPageSeries or None
        None for several images or pages, an image that is turned, inverted or in the colors of a
        palette, and channels that do not come last.
    """
    every = list(_all_series(file))
    if len(every) != 1 or axes_of(every[0]) not in ("yx", "yxs", "yxc"):
        return None
    page = every[0].keyframe
    if page.photometric in (_MIN_IS_WHITE, _PALETTE) or orientation_of(every[0]) != 1:
        return None
    return every[0]


def axes_of(series: Any) -> str:
    """Return the axes of a series in lower case.

    Pages that nothing explains, with a last axis of a few pixels, are one image with channels.
    """
    axes = series.axes.lower()
    pages = axes[:-2]
    is_explained = result_of(series.keyframe) or not pages or set(pages) - set("qi")
    if axes[-2:] == "yx" and not is_explained and series.shape[-1] <= _SHORT < series.shape[-3]:
        return pages[:-1] + "yxc"
    return axes


def is_zero_white(file: Any, page: Any) -> bool:
    """Return whether 0 is white in the stored pixels of a page, so that readers invert them."""
    # ImageJ inverts the display, not the values.
    return bool(page.photometric == _MIN_IS_WHITE and not file.is_imagej)


def orientation_of(series: Any) -> int:
    """Return the orientation of all pages of a series, 1 where they are not turned.

    Raises
    ------
    ValueError
        If pages differ.
    """
    if "yx" not in axes_of(series):
        return 1
    found: dict[int, int] = {}  # the first page of each
    for number, page in enumerate(series.pages, start=1):
        if page is not None and not page.is_virtual:
            found.setdefault(_orientation_of_page(page), number)
    if len(found) > 1:
        (one, first), (other, second) = list(found.items())[:2]
        raise AdvisedError(
            f"its pages have different orientations (tag 274): {one} of page {first}, and {other} "
            f"of page {second}. Save the pages as files of their own, or without the tag"
        )
    return next(iter(found), 1)


def _orientation_of_page(page):
    """The orientation of a page, which tifffile reads in part only if it is not the first."""
    if not hasattr(page, "tags"):
        handle = page.parent.filehandle
        is_closed = handle.closed  # of another file of a set
        if is_closed:
            handle.open()
        try:
            page = page.aspage()
        finally:
            if is_closed:
                handle.close()
    tag = page.tags.get("Orientation")
    value = 1 if tag is None else int(tag.value)
    return value if 1 <= value <= 8 else 1  # some programs write 0


def palette_of(page: Any) -> np.ndarray | None:
    """Return the colors (n_colors, 3) of a palette, uint8, or None."""
    if page.photometric != _PALETTE or page.colormap is None:
        return None
    return (np.asarray(page.colormap).T // 257).astype(np.uint8)


def inverted(pixels: np.ndarray, bits: Any) -> tuple[np.ndarray, int | None]:
    """Return pixels of which 0 is black, and the number they were subtracted from."""
    if pixels.dtype == bool:
        return ~pixels, None
    if pixels.dtype.kind != "u":
        return pixels, None
    white = 2 ** (bits if isinstance(bits, int) else bits[0]) - 1
    return (white - pixels.astype(np.int64)).astype(pixels.dtype), white
