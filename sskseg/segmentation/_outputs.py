"""What is returned of a sample, from its probabilities; picklable functions."""

from __future__ import annotations

import numpy as np

from ..inference import calibrate, normalized_entropy
from ..training import ClassObjective, ForegroundObjective

Objective = ForegroundObjective | ClassObjective


def mask(objective: Objective, calibration: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the mask, or the classes, that are most likely by the calibrated probabilities."""
    return objective.mask(calibrate(probabilities, calibration))


def probability(
    objective: Objective, calibration: np.ndarray, probabilities: np.ndarray
) -> np.ndarray:
    """Return the calibrated probability of the foreground, or of each class."""
    return objective.probability(calibrate(probabilities, calibration))


def foreground(
    objective: Objective, calibration: np.ndarray, probabilities: np.ndarray
) -> np.ndarray:
    """Return the calibrated probability of the foreground."""
    return objective.foreground(calibrate(probabilities, calibration))


def foreground_and_core(
    objective: Objective, calibration: np.ndarray, outputs: np.ndarray
) -> np.ndarray:
    """Return the calibrated probability of the foreground and that of cores, as last axis.

    Without cores among the outputs, as `foreground` returns it.
    """
    n = objective.n_probabilities
    probability = foreground(objective, calibration, outputs[:n])
    return probability if len(outputs) == n else np.stack([probability, *outputs[n:]], axis=-1)


def uncertainty(
    objective: Objective, calibration: np.ndarray, probabilities: np.ndarray
) -> np.ndarray:
    """Return the normalized entropy of the calibrated probabilities."""
    return normalized_entropy(calibrate(probabilities, calibration))
