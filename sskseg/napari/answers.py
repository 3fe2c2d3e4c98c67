"""The answer of a model: probabilities, objects, their table, uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from ..morphology import measure_objects

if TYPE_CHECKING:
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
    scaled = scaler.transform(session.stack())
    labels = counter.label(segmenter.transform(scaled, positions=positions), positions=positions)
    by_name = [
        session.by_sample(arrays) for arrays in (
            segmenter.predict_proba(scaled, positions=positions), labels,
            segmenter.predict_uncertainty(scaled, positions=positions),
        )
    ]  # fmt: skip
    return {
        name: _answer(sample, *(arrays[name] for arrays in by_name))
        for name, sample in session.samples.items()
    }


def measured(sample: Sample, labels: np.ndarray, probability: np.ndarray | None) -> pd.DataFrame:
    """Measure objects in units of their image."""
    return measure_objects(
        labels, probability=probability, spacing=sample.spacing,
        unit=None if sample.spacing is None else sample.unit,
    )  # fmt: skip


def _answer(sample, probability, labels, uncertainty):
    probability = probability[..., -1] if probability.ndim > labels.ndim else probability
    labels = np.asarray(labels).astype(np.int32)
    return Answer(probability, labels, uncertainty, measured(sample, labels, probability))
