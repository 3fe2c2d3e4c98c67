"""The validation set: scores during training, and calibration after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..images import groups_of_sections
from ..inference import (
    DensePredictor,
    SectionPredictor,
    calibrate,
    fit_calibration,
    identity_calibration,
)
from ..metrics import dice
from ._training_data import TrainingData
from .semi_supervised.pseudo_labels import MAX_CONTEXT

_MIN_APART = 5  # sections that do not show the same objects, which calibrate without a condition
_MIN_GAIN = 0.05  # of Dice, from which on fewer of them calibrate


@dataclass(frozen=True)
class ValidationSet:
    """Labeled samples that are not trained on.

    Parameters
    ----------
    data : TrainingData
        All samples, with their labels.
    indices : ndarray of int
    """

    data: TrainingData
    indices: np.ndarray

    @property
    def labels(self) -> list[np.ndarray]:
        """Label images."""
        return [self.data.labels[i] for i in self.indices]

    def scorer(
        self, objective: Any, predictor_of: Callable[[torch.nn.Module], DensePredictor]
    ) -> Callable[[torch.nn.Module], float] | None:
        """Return what computes the mean Dice of a network; None for an empty set."""
        if self.indices.size == 0:
            return None

        def score(network):
            indices = self.data.section_indices[self.indices]
            outputs = predictor_of(network).predict(self.data.images, indices)
            return mean_dice(objective, self.labels, outputs)

        return score

    def calibration(self, objective: Any, predictor: SectionPredictor) -> np.ndarray:
        """Fit the slope and the offsets of a predictor's logits.

        Parameters
        ----------
        objective : ForegroundObjective or ClassObjective
        predictor : SectionPredictor

        Returns
        -------
        ndarray of float64
            As `fit_calibration`. 1 and 0 for an empty set, and for sections of few places that are
            segmented about as well without it: a single wrong object would be in many of them, and
            decide the threshold of the whole stack.
        """
        neutral = identity_calibration(predictor.n_outputs)
        if not self.indices.size:
            return neutral
        data = self.data
        images = data.image_indices[self.indices]
        outputs = predictor.predict_some(data.images, data.image_positions, images)
        found = fit_calibration(outputs, self.labels, predictor.n_outputs)
        if not self._shows_few_places():
            return found
        before, after = (
            mean_dice(objective, self.labels, [calibrate(output, each) for output in outputs])
            for each in (neutral, found)
        )
        return found if after - before >= _MIN_GAIN else neutral

    def _shows_few_places(self):
        if self.data.positions is None:
            return False
        positions = self.data.positions[self.indices]
        return len(groups_of_sections(positions, 2 * MAX_CONTEXT)) < _MIN_APART


def mean_dice(
    objective: Any,
    labels: Sequence[np.ndarray],
    outputs: Iterable[np.ndarray],
    weight: np.ndarray | None = None,
) -> float:
    """Compute the mean Dice coefficient of the foreground.

    Parameters
    ----------
    objective : ForegroundObjective or ClassObjective
    labels : sequence of ndarray of int, shape (*spatial)
        > 0 is foreground, -1 unlabeled.
    outputs : iterable of ndarray of shape (n_probabilities, *spatial)
    weight : ndarray of shape (n_samples,), default=None

    Returns
    -------
    float
    """
    pairs = zip(labels, outputs, strict=True)
    scores = [dice(np.sign(label), objective.foreground_mask(output)) for label, output in pairs]
    return float(np.average(np.asarray(scores), weights=weight))
