"""Void pixels, and values from interpolation or JPEG, recognized in label images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import cc3d
import numpy as np

LARGEST = (255, 65535, 4294967295, 18446744073709551615)  # largest values of unsigned integers
_SIDE, _MAX_WINDOWS = 1024, 8  # what is examined of an image or of a volume
_MIN_VALUES = 3  # in rims; a class of borders has one
_MANY_VALUES = 20
_MIN_COLORS = 16
_SPECK = 4  # pixels


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


class Components(NamedTuple):
    """Numbers of components of equal positive value, of values, and of some of the components.

    In label images a number is one object, in one piece or a few. Interpolation draws rims of
    values between those of two objects, so that most components are thin, lie between a lower and a
    higher value, and share their value with others. JPEG adds specks of many values.

    Parameters
    ----------
    values, components : int
    large : int
        Components that are not specks.
    rims : int
        Components that are thin, most of whose pixels have a lower and a higher neighbor.
    rim_values : int
        Values of these.
    """

    values: int
    components: int
    large: int
    rims: int
    rim_values: int

    @property
    def is_interpolated(self) -> bool:
        """Whether the values come from interpolation, JPEG or a photograph."""
        if self.components < 1.5 * self.values:
            return False
        many = self.values >= _MANY_VALUES
        has_rims = self.rim_values >= _MIN_VALUES and self.rims >= 0.6 * self.components
        # thin curves that cross are cut into thin pieces, too, but into long ones
        has_rims = has_rims and not (many and self.large > 0.5 * self.components)
        has_specks = self.components >= 4 * self.values and self.large <= 0.25 * self.components
        return has_rims or (many and has_specks)

    @property
    def is_photograph(self) -> bool:
        """Whether numbers of colors come from a photograph: few colors have a large component."""
        is_noisy = self.rims >= 0.6 * self.components
        return is_noisy and self.values > max(_MIN_COLORS, 2 * self.large)


def is_interpolated(label: np.ndarray) -> bool:
    """Return whether the values of a label image come from interpolation, JPEG or a photograph.

    Parameters
    ----------
    label : ndarray of int, shape (height, width) or (depth, height, width)

    Returns
    -------
    bool
    """
    return count_components(label).is_interpolated


def count_components(label: np.ndarray) -> Components:
    """Count the components of equal positive value of a label image.

    Parameters
    ----------
    label : ndarray of int, shape (height, width) or (depth, height, width)
        Of large images and of volumes, eight windows are examined.

    Returns
    -------
    Components
    """
    label = np.asarray(label)
    sections = label if label.ndim == 3 else label[None]
    windows = [
        section[top : top + _SIDE, left : left + _SIDE]
        for section in sections
        for top in range(0, section.shape[0], _SIDE)
        for left in range(0, section.shape[1], _SIDE)
    ]
    filled = [window for window in windows if window.max(initial=0) > 0]
    chosen = filled[:: -(-len(filled) // _MAX_WINDOWS) or 1]
    counts = [_count_window(window) for window in chosen]
    return Components(*(np.sum(counts, axis=0) if counts else np.zeros(5, int)).tolist())


def _count_window(window):
    values, indices = np.unique(np.maximum(window, 0), return_inverse=True)
    numbers = indices.reshape(window.shape).astype(np.uint32) + np.uint32(values[0] > 0)
    if len(values) < _MIN_VALUES:  # a mask: too few for rims
        return 1, 1, 1, 0, 0
    components = cc3d.connected_components(numbers, connectivity=8).ravel()
    thin = ~_in_blocks(numbers).ravel()
    between = thin & _is_between(numbers).ravel()
    size = np.bincount(components)
    is_rim = np.bincount(components, weights=thin) == size
    is_rim &= np.bincount(components, weights=between) >= 0.5 * size
    is_rim[0] = False  # background
    value_of = np.zeros(len(size), np.int64)
    value_of[components] = numbers.ravel()
    return (
        int((values > 0).sum()), len(size) - 1, int((size[1:] >= _SPECK).sum()),
        int(is_rim.sum()), len(np.unique(value_of[is_rim])),
    )  # fmt: skip


def _in_blocks(numbers):
    """Pixels in a block of 2 x 2 equal ones."""
    first = numbers[:-1, :-1]
    equal = (first == numbers[1:, :-1]) & (first == numbers[:-1, 1:]) & (first == numbers[1:, 1:])
    inside = np.zeros(numbers.shape, bool)
    height, width = equal.shape
    for row in (0, 1):
        for column in (0, 1):
            inside[row : row + height, column : column + width] |= equal
    return inside


def _is_between(numbers):
    """Pixels with a lower neighbor on one side and a higher one on the opposite side."""
    padded = np.pad(numbers, 1, mode="edge")
    between = np.zeros(numbers.shape, bool)
    height, width = numbers.shape
    for row, column in ((0, 1), (1, 0), (0, 0), (0, 2)):
        one = padded[row : row + height, column : column + width]
        other = padded[2 - row : 2 - row + height, 2 - column : 2 - column + width]
        between |= (np.minimum(one, other) < numbers) & (numbers < np.maximum(one, other))
    return between
