"""Random generators apart from the global random state."""

from __future__ import annotations

from typing import Any

import numpy as np


def check_generator(random_state: Any = None) -> np.random.Generator:
    """Create a generator from a seed, without the global random state.

    Parameters
    ----------
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
        None seeds from the operating system, and an integer is a seed. A generator is returned
        unchanged. A ``RandomState`` draws a seed, by which it is advanced.

    Returns
    -------
    numpy.random.Generator

    Raises
    ------
    ValueError
        For anything else, or a negative integer.

    Examples
    --------
    >>> from sskseg.images import check_generator
    >>> int(check_generator(0).integers(100)) == int(check_generator(0).integers(100))
    True
    """
    if isinstance(random_state, np.random.Generator):
        return random_state
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**31))
    is_seed = isinstance(random_state, (int, np.integer)) and random_state >= 0
    if random_state is None or is_seed:
        return np.random.default_rng(random_state)
    raise ValueError(
        "random_state must be None, a non-negative int, a numpy Generator or a RandomState, "
        f"got {random_state!r}."
    )


def child_generator(rng: np.random.Generator) -> np.random.Generator:
    """Draw a seed and return a new generator, which is independent of further draws.

    Parameters
    ----------
    rng : numpy.random.Generator
        Advanced by one draw.

    Returns
    -------
    numpy.random.Generator
        For what runs in a thread, or draws as often as it likes.
    """
    return np.random.default_rng(int(rng.integers(2**62)))
