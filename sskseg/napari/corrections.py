"""Corrections of objects: split, merge, delete; they become annotations, and can be undone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .annotations import BACKGROUND, next_object, pixels_of
from .answers import Answer, measured
from .session import Session

_Corrected = tuple[np.ndarray, np.ndarray]  # what is painted, and the objects


def correct(session: Session, name: str, action: str, places: np.ndarray) -> Answer:
    """Correct objects of an answer, and paint the correction.

    Parameters
    ----------
    session : Session
        With answers, see `Session.set_answers`.
    name : str
        Of the image.
    action : {"split", "merge", "delete"}
        An object is split in parts, one around each place; the objects at the places become one; or
        they become background.
    places : ndarray of float, shape (k, spatial_ndim)
        Pixels.

    Returns
    -------
    Answer
        With the corrected objects; `Session.undo` takes it back.

    Raises
    ------
    ValueError
        If there is no answer, no object at a place, or the number of places or objects does not
        fit the action. Nothing is changed then.
    """
    if action not in _ACTIONS:
        raise ValueError(f"action must be one of {tuple(_ACTIONS)}, got {action!r}.")
    sample = session.samples[name]
    if sample.answer is None:
        raise ValueError(f"There are no objects of {name!r} yet: train first.")
    answer = sample.answer
    painted, labels = _ACTIONS[action](sample.painted, answer.labels, _inside(places, name, answer))
    table = measured(sample, labels, answer.probability)
    corrected = replace(answer, labels=labels, table=table)
    session.paint(name, painted, answer=corrected)
    return corrected


def delete(painted: np.ndarray, labels: np.ndarray, places: np.ndarray) -> _Corrected:
    """Make objects background.

    Parameters
    ----------
    painted, labels : ndarray of int, shape (*spatial)
    places : ndarray of float, shape (k, spatial_ndim)

    Returns
    -------
    painted, labels : ndarray of int
    """
    chosen = np.isin(labels, _objects_at(labels, places))
    return np.where(chosen, BACKGROUND, painted), np.where(chosen, 0, labels)


def merge(painted: np.ndarray, labels: np.ndarray, places: np.ndarray) -> _Corrected:
    """Make one object of several; see `delete`."""
    numbers = _objects_at(labels, places)
    if len(numbers) < 2:
        raise ValueError(f"Click at least two objects to merge, got {len(numbers)}.")
    chosen = np.isin(labels, numbers)
    return np.where(chosen, next_object(painted), painted), np.where(chosen, numbers[0], labels)


def split(painted: np.ndarray, labels: np.ndarray, places: np.ndarray) -> _Corrected:
    """Cut an object in parts, one around each place; see `delete`."""
    numbers = _objects_at(labels, places)
    seeds = np.unique(np.rint(places).astype(int), axis=0)
    if len(seeds) < 2 or len(numbers) != 1:
        raise ValueError(
            f"Click two places or more in one object to split it, got {len(seeds)} in "
            f"{len(numbers)} objects."
        )
    inside = labels == numbers[0]
    pixels = np.argwhere(inside)
    nearest = np.stack([((pixels - seed) ** 2).sum(1) for seed in seeds]).argmin(0)
    painted, labels = painted.copy(), labels.copy()
    painted[inside] = next_object(painted) + nearest
    labels[inside] = np.where(nearest == 0, numbers[0], labels.max() + nearest)
    return painted, labels


_ACTIONS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], _Corrected]] = {
    "split": split, "merge": merge, "delete": delete,
}  # fmt: skip


def _objects_at(labels, places):
    numbers = np.unique(labels[pixels_of(places)])
    if not len(numbers) or (numbers == 0).any():
        raise ValueError("Click objects of the answer: there is none at a place that was clicked.")
    return numbers


def _inside(places, name, answer):
    places = np.asarray(places, float).reshape(-1, answer.labels.ndim)
    pixels = np.rint(places)
    if ((pixels < 0) | (pixels >= answer.labels.shape)).any():
        raise ValueError(f"Click inside of {name!r}: a place is outside of the image.")
    return places
