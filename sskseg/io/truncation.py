"""Files that are damaged, or end before what they hold, as copies do that were interrupted."""

from __future__ import annotations

import errno
import struct
from pathlib import Path
from typing import Any

_UNCOMPRESSED = 1
# LZW, Deflate, PackBits, LZMA and Zstandard: decoders raise an error if bytes are missing. That of
# JPEG makes up the pixels.
_STRICT = (5, 8, 32946, 32773, 34925, 34926, 50000)
# Decoders set no number, and damage leads to positions that are not valid.
_OF_DAMAGE = (None, errno.EINVAL)
_EXCESS = 16  # bytes that a program may add to the size of a segment


class AdvisedError(ValueError):
    """An error that says what to do, and not to copy the file again."""


def unreadable(path: Path, kind: str, reason: Exception | str) -> Exception:
    """Make the error of a file that cannot be read as an image, or as another `kind`.

    It is a ValueError, except if the reason is no fault of the file: a lack of memory, permissions
    or a library, or an error of the disk.
    """
    if path.is_file() and not path.stat().st_size:
        reason = "it is empty (0 bytes)"
    text = f"{path} cannot be read as {kind}: {str(reason).rstrip('.') or type(reason).__name__}."
    if isinstance(reason, MemoryError):
        return MemoryError(text)
    if isinstance(reason, ImportError):
        return type(reason)(text)
    if isinstance(reason, OSError) and reason.errno not in _OF_DAMAGE:
        return type(reason)(text)
    if "requires the 'imagecodecs' package" in text:  # of tifffile, without a type of its own
        return ImportError(text)
    if isinstance(reason, AdvisedError):
        return ValueError(text)
    return ValueError(
        f"{text} It is damaged, incomplete or of another format: copy or export it again."
    )


def check_ends(file: Any, series: Any, *, has_all_pages: bool) -> None:
    """Refuse a TIFF file that ends before its pixels or its last page.

    Decoders would read some of them as zeros, or leave out pages, and a scan would be read in part.

    Parameters
    ----------
    file : tifffile.TiffFile
    series : tifffile.TiffPageSeries
        Of `file`; its pages may be in several files.
    has_all_pages : bool
        Whether there are as many pages as the metadata of the file promise. Where the last one says
        that the next one is, does not matter then.

    Raises
    ------
    ValueError
        If it ends too early.
    """
    for part, end in _ends_of_pixels(series).items():
        if end > part.filehandle.size:
            which = "it" if part is file else f"its part {part.filehandle.name}"
            raise ValueError(f"{which} ends before its pixels do")
    if not has_all_pages and _next_page(file) > file.filehandle.size:
        raise ValueError("it ends before its last page does")


def _ends_of_pixels(series):
    """Bytes up to the end of the pixels, for each file of the series."""
    if series.dataoffset is not None:
        return {series.keyframe.parent: series.dataoffset + series.nbytes}
    ends: dict[Any, int] = {}
    for page in series.pages:
        if page is not None:
            ends[page.parent] = max(ends.get(page.parent, 0), _end_of_page(page))
    return ends


def _end_of_page(page):
    """Bytes up to the end of the pixels, or a little less, where sizes of segments may be too large
    and the decoder finds out.
    """
    starts, sizes = page.dataoffsets, page.databytecounts
    if page.compression == _UNCOMPRESSED:  # the last of several strips may have the size of others
        most = page.keyframe.size * page.keyframe.bitspersample // 8 if len(starts) == 1 else 1
        sizes = [min(n, most) for n in sizes]
    elif page.compression in _STRICT:
        sizes = [max(n - _EXCESS, 0) for n in sizes]
    return max((start + n for start, n in zip(starts, sizes, strict=False)), default=0)


def _next_page(file):
    """Where the file says that the page after its last one is; 0 for none."""
    last = file.pages[len(file.pages) - 1] if len(file.pages) else None
    # Of NDPI, other bytes hold a part of the number; ScanImage writes frames that have no header.
    if file.is_ndpi or last is None or last.is_virtual:
        return 0
    handle, layout = file.filehandle, file.tiff
    handle.seek(last.offset)
    n_tags = struct.unpack(layout.tagnoformat, handle.read(layout.tagnosize))[0]
    handle.seek(last.offset + layout.tagnosize + n_tags * layout.tagsize)
    number = handle.read(layout.offsetsize)
    return struct.unpack(layout.offsetformat, number)[0] if len(number) == layout.offsetsize else 0
