"""Corrections of objects: split, merge, delete; they become annotations, and can be undone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from ..morphology.columns import AXES
from .annotations import BACKGROUND, next_object, pixels_of
from .answers import Answer, measured
from .history import State
from .session import Session


def correct(session: Session, name: str, action: str, places: np.ndarray) -> Answer:
    """Correct objects of an answer, and paint the correction.

    Only the box of these objects is copied and measured, not the whole image.

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
    if action not in _PARTS:
        raise ValueError(f"action must be one of {tuple(_PARTS)}, got {action!r}.")
    sample = session.samples[name]
    if sample.answer is None:
        raise ValueError(f"There are no objects of {name!r} yet: train first.")
    answer, places = sample.answer, _inside(places, name, sample.answer)
    numbers = _objects_at(answer.labels, places)
    box = _box_of(answer.table, numbers)
    inside = np.isin(answer.labels[box], numbers)
    part = _PARTS[action](np.argwhere(inside), numbers, places - [side.start for side in box])
    painted, labels = sample.painted[box].copy(), answer.labels[box].copy()
    painted[inside] = np.where(part < 0, BACKGROUND, next_object(sample.painted) + part)
    last = int(answer.table["id"].max())
    labels[inside] = np.select([part < 0, part == 0], [0, numbers[0]], last + part)
    measures = measured(sample, np.where(inside, labels, 0), answer.probability[box], box)
    table = _replaced(answer.table, numbers, measures)
    session.change(State(name, box, painted, sample.complete[box], sample.points, labels, table))
    return sample.answer


def _delete(pixels, numbers, places):
    """No pixel has a part."""
    return np.full(len(pixels), -1)


def _merge(pixels, numbers, places):
    """All pixels are one part."""
    if len(numbers) < 2:
        raise ValueError(f"Click at least two objects to merge, got {len(numbers)}.")
    return np.zeros(len(pixels), int)


def _split(pixels, numbers, places):
    """The part of each pixel is that of the nearest place."""
    seeds = np.unique(np.rint(places).astype(int), axis=0)
    if len(seeds) < 2 or len(numbers) != 1:
        raise ValueError(
            f"Click two places or more in one object to split it, got {len(seeds)} in "
            f"{len(numbers)} objects."
        )
    return np.stack([((pixels - seed) ** 2).sum(1) for seed in seeds]).argmin(0)


_PARTS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "split": _split, "merge": _merge, "delete": _delete,
}  # fmt: skip


def _objects_at(labels, places):
    numbers = np.unique(labels[pixels_of(places)])
    if not len(numbers) or (numbers == 0).any():
        raise ValueError("Click objects of the answer: there is none at a place that was clicked.")
    return numbers


def _box_of(table, numbers):
    """The smallest box that holds objects."""
    rows, ndim = table[table["id"].isin(numbers)], 3 if "min_z" in table else 2
    return tuple(
        slice(int(rows[f"min_{axis}"].min()), int(rows[f"max_{axis}"].max())) for axis in AXES[ndim]
    )


def _replaced(table, numbers, measures):
    """The table with the measures of other objects in place of those of some."""
    kept = table[~table["id"].isin(numbers)]
    joined = pd.concat([kept, measures]) if len(measures) else kept
    joined = joined.sort_values("id", ignore_index=True)
    joined.attrs = dict(table.attrs)
    return joined


def _inside(places, name, answer):
    places = np.asarray(places, float).reshape(-1, answer.labels.ndim)
    pixels = np.rint(places)
    if ((pixels < 0) | (pixels >= answer.labels.shape)).any():
        raise ValueError(f"Click inside of {name!r}: a place is outside of the image.")
    return places
