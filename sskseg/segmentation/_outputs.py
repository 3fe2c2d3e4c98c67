"""What is returned of a sample, from its probabilities; picklable functions."""

from __future__ import annotations

import numpy as np

from ..inference import normalized_entropy, scale_temperature
from ..training import ClassObjective, ForegroundObjective

Objective = ForegroundObjective | ClassObjective


def mask(objective: Objective, temperature: float, probabilities: np.ndarray) -> np.ndarray:
    """Return the mask, or the classes."""
    return objective.mask(probabilities)


def probability(objective: Objective, temperature: float, probabilities: np.ndarray) -> np.ndarray:
    """Return the calibrated probability of the foreground, or of each class."""
    return objective.probability(scale_temperature(probabilities, temperature))


def foreground(objective: Objective, temperature: float, probabilities: np.ndarray) -> np.ndarray:
    """Return the calibrated probability of the foreground."""
    return objective.foreground(scale_temperature(probabilities, temperature))


def uncertainty(objective: Objective, temperature: float, probabilities: np.ndarray) -> np.ndarray:
    """Return the normalized entropy of the calibrated probabilities."""
    return normalized_entropy(scale_temperature(probabilities, temperature))
