"""Random generators that never touch global state."""

from __future__ import annotations

from numbers import Integral

import numpy as np


def check_generator(random_state=None):
    """Turn a seed into a generator without reading or writing global random state.

    Parameters
    ----------
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
        None draws fresh entropy from the operating system, an integer gives the same
        generator every time, a generator is returned as it is, and a ``RandomState``
        seeds a new generator (and is thereby advanced, being the caller's own).

    Returns
    -------
    numpy.random.Generator

    Raises
    ------
    ValueError
        If `random_state` is something else, or a negative integer.

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
    if random_state is None or (isinstance(random_state, Integral) and random_state >= 0):
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
