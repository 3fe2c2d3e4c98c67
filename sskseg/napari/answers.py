"""The answer of a model: probabilities, objects, their table, uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from ..inference import normalized_entropy
from ..morphology import object_sums, sums_to_table
from ..morphology.columns import length_unit

if TYPE_CHECKING:
    from .boxes import Box
    from .sample import Sample
    from .session import Session


@dataclass(frozen=True)
class Answer:
    """What a model predicts of an image.

    Parameters
    ----------
    probability, uncertainty : ndarray of float32, shape (*spatial)
        Of the foreground, and the entropy of it, from 0 to 1.
    labels : ndarray of int32, shape (*spatial)
        0 background, > 0 objects.
    table : pandas.DataFrame
        One row an object, in units of the image, as `sskseg.morphology.measure_objects` returns it.
    """

    probability: np.ndarray
    labels: np.ndarray
    uncertainty: np.ndarray
    table: pd.DataFrame


def answer_of(session: Session, model: Pipeline) -> dict[str, Answer]:
    """Predict all images of a session.

    Parameters
    ----------
    session : Session
    model : Pipeline
        Fitted: scaler, segmenter and counter, as `Training` makes it.

    Returns
    -------
    answers : dict of Answer
        By name of the image.
    """
    (_, scaler), (_, segmenter), (_, counter) = model.steps
    positions = session.positions()
    probabilities = segmenter.transform(scaler.transform(session.stack()), positions=positions)
    labels = session.by_sample(counter.label(probabilities, positions=positions))
    return {
        name: _answer(session.samples[name], outputs, labels[name])
        for name, outputs in session.by_sample(probabilities).items()
    }


def measured(
    sample: Sample, labels: np.ndarray, probability: np.ndarray | None, box: Box | None = None
) -> pd.DataFrame:
    """Measure objects in units of their image.

    Parameters
    ----------
    sample : Sample
    labels : ndarray of int
    probability : ndarray of the same shape, or None
    box : tuple of slice, default=None
        Of the image, which holds the objects; None is the whole image.

    Returns
    -------
    table : pandas.DataFrame
        Of `sskseg.morphology.measure_objects`.
    """
    start = None if box is None else [side.start for side in box]
    sums = object_sums(labels, start=start, probability=probability)
    spacing = (1.0,) * labels.ndim if sample.spacing is None else sample.spacing
    unit = length_unit(None if sample.spacing is None else sample.unit, sample.spacing)
    return sums_to_table(sums, sample.painted.shape, spacing, unit=unit)


def _answer(sample, outputs, labels):
    """One prediction gives all: that of the foreground, and of cores if there are any."""
    foreground = np.asarray(outputs)
    foreground = foreground[..., 0] if foreground.ndim > labels.ndim else foreground
    labels = np.asarray(labels).astype(np.int32)
    table = measured(sample, labels, foreground)
    return Answer(foreground, labels, normalized_entropy(foreground[None]), table)
