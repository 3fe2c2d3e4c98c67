"""Patches that are used in several batches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import Lock

import numpy as np

from ..images.augmentation import Geometry, turn

_POOL = 16  # batches of patches, from which those that are used again are drawn


class UsedPatches:
    """Patches that are used again.

    Parameters
    ----------
    n_uses : int
        Of each patch; 1 keeps none.
    """

    def __init__(self, n_uses: int):
        self._n_uses = n_uses
        self._kept: list[tuple[_Once, int]] = []  # with how often each is still to be used

    def n_new(self, batch_size: int) -> int:
        """Return how many patches of the next batch are new: all until enough are kept."""
        if self._n_uses == 1 or len(self._kept) < _POOL * batch_size:
            return batch_size
        return -(-batch_size // self._n_uses)

    def draw(
        self, rng: np.random.Generator, new: list[Callable[[], tuple]], turns: list[Geometry]
    ) -> list[Callable[[], tuple]]:
        """Return the patches of a batch: new ones, and for each of `turns` one that is kept.

        Parameters
        ----------
        rng : numpy.random.Generator
        new : list of callable
        turns : list of Geometry
            Flips and quarter turns.

        Returns
        -------
        list of callable
        """
        if self._n_uses == 1:
            return new
        chosen = rng.permutation(len(self._kept))[: len(turns)].tolist()
        again = [partial(self._kept[i][0], turn) for i, turn in zip(chosen, turns, strict=True)]
        used = dict.fromkeys(chosen, 1)
        left = [(patch, n - used.get(i, 0)) for i, (patch, n) in enumerate(self._kept)]
        made = [_Once(make) for make in new]
        self._kept = [each for each in left if each[1]] + [(p, self._n_uses - 1) for p in made]
        return [*made, *again]


class _Once:
    """A patch, made by the thread that needs it first."""

    def __init__(self, make):
        self._make, self._parts, self._lock = make, None, Lock()

    def __call__(self, geometry=None):
        with self._lock:
            if self._parts is None:
                self._parts = self._make()
        if geometry is None:
            return self._parts
        image, *others = self._parts
        turned = [None if x is None else turn(x.unsqueeze(1), geometry)[:, 0] for x in others]
        return turn(image, geometry), *turned
