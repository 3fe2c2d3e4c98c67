"""A lazy array with the meaning of its axes."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Scan:
    """A lazy array and the meaning of its axes.

    Parameters
    ----------
    data : dask array
        Axes in the order of `axes`; channels last.
    axes : str
        One letter for each axis: "z", "y", "x" or "c".
    spacing : tuple of float
        Size of a pixel along each spatial axis, in `unit`; 1 where it is unknown.
    unit : str or None
    source : str
        Where it was opened.
    channels : tuple of str, default=()
        Names of the channels, where the file defines them.
    storage_options : dict, default=None
        Options with which a URL was opened.
    channel : int, default=None
        Index of the channel in the file, where one was chosen.
    """

    data: Any
    axes: str
    spacing: tuple[float, ...]
    unit: str | None
    source: str
    channels: tuple[str, ...] = ()
    storage_options: Mapping[str, Any] | None = None
    channel: int | None = None

    @property
    def has_size(self) -> bool:
        """Whether the size of a pixel is known."""
        return self.unit is not None or set(self.spacing) != {1.0}

    def __repr__(self):
        channels = f", channels={self.channels}" if self.channels else ""
        return (
            f"Scan(axes={self.axes!r}, shape={self.data.shape}, dtype={self.data.dtype}, "
            f"spacing={self.spacing}, unit={self.unit!r}{channels})"
        )


class FileContent(NamedTuple):
    """What the module of a format reads from a file, without its pixels.

    Parameters
    ----------
    data : dask array
    axes : str or None
        One letter for each axis of `data`, as the file defines them; None where it does not.
    spacing : dict of str to float
        Size of a pixel by axis, for the axes where the file defines it.
    units : dict of str to str
        Unit of `spacing` by axis.
    channels : tuple of str
        Names of the channels; empty where the file does not define them.
    """

    data: Any
    axes: str | None = None
    spacing: dict[str, float] = {}  # noqa: RUF012 - never written to
    units: dict[str, str] = {}  # noqa: RUF012
    channels: tuple[str, ...] = ()


def letters_of(names: Iterable[Any] | None) -> str | None:
    """Return the letters of axes that a file names; None for other names than of a scan.

    Examples
    --------
    >>> from sskseg.io.scans.scan import letters_of
    >>> letters_of(["channel", "z", "y", "x"]), letters_of(["dim_0", "dim_1"])
    ('czyx', None)
    """
    letters = [str(name)[:1].lower() for name in names or ()]
    is_scan = {"y", "x"} <= set(letters) <= set("tczyx") and len(set(letters)) == len(letters)
    return "".join(letters) if is_scan else None


def check_level(level: int, n_levels: int = 1) -> None:
    """Refuse a level of the pyramid that the file does not have."""
    if not 0 <= level < n_levels:
        raise ValueError(f"level must be from 0 to {n_levels - 1}, got {level!r}.")


def series_number(path: Path, inside: str, n: int) -> int:
    """Return the number of the series to open: the first, or that of the text `inside`."""
    if not inside:
        if n > 1:
            warnings.warn(
                f"{path} holds {n} series (images or positions): the first is opened. Open others "
                f"by their numbers, as {path.name}:1.",
                UserWarning,
                stacklevel=5,
            )
        return 0
    if not inside.isdecimal() or int(inside) >= n:
        raise ValueError(f"{path} has the series 0 to {n - 1}, got {inside!r}.")
    return int(inside)
