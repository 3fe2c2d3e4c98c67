"""Checks of the arguments of `make_*`."""

from numbers import Integral, Real
from typing import Any

import numpy as np


def check_count(name: str, value: Any, *, minimum: int = 0) -> int:
    """Check an integer of at least `minimum`; TypeError or ValueError names the argument."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, got {value!r}.")
    if value < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {value!r}.")
    return int(value)


def check_range(name: str, value: Any, *, positive: bool = False, maximum: float = np.inf) -> float:
    """Check a finite number in [0, maximum], without 0 if `positive`."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}.")
    number = float(value)
    if not np.isfinite(number) or not 0 <= number <= maximum or (positive and number == 0):
        expected = "positive" if positive else "not negative"
        expected += " and finite" if maximum == np.inf else f" and at most {maximum}"
        raise ValueError(f"{name} must be {expected}, got {value!r}.")
    return number


def check_shape(shape: Any) -> tuple[int, ...]:
    """Check a tuple of 2 or 3 positive integers."""
    try:
        sides = tuple(check_count("shape", side) for side in shape)
    except TypeError:
        sides = ()
    if len(sides) not in (2, 3) or min(sides) < 1:
        raise ValueError(f"shape must be 2 or 3 positive integers, got {shape!r}.")
    return sides
