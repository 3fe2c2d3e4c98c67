"""`Picture`: the pixels of an image in a file, with the meaning of their axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeGuard

import numpy as np

_SPATIAL = {2: "yx", 3: "zyx"}
_UNNAMED = "qi"  # pages of which the file does not say what they are


def planes_of(axes: Sequence[str], shape: Sequence[int]) -> list[tuple[str, int]]:
    """Return the axes of planes, and their lengths: that of sections is the last one."""
    found = [pair for pair in zip(axes, shape, strict=True) if pair[0] not in "yxcs"]
    return sorted(found, key=lambda pair: pair[0] == "z")


class Header(NamedTuple):
    """What a file says about pixels, without them; the parameters are those of `Picture`.

    Parameters
    ----------
    axes : str
    shape : tuple of int
    dtype : dtype
    spacing : dict of str to float
    units : dict of str to str
    channels : tuple of str
        Their names, where the file has them.
    """

    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype
    spacing: dict[str, float]
    units: dict[str, str]
    channels: tuple[str, ...] = ()


class Picture(NamedTuple):
    """Pixels, and what the file says about them.

    Parameters
    ----------
    pixels : ndarray
    axes : str
        One letter for each axis: z, y, x, c (channels), s (samples of a color), t, and q or i for
        pages that the file does not explain.
    spacing : dict of str to float
        Size of a pixel by axis, where the file defines it.
    units : dict of str to str
        Unit of `spacing` by axis.
    palette : ndarray of shape (n_colors, 3), uint8, or None
        Colors that `pixels` are indices of.
    is_inverted : bool
        Whether 0 is white (``MinIsWhite``) and `pixels` are as they are stored.
    white : int or None
        What stored values were subtracted from, since 0 is white; None where `pixels` are stored.
    is_lossy : bool
        Whether values are near those that were saved (JPEG).
    result : str or None
        What they are if they were written here: "labels", "mask" or "probability".
    channels : tuple of str
        Names of the channels, where the file has them.
    """

    pixels: np.ndarray
    axes: str
    spacing: dict[str, float] = {}  # noqa: RUF012 - never written to
    units: dict[str, str] = {}  # noqa: RUF012
    palette: np.ndarray | None = None
    is_inverted: bool = False
    white: int | None = None
    is_lossy: bool = False
    result: str | None = None
    channels: tuple[str, ...] = ()

    def samples(self, spatial_ndim: int) -> list[np.ndarray]:
        """Cut into images of shape (*spatial) or (*spatial, n_channels).

        Axes that are neither spatial nor channels are cut, in the order of the file: time, and in
        two dimensions z, which is last. All sections of a time follow each other.
        """
        axes, pixels = self._different_axes(spatial_ndim), self.pixels
        spatial = _SPATIAL[spatial_ndim]
        missing = [letter for letter in spatial if letter not in axes]
        if missing:
            raise ValueError(
                f"there is no axis {', '.join(missing)}: the axes are {self.axes!r}, of shape "
                f"{pixels.shape}"
            )
        channels = [letter for letter in axes if letter in "cs"]
        kept = (*spatial, *channels)
        cut = [axis for axis, _ in planes_of(axes, pixels.shape) if axis not in kept]
        ordered = pixels.transpose([axes.index(a) for a in (*cut, *spatial, *channels)])
        shape = ordered.shape[len(cut) : len(cut) + spatial_ndim]
        last = (-1,) if channels else ()
        n = int(np.prod(ordered.shape[: len(cut)]))
        return list(ordered.reshape(n, *shape, *last) if n else [])

    @property
    def is_exact(self) -> bool:
        """Whether `write_labels` wrote them, so that each value means what it is."""
        return self.result == "labels"

    @property
    def n_unnamed(self) -> int:
        """Number of axes that the file does not explain."""
        return sum(letter in _UNNAMED for letter in self.axes)

    def _different_axes(self, spatial_ndim):
        """Axes with one letter each: a digit for pages that the file does not explain.

        The last of these are the sections of volumes in which no axis is z.
        """
        letters = [str(i) if a in _UNNAMED else a for i, a in enumerate(self.axes)]
        pages = [i for i, letter in enumerate(letters) if letter.isdigit()]
        if spatial_ndim == 3 and "z" not in letters and pages:
            letters[pages[-1]] = "z"
        return "".join(letters)


def has_colors(palette: np.ndarray | None) -> TypeGuard[np.ndarray]:
    """Return whether a palette of shape (n_colors, 3) is more than the ramp of a gray image."""
    if palette is None:
        return False
    steps = np.diff(palette.astype(int), axis=0)
    return not ((steps >= 0).all() or (steps <= 0).all())
