"""Self-training: the network learns from its own predictions."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from dataclasses import replace
from numbers import Real

import numpy as np

from ._base import SemiSupervisedMethod
from .pseudo_labels import is_mostly_unlabeled, mask_low_confidence


class SelfTraining(SemiSupervisedMethod):
    """Train on pseudo-labels, too, which are computed anew in each round.

    In each round all training images are predicted by the moving average of the network. From then
    on a part of each batch has labels, and the rest pseudo-labels, drawn from samples of which less
    than half is labeled (from all, if there are none). Of consecutive sections a pseudo-label is
    what the mean over neighboring sections and `sskseg.morphology.enforce_continuity` agree on.

    Parameters
    ----------
    rounds : sequence of float, default=(0.35, 0.6, 0.8)
        Shares of the training after which pseudo-labels are computed.
    confidence : float in [0, 1), default=0.0
        Pseudo-labels of a lower probability are ignored.
    labeled_fraction : float in (0, 1), default=0.25
        Share of the patches that have labels, at least; more where more pixels are labeled.

    References
    ----------
    .. [1] Lee. Pseudo-label: the simple and efficient semi-supervised learning method for deep
       neural networks. ICML Workshop on Challenges in Representation Learning 2013.
    """

    name = "self-training"
    reads_probabilities = False

    def __init__(self, rounds=(0.35, 0.6, 0.8), *, confidence=0.0, labeled_fraction=0.25):
        self.rounds = rounds
        self.confidence = confidence
        self.labeled_fraction = labeled_fraction

    def start(self, training):
        self._check()
        super().start(training)
        training.pseudo_labeling.subscribe(
            self.rounds, self._learn, every_round=True, reads_probabilities=bool(self.confidence),
            release=self._release,
        )  # fmt: skip

    def _check(self):
        rounds = tuple(self.rounds) if isinstance(self.rounds, Iterable) else ()
        if not rounds or not all(isinstance(r, Real) and 0 < float(r) < 1 for r in rounds):
            raise ValueError(f"rounds must be shares between 0 and 1, got {self.rounds!r}.")
        for name, low in (("confidence", 0), ("labeled_fraction", 1e-6)):
            value = getattr(self, name)
            if not isinstance(value, Real) or not low <= float(value) < 1:
                raise ValueError(f"{name} must be a number from 0 to 1, got {value!r}.")

    def _release(self):
        """Train on labels alone until there are new pseudo-labels."""
        labeled = copy(self.training.batches.sources[0])
        labeled.batch_size = self.training.batch_size
        self.training.batches.sources = (labeled,)

    def _learn(self, pseudo):
        """Mix labeled patches with those of pseudo-labels."""
        training, batch_size = self.training, self.training.batch_size
        labels = pseudo.labels
        if self.confidence:
            known = training.data.labels
            labels = mask_low_confidence(labels, pseudo.means, known, self.confidence)
        weight = self._weights()
        if not any((labels[i] >= 0).any() for i in np.flatnonzero(weight)):
            return  # no pseudo-label is confident enough
        share = max(self.labeled_fraction, training.data.labeled_share)
        n_labeled = min(max(1, round(share * batch_size)), max(1, batch_size - 1))
        augmentation = replace(training.augmentation, warm_up=0)
        guessed = training.patch_batches(
            labels, weight=weight, batch_size=max(1, batch_size - n_labeled),
            augmentation=augmentation, rng=training.round_generator(),
        )  # fmt: skip
        labeled = copy(training.batches.sources[0])
        labeled.batch_size = n_labeled
        training.batches.sources = (labeled, guessed)

    def _weights(self):
        """Samples are drawn by their unlabeled share, and those that are mostly labeled never."""
        data = self.training.data
        weight = np.array([np.mean(label < 0) for label in data.labels]) * data.weight
        mostly = np.where([is_mostly_unlabeled(label) for label in data.labels], weight, 0)
        return mostly if mostly.any() else weight
