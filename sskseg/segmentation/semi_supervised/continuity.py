"""Predictions of neighboring sections are averaged, or corrected by a second network."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral, Real
from typing import Any

import numpy as np

from ...images import PatchSampler, section_indices
from ...images.augmentation import PRESETS
from ...nn import ContinuityNet, SectionMeanNet
from ...training import MixedBatches, batches_on, random_numbers
from ._base import Correction, SemiSupervisedMethod
from .disturbances import DisturbedSections
from .pseudo_labels import MAX_CONTEXT, MIN_IOU

_ROUNDS = (0.35, 0.6, 0.8)  # of which the first with time gives the training data
_STEPS_SHARE = 0.25  # of `max_steps` of the segmenter
_CALIBRATION_SHARE = 0.02  # of the time budget, which is left for what follows
_RESERVE_AT = 0.3  # share of the training after which time for a last prediction is reserved


class NeighborMethod(SemiSupervisedMethod):
    """Base of methods that combine the predictions of neighboring sections.

    Parameters
    ----------
    max_context : int, default=4
    min_iou : float in (0, 1], default=0.75
    """

    needs_neighbors = True

    def __init__(self, max_context=MAX_CONTEXT, *, min_iou=MIN_IOU):
        self.max_context = max_context
        self.min_iou = min_iou

    def start(self, training):
        check_count(self, "max_context")
        if not isinstance(self.min_iou, Real) or not 0 < float(self.min_iou) <= 1:
            raise ValueError(f"min_iou must be a number above 0, at most 1, got {self.min_iou!r}.")
        super().start(training)


class SectionMean(NeighborMethod):
    """Average the probabilities of each section with those of its neighbors.

    Each section is predicted in another orientation (flips and quarter turns), so that the mean is
    over orientations too, as in test-time augmentation. Training is supervised.

    Parameters
    ----------
    max_context : int, default=4
        Sections on each side that are used, at most.
    min_iou : float in (0, 1], default=0.75
        Sections are used up to the distance at which predicted masks of two sections overlap with
        a mean IoU of at least this. Nothing is averaged if even neighbors overlap less.
    """

    name = "section-mean"
    reads_probabilities = False

    def callbacks(self):
        return [(_RESERVE_AT, self.training.pseudo_labeling.reserve_last)]

    def correct(self, network):
        training = self.training
        context = training.pseudo_labeling.context
        if not context:
            training.reason += (
                "; the masks of neighboring sections overlap too little, so none are averaged"
            )
            return None
        n_outputs = training.objective.n_probabilities
        mean = SectionMeanNet(2 * context + 1, n_outputs, ndim=training.ndim)
        return Correction(mean.eval(), context)


def check_count(method: SemiSupervisedMethod, name: str) -> None:
    """Raise unless a parameter is a positive integer."""
    value = getattr(method, name)
    if not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}.")


class Continuity(NeighborMethod):
    """Correct the probabilities of each section by those of its neighbors [1]_.

    A small network learns the correction from labels and from pseudo-labels, half of each batch
    each: of sections that the first network was not trained on, the mean over neighboring sections
    and `sskseg.morphology.enforce_continuity` agree more often with the ground truth than the
    network does.

    Parameters
    ----------
    max_context : int, default=4
        Sections on each side that are used, at most.
    min_iou : float in (0, 1], default=0.75
        Sections are used up to the distance at which predicted masks of two sections overlap with
        a mean IoU of at least this.
    max_steps : int, default=400
        Training steps of the second network, at most; a quarter of the segmenter's `max_steps`
        where that is less.

    References
    ----------
    .. [1] Xiao, Zhao, Yang. Semi-supervised segmentation of mitochondria from electron microscopy
       images using spatial continuity. ISBI 2022. :doi:`10.1109/ISBI52829.2022.9761519`
    """

    name = "continuity"
    time_share = 0.15

    def __init__(self, max_context=MAX_CONTEXT, *, min_iou=MIN_IOU, max_steps=400):
        super().__init__(max_context, min_iou=min_iou)
        self.max_steps = max_steps

    def start(self, training):
        check_count(self, "max_steps")
        super().start(training)
        self._first_probabilities, self.reads_probabilities = None, True
        training.pseudo_labeling.subscribe(_ROUNDS, self._keep)

    def _keep(self, pseudo):
        self._first_probabilities, self.reads_probabilities = pseudo.probabilities, False

    def correct(self, network):
        training, last = self.training, self.training.last_pseudo_labels
        assert last is not None  # computed before `correct` is called
        labeling = training.pseudo_labeling
        labeling.context = context = labeling.context or 1
        probabilities = self._first_probabilities or last.probabilities
        steps = self.max_steps
        if training.total_budget.max_steps is not None:
            steps = max(1, min(steps, round(_STEPS_SHARE * training.total_budget.max_steps)))
        budget = training.total_budget.part(1 - _CALIBRATION_SHARE).rest(steps)
        n_outputs = training.objective.n_probabilities
        with random_numbers():
            untrained = ContinuityNet(2 * context + 1, n_outputs, ndim=training.ndim)
        mean = np.zeros(len(probabilities[0]), np.float32)
        images = batches_on(training.device).hold(
            [np.moveaxis(p, 0, -1) for p in probabilities], mean, training.device
        )
        # Labels count as much as all pseudo-labels.
        batches = MixedBatches(
            self._batches(images, mean, last.labels, training.data.labels, context),
            self._batches(images, mean, last.labels, last.labels, context),
        )
        terms = tuple(term for term in training.objective.losses if term != "distance")
        correction = training.optimize(
            untrained, DisturbedSections(batches, n_outputs, training.child_generator()),
            replace(training.objective, losses=terms).loss, budget, phase="continuity",
            is_first=False,
        )  # fmt: skip
        self._first_probabilities = None
        return Correction(correction, context)

    def _batches(self, images, mean, labels, sampled, context):
        """Patches around what is labeled in `sampled`."""
        training = self.training
        shape = training.target_shape(training.network)
        positions: Any = training.data.positions  # of consecutive sections
        return batches_on(training.device)(
            images, labels, None, section_indices=section_indices(positions, context),
            sampler=PatchSampler(sampled, shape, weights=training.data.weight),
            augmentation=PRESETS["dihedral"], mean=mean, std=np.ones_like(mean),
            batch_size=-(-training.batch_size // 2), rng=training.child_generator(),
            device=training.device,
        )  # fmt: skip
