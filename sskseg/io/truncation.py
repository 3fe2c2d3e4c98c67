"""Files that are damaged, or end before what they hold, as copies do that were interrupted."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

_UNCOMPRESSED = 1


def unreadable(path: Path, kind: str, reason: object) -> ValueError:
    """Make the error of a file that cannot be read as an image, or as another `kind`."""
    if path.is_file() and not path.stat().st_size:
        reason = "it is empty (0 bytes)"
    return ValueError(
        f"{path} cannot be read as {kind}: {str(reason).rstrip('.')}. It is damaged, incomplete or "
        "of another format: copy or export it again."
    )


def check_ends(file: Any, series: Any) -> None:
    """Refuse a TIFF file that ends before its pixels or its last page.

    Decoders would read some of them as zeros, or leave out pages, and a scan would be read in part.

    Parameters
    ----------
    file : tifffile.TiffFile
    series : tifffile.TiffPageSeries
        Of `file`.

    Raises
    ------
    ValueError
        If it ends too early.
    """
    if _end_of_pixels(series) > series.keyframe.parent.filehandle.size:
        raise ValueError("it ends before its pixels do")
    if _next_page(file) > file.filehandle.size:
        raise ValueError("it ends before its last page does")


def _end_of_pixels(series):
    """Bytes up to the end of the pixels; of strips that are stored as they are, up to the start of
    the last one, since some programs write sizes that are too large.
    """
    if series.dataoffset is not None:
        return series.dataoffset + series.nbytes
    own = [p for p in series.pages if p is not None and p.parent is series.keyframe.parent]
    is_plain = series.keyframe.compression == _UNCOMPRESSED
    return max(
        (start + (0 if is_plain else n) for page in own
         for start, n in zip(page.dataoffsets, page.databytecounts, strict=False)),
        default=0,
    )  # fmt: skip


def _next_page(file):
    """Where the file says that the page after its last one is; 0 for none."""
    if file.is_ndpi or not len(file.pages):  # of NDPI, other bytes hold a part of the number
        return 0
    start, handle, layout = file.pages[len(file.pages) - 1].offset, file.filehandle, file.tiff
    handle.seek(start)
    n_tags = struct.unpack(layout.tagnoformat, handle.read(layout.tagnosize))[0]
    handle.seek(start + layout.tagnosize + n_tags * layout.tagsize)
    number = handle.read(layout.offsetsize)
    return struct.unpack(layout.offsetformat, number)[0] if len(number) == layout.offsetsize else 0
