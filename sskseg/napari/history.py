"""What was painted before, for undo and redo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from .boxes import Box
from .sample import Sample

_MAX_LENGTH = 50  # changes


class State(NamedTuple):
    """What is painted in a box of an image, the points of the image, and objects.

    Parameters
    ----------
    name : str
        Of the image.
    box : tuple of slice
    painted, complete : ndarray, of the shape of the box
    points : ndarray of float64, shape (k, spatial_ndim)
        Of the whole image.
    labels : ndarray, of the shape of the box, or None
        Objects of the answer; None: they stay.
    table : pandas.DataFrame or None
        Of all objects of the image.
    """

    name: str
    box: Box
    painted: np.ndarray
    complete: np.ndarray
    points: np.ndarray
    labels: np.ndarray | None = None
    table: pd.DataFrame | None = None

    @classmethod
    def of(cls, sample: Sample, box: Box) -> State:
        """Return the state of a box of a sample."""
        painted, complete = sample.painted[box].copy(), sample.complete[box].copy()
        state, answer = cls(sample.name, box, painted, complete, sample.points), sample.answer
        if answer is None:
            return state
        return state._replace(labels=answer.labels[box].copy(), table=answer.table)

    def restore(self, sample: Sample) -> None:
        """Give a sample this state."""
        with sample.lock:
            sample.painted[self.box], sample.complete[self.box] = self.painted, self.complete
            sample.points = self.points
            answer = sample.answer
            if answer is not None and self.labels is not None and self.table is not answer.table:
                answer.labels[self.box] = self.labels
                sample.answer = replace(answer, table=self.table)
            sample.set_changed(self.box)


class History:
    """States before and after the present one, of all images of a session."""

    def __init__(self):
        self._past: list[State] = []
        self._future: list[State] = []

    def add(self, state: State) -> None:
        """Add the state before a change."""
        self._past = [*self._past[1 - _MAX_LENGTH :], state]
        self._future = []

    def undo(self, samples: Mapping[str, Sample]) -> str | None:
        """Take back the last change; return the name of its image, or None."""
        return _move(self._past, self._future, samples)

    def redo(self, samples: Mapping[str, Sample]) -> str | None:
        """Repeat what `undo` took back; return the name of its image, or None."""
        return _move(self._future, self._past, samples)

    def forget_answers(self) -> None:
        """Forget objects: a model has new ones, and earlier corrections were of others."""
        for states in (self._past, self._future):
            states[:] = [state._replace(labels=None, table=None) for state in states]

    def forget(self, name: str) -> None:
        """Forget the states of an image that is removed."""
        for states in (self._past, self._future):
            states[:] = [state for state in states if state.name != name]


def _move(source, target, samples):
    if not source:
        return None
    state = source.pop()
    target.append(State.of(samples[state.name], state.box))
    state.restore(samples[state.name])
    return state.name
