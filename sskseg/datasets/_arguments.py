"""Checks of the arguments of `make_*`."""

from numbers import Integral, Real

import numpy as np


def check_count(name, value, *, least=0):
    """An integer not below `least`; TypeError or ValueError names the argument."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, got {value!r}.")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value!r}.")
    return int(value)


def check_range(name, value, *, positive=False, most=np.inf):
    """A finite number in [0, most], without 0 if `positive`."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}.")
    if not np.isfinite(value) or value < 0 or value > most or (positive and value == 0):
        wanted = "positive" if positive else "not negative"
        wanted += " and finite" if most == np.inf else f" and at most {most}"
        raise ValueError(f"{name} must be {wanted}, got {value!r}.")
    return float(value)


def check_shape(shape):
    """A tuple of 2 or 3 positive integers."""
    try:
        sides = tuple(check_count("shape", side) for side in shape)
    except TypeError:
        sides = ()
    if len(sides) not in (2, 3) or min(sides) < 1:
        raise ValueError(f"shape must be 2 or 3 positive integers, got {shape!r}.")
    return sides
