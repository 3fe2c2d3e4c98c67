"""The answer of a model: probabilities, objects, their table, uncertainty, counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from ..counting import count_by_region
from ..morphology import measure_objects
from .session import Sample, Session


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


def count_objects(
    sample: Sample, labels: np.ndarray, regions: np.ndarray | None = None
) -> pd.DataFrame:
    """Count the objects of an image, by region.

    Parameters
    ----------
    sample : Sample
    labels : ndarray of int, shape (*spatial)
        0 background, > 0 objects.
    regions : ndarray of int, shape (*spatial), default=None
        0 is outside of all; None: the whole image is one.

    Returns
    -------
    table : pandas.DataFrame
        As `sskseg.scans.count_by_region` returns it: ``region, objects, size, density``.
    """
    regions = np.ones(labels.shape, np.int32) if regions is None else regions
    if regions.shape != labels.shape:
        raise ValueError(f"regions must have shape {labels.shape}, got {regions.shape}.")
    table = measured(sample, labels, None)
    unit = None if sample.spacing is None else sample.unit
    return count_by_region(table, regions, spacing=sample.spacing, unit=unit)


def most_uncertain(answers: dict[str, Answer], session: Session) -> tuple[str, int | None]:
    """Return the image on which to paint next, and its section, if it has sections.

    It is the one of the highest mean uncertainty among those on which nothing is painted, or among
    all if there is none.
    """
    scores = []
    for name, answer in answers.items():
        painted = session.samples[name].painted > 0
        planes = painted.ndim == 3
        for i in range(len(painted)) if planes else [None]:
            index = ... if i is None else i
            is_new = not painted[index].any()
            scores.append((is_new, float(answer.uncertainty[index].mean()), name, i))
    _, _, name, section = max(scores, key=lambda score: score[:2])
    return name, section


def _answer(sample, probability, labels, uncertainty):
    probability = probability[..., -1] if probability.ndim > labels.ndim else probability
    labels = np.asarray(labels).astype(np.int32)
    return Answer(probability, labels, uncertainty, measured(sample, labels, probability))
