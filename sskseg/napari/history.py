"""What was painted before, for undo and redo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from .answers import Answer
from .sample import Sample

_MAX_LENGTH = 50  # states


class State(NamedTuple):
    """What is painted and clicked on an image, and its objects.

    Parameters
    ----------
    name : str
    painted, complete, points : ndarray
        As of `Sample`.
    answer : Answer or None
        None: that of the time when the state is taken back.
    """

    name: str
    painted: np.ndarray
    complete: np.ndarray
    points: np.ndarray
    answer: Answer | None

    @classmethod
    def of(cls, sample: Sample) -> State:
        """Return the state of a sample."""
        return cls(sample.name, sample.painted, sample.complete, sample.points, sample.answer)

    def restore(self, sample: Sample) -> None:
        """Give a sample this state."""
        sample.painted, sample.complete, sample.points = self.painted, self.complete, self.points
        sample.answer = sample.answer if self.answer is None else self.answer


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
            states[:] = [state._replace(answer=None) for state in states]


def _move(source, target, samples):
    if not source:
        return None
    state = source.pop()
    target.append(State.of(samples[state.name]))
    state.restore(samples[state.name])
    return state.name
