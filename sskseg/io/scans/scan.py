"""A lazy array with the meaning of its axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Scan:
    """A lazy array and the meaning of its axes.

    Parameters
    ----------
    data : dask array
        Axes in the order of `axes`; channels last.
    axes : str
        Of "z", "y", "x" and "c", one letter for each axis.
    spacing : tuple of float
        Size of a pixel along each spatial axis, in `unit`; 1 where it is unknown.
    unit : str or None
    source : str
        Where it was opened.
    """

    data: Any
    axes: str
    spacing: tuple[float, ...]
    unit: str | None
    source: str

    def __repr__(self):
        return (
            f"Scan(axes={self.axes!r}, shape={self.data.shape}, dtype={self.data.dtype}, "
            f"spacing={self.spacing}, unit={self.unit!r})"
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
    """

    data: Any
    axes: str | None = None
    spacing: dict[str, float] = {}  # noqa: RUF012 - never written to
    units: dict[str, str] = {}  # noqa: RUF012


def check_level(level: int, n_levels: int = 1) -> None:
    """Refuse a level of the pyramid that the file does not have."""
    if not 0 <= level < n_levels:
        raise ValueError(f"level must be from 0 to {n_levels - 1}, got {level!r}.")
