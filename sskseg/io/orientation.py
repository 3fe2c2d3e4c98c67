"""Orientation of images, as EXIF and TIFF define it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

# Of each value: whether rows and columns change places, and which of them are flipped then.
_TURNS = {
    1: (False, ()), 2: (False, (1,)), 3: (False, (0, 1)), 4: (False, (0,)),
    5: (True, ()), 6: (True, (1,)), 7: (True, (0, 1)), 8: (True, (0,)),
}  # fmt: skip


def upright(pixels: Any, orientation: int, y_axis: int = 0) -> Any:
    """Turn an image (..., height, width, ...) as its orientation says.

    Parameters
    ----------
    pixels : ndarray or dask array
    orientation : int
        1 to 8, the value of the tag 274; others are taken as 1.
    y_axis : int, default=0
        Axis of the rows; that of the columns follows.

    Returns
    -------
    ndarray or dask array

    References
    ----------
    .. [1] Exif 2.32, CIPA DC-008-2019, section 4.6.4, tag Orientation.
    """
    transposed, flipped = _TURNS.get(orientation, _TURNS[1])
    turned = pixels.swapaxes(y_axis, y_axis + 1) if transposed else pixels
    flips = [slice(None, None, -1 if axis in flipped else None) for axis in (0, 1)]
    turned = turned[(slice(None),) * y_axis + tuple(flips)]
    return np.ascontiguousarray(turned) if isinstance(turned, np.ndarray) else turned


def upright_shape(shape: Sequence[int], orientation: int, y_axis: int = 0) -> tuple[int, ...]:
    """Return the shape of an image that `upright` turned."""
    sides = list(shape)
    if _TURNS.get(orientation, _TURNS[1])[0]:
        sides[y_axis], sides[y_axis + 1] = sides[y_axis + 1], sides[y_axis]
    return tuple(sides)


def upright_sizes(sizes: Mapping[str, Any], orientation: int) -> dict[str, Any]:
    """Swap the values of the axes y and x where `upright` swaps the axes."""
    if not _TURNS.get(orientation, _TURNS[1])[0]:
        return dict(sizes)
    return {{"y": "x", "x": "y"}.get(axis, axis): value for axis, value in sizes.items()}
