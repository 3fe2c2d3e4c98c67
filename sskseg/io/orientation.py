"""Orientation of images, as EXIF and TIFF define it."""

from __future__ import annotations

from typing import Any

import numpy as np

# Of each value: whether rows and columns change places, and which of them are flipped then.
_TURNS = {
    1: (False, ()), 2: (False, (1,)), 3: (False, (0, 1)), 4: (False, (0,)),
    5: (True, ()), 6: (True, (1,)), 7: (True, (0, 1)), 8: (True, (0,)),
}  # fmt: skip


def upright(pixels: Any, orientation: int) -> Any:
    """Turn an image (height, width, ...) as its orientation says.

    Parameters
    ----------
    pixels : ndarray or dask array of shape (height, width, ...)
    orientation : int
        1 to 8, the value of the tag 274; others are taken as 1.

    Returns
    -------
    ndarray or dask array

    References
    ----------
    .. [1] Exif 2.32, CIPA DC-008-2019, section 4.6.4, tag Orientation.
    """
    transposed, flipped = _TURNS.get(orientation, _TURNS[1])
    turned = pixels.swapaxes(0, 1) if transposed else pixels
    turned = turned[tuple(slice(None, None, -1 if axis in flipped else None) for axis in (0, 1))]
    return np.ascontiguousarray(turned) if isinstance(turned, np.ndarray) else turned
