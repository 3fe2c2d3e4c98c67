"""Rounds of pseudo-labeling during training, as long as there is time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import torch

from ...images import consecutive_runs
from .continuity import Continuity, NeighborMethod
from .masks import PackedMasks, masks_by_context
from .pseudo_labels import (
    CONFIDENCE,
    MAX_CONTEXT,
    MIN_IOU,
    NeighborMeans,
    PseudoLabels,
    agree,
    continuity_context,
    in_one_block,
    low_confidence,
    predicted_masks,
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
        Probabilities of a network that was trained on labeled pixels only. They err as those of new
        images do.
    seconds : list of float
        Duration of each round.
    """

    def __init__(self, training: Training):
        self.training = training
        self.context: int | None = None
        self.first_probabilities: list | None = None
        self.seconds: list[float] = []
        self._estimated: float | None = None  # seconds of a round, before the first
        self._rounds: set[float] = set()
        self._once: list[tuple[Callable, bool]] = []
        self._always: list[tuple[Callable, bool]] = []
        self._release: list[Callable] = []

    @property
    def has_planned(self) -> bool:
        """Whether the duration of a last round is known, from a round or an estimate."""
        return bool(self.seconds) or self._estimated is not None

    def subscribe(
        self,
        rounds: Sequence[float],
        function: Callable[[PseudoLabels], None],
        every_round: bool = False,
        reads_probabilities: bool = True,
        release: Callable[[], None] | None = None,
    ) -> None:
        """Have `function` called with the `PseudoLabels` of the first round, or of every one.

        Parameters
        ----------
        rounds : sequence of float
            Shares of the training after which there is a round, if there is time for it.
        function : callable
        every_round : bool, default=False
        reads_probabilities : bool, default=True
            Whether `function` reads more than labels. If none does, a round takes less memory.
        release : callable, default=None
            Called before each round after the first, to free the pseudo-labels of the last one.
        """
        self._rounds |= set(rounds)
        (self._always if every_round else self._once).append((function, reads_probabilities))
        if release is not None:
            self._release.append(release)

    def unsubscribe(self) -> None:
        """Forget all subscriptions; rounds stay where they are."""
        self._once, self._always, self._release = [], [], []

    def callbacks(self) -> list[tuple[float, Callable[[torch.nn.Module], None]]]:
        """Return the callbacks of the training loop."""
        return [(progress, self.update) for progress in sorted(self._rounds)]

    def update(self, network: torch.nn.Module) -> None:
        """Run a round with the moving average of the network."""
        if (self.seconds and not self._always) or not self.has_time(network):
            return
        started = perf_counter()
        subscribed = [*(() if self.seconds else self._once), *self._always]
        for release in self._release if self.seconds else ():
            release()
        pseudo = self.compute(network, any(reads for _, reads in subscribed))
        for function, _ in subscribed:
            function(pseudo)
        self.seconds.append(perf_counter() - started)
        self._reserve_time()

    def compute(
        self,
        network: torch.nn.Module,
        keep_probabilities: bool = True,
        confidence: float | None = None,
    ) -> PseudoLabels:
        """Predict all training samples and label every pixel.

        Parameters
        ----------
        network : torch.nn.Module
        keep_probabilities : bool, default=True
            False: the result has none, and memory holds those of a few sections.
        confidence : float, default=None
            Minimum confidence; pixels below it are `uncertain` in the result.

        Returns
        -------
        PseudoLabels
        """
        data, in_bits = self.training.data, self.training.objective.n_probabilities == 1
        if data.positions is not None and in_bits and not keep_probabilities:
            return self._compute_in_bits(network, data.positions, confidence)
        outputs = self.training.predict(network)
        probabilities = in_one_block(outputs, len(data.images), np.float16)
        means: Sequence = probabilities
        context = 0
        if data.positions is not None:
            context = self._measure_context(probabilities, data.positions)
            means = NeighborMeans(probabilities, data.positions, context)
        uncertain = None
        if confidence is not None:
            uncertain = PackedMasks(len(means))
            for i, mask in enumerate(low_confidence(means, data.labels, confidence)):
                uncertain[i] = mask
        masks = predicted_masks(means)
        if not keep_probabilities:
            probabilities, means = [], []
        labels = agree(masks, data.labels, data.positions, context)
        return PseudoLabels(labels, probabilities, means, uncertain)

    def _compute_in_bits(self, network, positions, confidence):
        """Compute pseudo-labels from masks alone, for each context that may be found."""
        data = self.training.data
        order = np.concatenate(consecutive_runs(positions))
        contexts = {0, *range(self.context or 0, self._limits[0] + 1)}
        outputs = self.training.predict(network, order)
        found = masks_by_context(
            outputs, order, positions, sorted(contexts), data.labels, confidence
        )
        context = self._measure_context(found[0][0], positions)
        masks, uncertain = found[context]
        del found
        labels = in_one_block((mask[0] for mask in masks), len(masks), np.int8)
        labels = agree(labels, data.labels, positions, context)
        return PseudoLabels(labels, [], [], None if confidence is None else uncertain)

    @property
    def _limits(self):
        """Largest context, and smallest IoU of the sections in it."""
        averaging = self.training.method(NeighborMethod)
        if averaging is None:
            return MAX_CONTEXT, MIN_IOU
        return averaging.max_context, averaging.min_iou

    def _measure_context(self, probabilities, positions):
        """Update the context, and return over how many neighbors to average."""
        continuity = self.training.method(Continuity)
        context = continuity_context(probabilities, positions, *self._limits)
        if self.context:  # a network that has learned more finds more sections alike
            self.context = max(self.context, context or 0)
            return self.context
        self.context = context
        if context == 0 and continuity is not None:
            if self.training.is_auto:
                self.training.replace_methods(
                    [SelfTraining()], "; their masks overlap too little to correct each other"
                )
            else:
                self.context = 1
        # While nothing but background is predicted, say, neighbors are taken to be alike.
        return 1 if self.context is None else self.context

    def reserve_last(self, network: torch.nn.Module) -> None:
        """Let the network train as long as a last round after training allows, the only one."""
        total, budget = self.training.total_seconds, self.training.budget
        if total is None or not self.has_time(network, 1):
            return
        budget.time_budget = total
        budget.shorten((1 - _CALIBRATION_SHARE) * total - self._duration(network))

    def has_time(self, network: torch.nn.Module, n_rounds: int = 2) -> bool:
        """Whether there is time for some rounds: one now, and a last one after training.

        Methods that were asked for always have their first round; where "auto" has no time for it,
        training continues without semi-supervised learning.
        """
        if not self.training.methods:
            return False
        total = self.training.total_seconds
        if total is None or not (self.seconds or self.training.is_auto):
            return True
        each = self._duration(network)
        left = total - self.training.budget.elapsed()
        needed = n_rounds * each
        if sum(self.seconds) + needed <= _MAX_TIME_SHARE * total and needed <= left:
            return True
        if not self.seconds:
            self.training.replace_methods(
                [],
                "; unlabeled pixels are left out: predicting all samples takes about "
                f"{each:.1f} s, {'at least twice' if n_rounds > 1 else 'once'}, of {total:.1f} s",
            )
            self.training.budget.time_budget = total
        return False

    def _duration(self, network):
        """Seconds of the last round, or an estimate before the first."""
        if self.seconds:
            return self.seconds[-1]
        if self._estimated is None:
            self._estimated = self._estimate(network)
        return self._estimated

    def _estimate(self, network):
        """Seconds of a round, from a part of the largest sample, predicted several times."""
        data, ndim = self.training.data, self.training.ndim
        sizes = [label.size for label in data.labels]
        largest = int(np.argmax(sizes))
        part = (slice(round(_TIMED_PIXELS ** (1 / ndim))),) * ndim
        size = data.labels[largest][part].size
        times = -(-min(_TIMED_PIXELS, sum(sizes)) // size)
        indices = np.repeat(data.section_indices[largest : largest + 1], times, axis=0)
        started = perf_counter()
        parts = [image[part] for image in data.images]
        outputs = self.training.predictor(network).predict(parts, indices)
        if data.positions is None or self.training.objective.n_probabilities > 1:
            for _ in outputs:
                pass
        else:  # masks of each context take a third of a round
            order, contexts = np.arange(times), range(self._limits[0] + 1)
            labels = [data.labels[largest][part]] * times
            masks_by_context(outputs, order, order, contexts, labels, CONFIDENCE)
        return (perf_counter() - started) * sum(sizes) / (times * size)

    def _reserve_time(self):
        """Let the network train as long as a last round, and what follows, allow."""
        total, budget = self.training.total_seconds, self.training.budget
        if total is not None:
            corrects = self.training.method(Continuity) is not None
            after = _CORRECTION_SHARE if corrects else _CALIBRATION_SHARE
            budget.time_budget = total
            budget.shorten((1 - after) * total - self.seconds[-1])
