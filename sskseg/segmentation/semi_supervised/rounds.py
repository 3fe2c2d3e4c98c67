"""Rounds of pseudo-labeling during training, as long as there is time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import torch

from .continuity import Continuity
from .pseudo_labels import (
    MAX_CONTEXT,
    MIN_IOU,
    PseudoLabels,
    continuity_context,
    mean_over_neighbors,
    pseudo_labels,
    to_float16,
)
from .self_training import SelfTraining

if TYPE_CHECKING:
    from .._training import Training

_MAX_TIME_SHARE = 0.3  # of the time budget, that rounds may take
_TIMED_PIXELS = 2**19  # that are predicted to estimate how long a round takes
_CORRECTION_SHARE = 0.08  # of the time budget, for the second network and what follows
_CALIBRATION_SHARE = 0.02  # of the time budget


class PseudoLabeling:
    """Compute pseudo-labels of all training samples, and hand them to the methods that learn.

    A round without time for it, and for a last one after training, is left out; with "auto" also
    the first, and with it all semi-supervised learning.

    Parameters
    ----------
    training : Training

    Attributes
    ----------
    context : int or None
        Sections on each side that resemble the one between them; None: not known, or independent.
    first_probabilities : list of ndarray, or None
        Of a network that knows the labeled pixels only: they err as those of new images do.
    seconds : list of float
        Duration of each round.
    """

    def __init__(self, training: Training):
        self.training = training
        self.context: int | None = None
        self.first_probabilities: list | None = None
        self.seconds: list[float] = []
        self._rounds: set[float] = set()
        self._once: list[Callable] = []
        self._always: list[Callable] = []

    def subscribe(
        self,
        rounds: Sequence[float],
        function: Callable[[PseudoLabels], None],
        every_round: bool = False,
    ) -> None:
        """Have `function` called with the `PseudoLabels` of the first round, or of every one.

        Parameters
        ----------
        rounds : sequence of float
            Shares of the training after which there is a round, if there is time for it.
        function : callable
        every_round : bool, default=False
        """
        self._rounds |= set(rounds)
        (self._always if every_round else self._once).append(function)

    def unsubscribe(self) -> None:
        """Forget all subscriptions; rounds stay where they are."""
        self._once, self._always = [], []

    def callbacks(self) -> list[tuple[float, Callable[[torch.nn.Module], None]]]:
        """Return the callbacks of the training loop."""
        return [(progress, self.update) for progress in sorted(self._rounds)]

    def update(self, network: torch.nn.Module) -> None:
        """Run a round with the moving average of the network."""
        if (self.seconds and not self._always) or not self.has_time(network):
            return
        started = perf_counter()
        pseudo = self.compute(network)
        for function in [*(() if self.seconds else self._once), *self._always]:
            function(pseudo)
        self.seconds.append(perf_counter() - started)
        self._reserve_time()

    def compute(self, network: torch.nn.Module) -> PseudoLabels:
        """Predict all training samples and label every pixel.

        Parameters
        ----------
        network : torch.nn.Module

        Returns
        -------
        PseudoLabels
        """
        data = self.training.data
        probabilities = to_float16(self.training.predict(network))
        if data.positions is None:
            labels = pseudo_labels(probabilities, data.labels)
            return PseudoLabels(labels, probabilities, probabilities)
        self._measure_context(probabilities, data.positions)
        # While nothing but background is predicted, say, neighbors are taken to be alike.
        context = 1 if self.context is None else self.context
        means = mean_over_neighbors(probabilities, data.positions, context)
        labels = pseudo_labels(means, data.labels, data.positions, context)
        return PseudoLabels(labels, probabilities, means)

    def _measure_context(self, probabilities, positions):
        continuity = self.training.method(Continuity)
        limits = (
            (MAX_CONTEXT, MIN_IOU)
            if continuity is None
            else (continuity.max_context, continuity.min_iou)
        )
        context = continuity_context(probabilities, positions, *limits)
        if self.context:  # a network that has learned more finds more sections alike
            self.context = max(self.context, context or 0)
            return
        self.context = context
        if context != 0 or continuity is None:
            return
        if not self.training.is_auto:
            self.context = 1
            return
        self.training.replace_methods(
            [SelfTraining()], "; their masks overlap too little to correct each other"
        )

    def has_time(self, network: torch.nn.Module) -> bool:
        """Whether there is time for a round, and for a last one after training.

        Methods that were asked for always have their first round; where "auto" has no time for it,
        training continues without semi-supervised learning.
        """
        if not self.training.methods:
            return False
        total = self.training.total_seconds
        if total is None or not (self.seconds or self.training.is_auto):
            return True
        each = self.seconds[-1] if self.seconds else self._estimate(network)
        left = total - self.training.budget.elapsed()
        if sum(self.seconds) + 2 * each <= _MAX_TIME_SHARE * total and 2 * each <= left:
            return True
        if not self.seconds:
            self.training.replace_methods(
                [],
                "; unlabeled pixels are left out: predicting all samples takes about "
                f"{each:.1f} s, at least twice, of {total:.1f} s",
            )
            self.training.budget.time_budget = total
        return False

    def _estimate(self, network):
        """Seconds to predict all samples, from a part of the largest, predicted several times."""
        data, ndim = self.training.data, self.training.ndim
        sizes = [label.size for label in data.labels]
        largest = int(np.argmax(sizes))
        part = (slice(round(_TIMED_PIXELS ** (1 / ndim))),) * ndim
        size = data.labels[largest][part].size
        times = -(-min(_TIMED_PIXELS, sum(sizes)) // size)
        indices = np.repeat(data.section_indices[largest : largest + 1], times, axis=0)
        started = perf_counter()
        parts = [image[part] for image in data.images]
        for _ in self.training.predictor(network).predict(parts, indices):
            pass
        return (perf_counter() - started) * sum(sizes) / (times * size)

    def _reserve_time(self):
        """Let the network train as long as a last round, and what follows, allow."""
        total, budget = self.training.total_seconds, self.training.budget
        if total is not None:
            corrects = self.training.method(Continuity) is not None
            after = _CORRECTION_SHARE if corrects else _CALIBRATION_SHARE
            budget.time_budget = total
            budget.shorten((1 - after) * total - self.seconds[-1])
