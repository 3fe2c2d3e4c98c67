"""The validation set: scores during training, and calibration after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..inference import DensePredictor, SectionPredictor, fit_calibration, identity_calibration
from ..metrics import dice
from ._training_data import TrainingData


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

    def calibration(self, predictor: SectionPredictor) -> np.ndarray:
        """Fit the slope and the offsets of a predictor's logits; 1 and 0 for an empty set."""
        if not self.indices.size:
            return identity_calibration(predictor.n_outputs)
        data = self.data
        images = data.image_indices[self.indices]
        outputs = predictor.predict_some(data.images, data.image_positions, images)
        return fit_calibration(outputs, self.labels, predictor.n_outputs)


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
