"""Monitoring a refiner: are images realistic, and do labels still fit?"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..simulation import boundary_shifts, find_polarity, hallucinated, surviving
from ..training import Budget
from .patches import SimulatedPool, random_patches
from .realism import realism_of_features, spectrum_realism, structure_features

N_EVALUATED = 16  # simulated images whose annotations are compared with refined ones
N_PATCHES = 64  # of real and of refined images, for the realism
_MAX_SHIFT, _MIN_SURVIVAL = 1.0, 0.97  # of annotations
_PATIENCE = 4  # reports without more realism
_COLLAPSED = 0.5, 0.1  # of the realism of plain simulated images; and as much below it


class Monitor:
    """Evaluate realism and annotations during training, and keep the last good state.

    Parameters
    ----------
    estimator : SimulatedRefiner
    pool : SimulatedPool
        Simulated images that the refiner is not trained on.
    real : list of ndarray of shape (*spatial)
        Real images that the discriminator is not trained on.
    budget : Budget

    Attributes
    ----------
    should_stop : bool
        Whether the realism of histogram and spectrum has stopped to rise, in the second half of the
        training.
    """

    def __init__(
        self, estimator: Any, pool: SimulatedPool, real: Sequence[np.ndarray], budget: Budget
    ):
        self.estimator, rng = estimator, np.random.default_rng(0)
        patches = random_patches(real, estimator.patch_shape_, rng)
        self.real = [next(patches) for _ in range(N_PATCHES)]
        self._structure = structure_features(self.real)
        self.pool, self.budget = pool, budget
        self.good = copy.deepcopy(estimator.network_.state_dict())
        self.simulated = self._realism(pool.X[:N_PATCHES])
        self.best, self.since = -1.0, 0
        self.should_stop = False

    def __call__(self, step: int) -> dict[str, float]:
        """Return scores for the history."""
        state = self._evaluate()
        if not self._faults(state):
            self.good = copy.deepcopy(self.estimator.network_.state_dict())
        realism = state["spectrum_realism"]
        better = realism > self.best + 0.01
        self.best, self.since = max(self.best, realism), 0 if better else self.since + 1
        keys = (*self.simulated, "boundary_shift", "boundary_bias", "survival")
        # The last step began in the second half.
        is_late = self.budget.progress(step - 1) > 0.5
        self.should_stop = is_late and self.since >= _PATIENCE
        return {key: state[key] for key in keys}

    def finish(self) -> dict[str, float]:
        """Return the report of the state that is kept."""
        network = self.estimator.network_
        if not all(weights.isfinite().all() for weights in network.state_dict().values()):
            network.load_state_dict(self.good)  # it diverged, and the loop has warned
        last = self._evaluate()
        faults = self._faults(last)
        if faults:
            warnings.warn(f"{' '.join(faults)} The last state that was good is kept.", stacklevel=3)
            network.load_state_dict(self.good)
            last = self._evaluate()
        return {**last, **{f"{name}_simulated": value for name, value in self.simulated.items()}}

    def _faults(self, state):
        """Return what is wrong with a state, and what to change."""
        faults = []
        if state["boundary_shift"] > _MAX_SHIFT or state["survival"] < _MIN_SURVIVAL:
            faults.append(
                f"The refiner moves outlines by {state['boundary_shift']:.1f} pixels and keeps "
                f"{state['survival']:.2f} of the objects: raise self_regularization (now "
                f"{self.estimator.self_regularization:g})."
            )
        (share, gap), name = _COLLAPSED, "spectrum_realism"
        refined, simulated = state[name], self.simulated[name]
        if refined < min(share * simulated, simulated - gap):
            faults.append(
                f"Refining collapsed: refined images have a {name} of {refined:.2f}, "
                f"plain simulated ones {simulated:.2f}. Lower learning_rate (now "
                f"{self.estimator.learning_rate:g}) or raise self_regularization."
            )
        return faults

    def _evaluate(self):
        refined = self.estimator._refine(
            self.pool.X[:N_PATCHES], self.pool.conditioning[:N_PATCHES], np.random.default_rng(0)
        )
        evaluated = slice(N_EVALUATED)
        triples = list(
            zip(self.pool.X[evaluated], refined[evaluated], self.pool.y[evaluated], strict=True)
        )
        shifts = np.concatenate([[0.0], *(boundary_shifts(*each) for each in triples)])
        alive = np.concatenate([surviving(*each) for each in triples])
        new = sum(hallucinated(*each) for each in triples)
        self.estimator.network_.train()
        return {
            **self._realism(refined),
            "boundary_shift": float(np.median(np.abs(shifts))),
            "boundary_shift_95": float(np.percentile(np.abs(shifts), 95)),
            "boundary_bias": float(np.median(shifts)),
            "survival": float(alive.mean()) if len(alive) else 1.0,
            "hallucination": new / max(len(alive), 1),
        }

    def _realism(self, images):
        rng = np.random.default_rng(0)
        made = random_patches(list(images), self.estimator.patch_shape_, rng)
        patches = [next(made) for _ in range(len(self.real))]
        return {
            "spectrum_realism": spectrum_realism(self.real, patches),
            "structure_realism": realism_of_features(self._structure, patches),
        }


def warn_of_polarity(pool: SimulatedPool, images: Sequence[np.ndarray]) -> None:
    """Warn if simulated cells are bright and real ones dark, or the other way round."""
    labeled = [(x, y) for x, y in zip(pool.X, pool.y) if (y > 0).any() and (y == 0).any()]
    rises = [np.median(x[y > 0]) > np.median(x[y == 0]) for x, y in labeled[:N_EVALUATED]]
    if not rises:
        return
    made = "bright" if np.mean(rises) > 0.5 else "dark"
    votes = find_polarity(images[:N_PATCHES])
    if votes[made] < 0.5 * sum(votes.values()):
        warnings.warn(
            f"Simulated cells are {made}, and real ones look the other way round in "
            f"{sum(votes.values()) - votes[made]} of {sum(votes.values())} images: exchange "
            "foreground and background of the simulator, or leave it to be calibrated.",
            stacklevel=3,
        )
