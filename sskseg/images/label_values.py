"""Void pixels and interpolated masks, recognized by the values of label images."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

LARGEST = (255, 65535, 4294967295, 18446744073709551615)  # largest values of unsigned integers
_MAX_GRAY = 255
_MIN_LEVELS = 3  # gray levels at the edges of an interpolated mask
_SHARE = 0.85  # of pixels with a higher neighbor; dense objects of 2 x 2 pixels have two thirds


def void_value(values: Iterable[int]) -> int | None:
    """Find the value of pixels that are to be ignored.

    Parameters
    ----------
    values : iterable of int
        Values of label images, each once.

    Returns
    -------
    int or None
        255, 65535 or another largest value of an unsigned type if all others are less than half of
        it, and not all of them 0: -1 that was saved as unsigned, or the ignored value of a file.
    """
    others = set(values)
    largest = max(others, default=0)
    if largest not in LARGEST:
        return None
    rest = max((value for value in others if value != largest), default=0)
    return largest if 0 < rest < largest // 2 else None


def is_interpolated(label: np.ndarray) -> bool:
    """Return whether a label image looks like a mask that was resized with interpolation.

    Such a mask falls off at its edges: nearly each pixel of an intermediate gray level touches one
    of a higher level, where in label images only pixels at the border of two objects do.

    Parameters
    ----------
    label : ndarray of int

    Returns
    -------
    bool
    """
    largest = label.max(initial=0)
    if largest > _MAX_GRAY:  # numbers of many objects
        return False
    between = (label > 0) & (label < largest)
    n_levels = len(np.unique(label[between]))
    if n_levels < _MIN_LEVELS or n_levels > between.sum() / 2:  # objects of one pixel
        return False
    higher = np.zeros(label.shape, bool)
    for axis in range(label.ndim):
        low = (slice(None),) * axis + (slice(None, -1),)
        high = (slice(None),) * axis + (slice(1, None),)
        higher[low] |= label[high] > label[low]
        higher[high] |= label[low] > label[high]
    return bool(higher[between].mean() > _SHARE)
