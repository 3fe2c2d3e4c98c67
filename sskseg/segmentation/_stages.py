"""Training in stages: a network on labeled and then on settled pixels, then what corrects it."""

import warnings
from copy import copy
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from ..images import PatchSampler, consecutive_runs, section_indices
from ..images.augmentation import PRESETS, check_augmentation
from ..inference import mutual_information
from ..nn import network_margin
from ..training import MixedBatches, PatchBatches
from ..training.transfer import rate_groups
from ._dense import DenseEstimator
from ._semi_supervision import (
    continuity_context,
    is_mostly_unlabeled,
    log_choice,
    mask_low_confidence,
    mean_over_neighbors,
    pseudo_labels,
    to_float16,
)
from .semi_supervised import DisturbedSections, MeanTeacher, WeakToStrong

_ROUNDS = (0.35, 0.6, 0.8)  # shares of the network's training after which labels are settled on
_SETTLING = 0.3  # of the time, which settling may take
_TIMED_PIXELS = 2**19  # pixels that are predicted to tell how long it will take
_LABELED_SHARE = 0.25  # of the patches, from then on
_CONSISTENCY_START = 0.1  # share of the training after which there is a teacher
_CORRECTION = 0.08  # of the time, for the second network
_CALIBRATION = 0.02  # of the time
_CONTINUITY_STEPS = 400
_CONTINUITY_SHARE = 0.25  # of `max_steps`


@dataclass(frozen=True)
class TrainingData:
    """Samples and what is known of them.

    Parameters
    ----------
    images : list of ndarray of shape (*spatial, n_channels)
    labels : list of ndarray of int
        -1 unlabeled, which is all of a sample of no weight.
    rows : ndarray of shape (n_samples, n_sections)
    positions : ndarray of int, or None
        Of consecutive sections.
    weight : ndarray of shape (n_samples,)
        0 for what is held out, which nothing is learned of.
    n_real : int
        Samples that are not simulated; they come first.
    """

    images: list
    labels: list
    rows: np.ndarray
    positions: np.ndarray | None
    weight: np.ndarray
    n_real: int

    @property
    def labeled(self):
        """Rows with a labeled pixel and a weight."""
        found = [bool((label >= 0).any()) for label in self.labels]
        return np.flatnonzero(found & (self.weight > 0))

    @property
    def labeled_share(self):
        """Of the pixels of real samples that have a weight."""
        used = [self.labels[i] for i in np.flatnonzero(self.weight[: self.n_real] > 0)]
        known = sum(np.count_nonzero(label >= 0) for label in used)
        return known / max(1, sum(label.size for label in used))


class _Teaching:
    """Called with the teacher, once or in rounds: what it says of the training images is learned
    from then on, with self-training, and the first time kept. Rounds for which there is no time
    are left out; with "auto" also the first, and with it all that is not labeled.

    Attributes
    ----------
    maps : list of ndarray, or None
        Of a teacher that knows the labeled pixels only: they err as those of new images do.
    """

    def __init__(self, estimator, batches, data, budget, session):
        self.estimator, self.batches, self.data = estimator, batches, data
        self.budget, self.session = budget, session
        self.total = None  # seconds
        if budget.time_budget is not None:
            self.total = budget.time_budget / _network_share(estimator.semi_supervision_)
        self.maps, self.spent = None, []

    def __call__(self, teacher):
        learns = "self-training" in self.estimator.semi_supervision_
        if (self.spent and not learns) or not self.decide(teacher):
            return
        started = perf_counter()
        maps, settled, _ = self.estimator._settle(teacher, self.data, *self.session[1:])
        self.maps = self.maps or maps
        if "self-training" in self.estimator.semi_supervision_:
            self._learn(teacher, settled)
        self.spent.append(perf_counter() - started)
        self._leave_time()

    def decide(self, teacher):
        """Whether to settle now: is there time for it, and once more at the end?

        Where methods were asked for, the first time there always is; where "auto" has none, it does
        without them from then on.
        """
        if not self.estimator.semi_supervision_:
            return False
        if self.total is None or not (self.spent or self.estimator.semi_supervision == "auto"):
            return True
        each = self.spent[-1] if self.spent else self._expected(teacher)
        left = self.total - self.budget.elapsed()
        if sum(self.spent) + 2 * each <= _SETTLING * self.total and 2 * each <= left:
            return True
        if not self.spent:
            self._do_without(each)
        return False

    def _do_without(self, each):
        """Learn from what is labeled alone, in all of the time."""
        self.estimator.semi_supervision_ = ()
        self.estimator.semi_supervision_reason_ += (
            "; what is not labeled is left out: predicting all samples takes about "
            f"{each:.1f} s, at least twice, of {self.total:.1f} s"
        )
        log_choice((), self.estimator.semi_supervision_reason_)
        self.budget.time_budget = self.total

    def _expected(self, teacher):
        """Seconds to predict all samples, about: from a part of the largest, again and again."""
        images, sizes = self.data.images, [label.size for label in self.data.labels]
        row, ndim = int(np.argmax(sizes)), self.estimator.spatial_ndim
        part = (slice(round(_TIMED_PIXELS ** (1 / ndim))),) * ndim
        size = self.data.labels[row][part].size
        times = -(-min(_TIMED_PIXELS, sum(sizes)) // size)
        rows = np.repeat(self.data.rows[row : row + 1], times, axis=0)
        started = perf_counter()
        parts = [image[part] for image in images]
        for _ in self.estimator._outputs(teacher, parts, rows, *self.session[1:]):
            pass
        return (perf_counter() - started) * sum(sizes) / (times * size)

    def _learn(self, teacher, settled):
        rng, device, _ = self.session
        batch_size, labels = self.estimator.batch_size, self.data.labels
        known = copy(self.batches.sources[0])
        share = max(_LABELED_SHARE, self.data.labeled_share)
        known.batch_size = min(max(1, round(share * batch_size)), max(1, batch_size - 1))
        # Drawn where little is labeled; in the other samples, that is left out.
        unlabeled = np.array([np.mean(label < 0) for label in labels]) * self.data.weight
        some = np.where([is_mostly_unlabeled(label) for label in labels], unlabeled, 0)
        guessed = self.estimator._patch_batches(
            teacher, self.data, settled, None, some if some.any() else unlabeled, _child(rng),
            device, max(1, batch_size - known.batch_size),
            augmentation=replace(check_augmentation(self.estimator.augmentation), warm_up=0),
        )  # fmt: skip
        self.batches.sources = (known, guessed)

    def _leave_time(self):
        """Train the network for as long as settling once more, and what follows, leave it."""
        if self.total is not None:
            corrects = "continuity" in self.estimator.semi_supervision_
            after = _CORRECTION if corrects else _CALIBRATION
            self.budget.time_budget = self.total
            self.budget.shorten((1 - after) * self.total - self.spent[-1])


def _network_share(methods):
    """Share of the time for the network's training, as long as settling was not timed."""
    if not methods:
        return 1.0
    return 0.85 if "continuity" in methods else 0.97


def _child(rng):
    """A generator of its own for what may run in a thread."""
    return np.random.default_rng(int(rng.integers(2**62)))


class StagedEstimator(DenseEstimator):
    """Base of estimators that learn from labeled and from unlabeled images.

    Subclasses have the parameters of the segmenter, and the attributes `semi_supervision_`,
    `patch_shape_` and those of `DenseEstimator`.
    """

    def _train(self, network, data, budget, session, validate):
        """Train `network_` and `continuity_`, and settle on `transduction_`."""
        self.continuity_ = self.transduction_ = self.continuity_context_ = None
        self.temperature_ = 1.0
        part = budget.part(_network_share(self.semi_supervision_))
        teaching = self._train_network(network.to(session[1]), data, part, session, validate)
        try:
            if not teaching.spent and not part.interrupted:  # no round was reached
                teaching.decide(self.network_)
            if self.semi_supervision_ and not part.interrupted:
                self._settle_and_correct(teaching.maps, data, budget, session)
        except KeyboardInterrupt:
            warnings.warn(
                "Training was interrupted after that of the network, which is kept.", stacklevel=3
            )
        self.continuity_context_ = self.continuity_context_ or 0

    def _settle_and_correct(self, first_maps, data, budget, session):
        maps, settled, means = self._settle(self.network_, data, *session[1:])
        self.transduction_ = self._decode(mask_low_confidence(settled, means, data.labels))
        del means  # as large as all probabilities
        if "continuity" in self.semi_supervision_:
            self.continuity_context_ = self.continuity_context_ or 1
            steps = _CONTINUITY_STEPS
            if budget.max_steps is not None:
                steps = max(1, min(steps, round(_CONTINUITY_SHARE * budget.max_steps)))
            left = budget.part(1 - _CALIBRATION).rest(steps)
            self.continuity_ = self._train_continuity(
                first_maps or maps, settled, data, left, session
            )

    def _train_network(self, network, data, budget, session, validate):
        """Train `network_`; returns what taught it."""
        rng, device, dtype = session
        objective, methods = self._objective(), self.semi_supervision_
        batches = MixedBatches(self._labeled_batches(network, data, rng, device))
        teaching = _Teaching(self, batches, data, budget, (_child(rng), device, dtype))
        loss, callbacks = objective.loss, []
        if "consistency" in methods or "mean-teacher" in methods:
            unlabeled = self._unlabeled_batches(network, data, _child(rng), device)
            kind = WeakToStrong if "consistency" in methods else MeanTeacher
            loss = kind(objective, unlabeled, _child(rng))
            callbacks.append((_CONSISTENCY_START, loss.watch))
        if {"self-training", "continuity"} & set(methods):
            callbacks += [(progress, teaching) for progress in _ROUNDS]
        self.network_ = self._optimize(
            network, batches, loss, budget, device, dtype, validate=validate,
            callbacks=callbacks, stage="network",
            groups=rate_groups(network, self.finetune) if self.architecture_ else None,
        )  # fmt: skip
        return teaching

    def _settle(self, network, data, device, dtype):
        """What `network` says of all samples, the labels to settle on, and the means over
        neighbors that they are from."""
        views = None if data.positions is None else self._section_views(data.positions)
        outputs = self._outputs(network, data.images, data.rows, device, dtype, views=views)
        maps = to_float16(outputs)
        if data.positions is None:
            return maps, pseudo_labels(maps, data.labels), maps
        if not self.continuity_context_:
            self.continuity_context_ = self._choose_context(maps, data.positions)
        else:  # a network that has learned more tells of more sections
            found = continuity_context(maps, data.positions) or 0
            self.continuity_context_ = max(self.continuity_context_, found)
        # None as long as nothing but background is predicted, say: neighbors are taken to be alike.
        context = 1 if self.continuity_context_ is None else self.continuity_context_
        means = mean_over_neighbors(maps, data.positions, context)
        return maps, pseudo_labels(means, data.labels, data.positions, context), means

    def _choose_context(self, maps, positions):
        """Sections on each side to look at; where there are none "auto" does without."""
        context = continuity_context(maps, positions)
        if context != 0 or "continuity" not in self.semi_supervision_:
            return context
        if self.semi_supervision != "auto":
            return 1
        self.semi_supervision_ = ("self-training",)
        self.semi_supervision_reason_ += "; their masks overlap too little to correct each other"
        log_choice(self.semi_supervision_, self.semi_supervision_reason_)
        return 0

    def _train_continuity(self, maps, settled, data, budget, session):
        rng, device, dtype = session
        objective = self._objective()
        losses = tuple(loss for loss in objective.losses if loss != "distance")
        objective = replace(objective, losses=losses)
        n = objective.n_probabilities
        continuity = self._make_module("continuity_")
        shape, batch_size = self._middle_shape(self.network_), -(-self.batch_size // 2)

        def patches(labels):
            return PatchBatches(
                [np.moveaxis(m, 0, -1) for m in maps], settled, None,
                rows=section_indices(data.positions, self.continuity_context_),
                sampler=PatchSampler(labels, shape, weights=data.weight),
                augmentation=PRESETS["dihedral"], mean=np.zeros(n, np.float32),
                std=np.ones(n, np.float32), batch_size=batch_size, rng=_child(rng), device=device,
            )  # fmt: skip

        # What is labeled counts as much as all the rest.
        batches = MixedBatches(patches(data.labels), patches(settled))
        return self._optimize(
            continuity.to(device), DisturbedSections(batches, n, _child(rng)), objective.loss,
            budget, device, dtype, stage="continuity",
        )  # fmt: skip

    def _disagreement(self, images, positions, device, dtype):
        """Mutual information between pixels and views, mean over each sample.

        Views are neighboring sections where these resemble each other, else flips and turns.
        """
        rows, n_sections = self._rows(positions, len(images)), 2 * self.continuity_context_ + 1
        scores = np.zeros(len(images))
        for run in consecutive_runs(positions):
            if 1 < n_sections <= len(run):
                outputs = self._outputs(self.network_, images, rows[run], device, dtype)
                maps = to_float16(outputs)
                first = np.arange(len(run)) - self.continuity_context_
                for row, start in zip(run, first.clip(0, len(run) - n_sections), strict=True):
                    scores[row] = mutual_information(maps[start : start + n_sections])
                continue
            views = np.arange(2 ** (self.spatial_ndim + 1))
            for row in run:
                same = np.repeat(rows[row : row + 1], len(views), axis=0)
                outputs = self._outputs(self.network_, images, same, device, dtype, views=views)
                scores[row] = mutual_information(list(outputs))
        return scores

    # Batches

    def _labeled_batches(self, network, data, rng, device):
        objective = self._objective()
        weight = np.zeros(len(data.labels))
        weight[data.labeled] = data.weight[data.labeled]
        labels, maps = objective.prepare(data.labels, weight > 0)
        augmentation = check_augmentation(self.augmentation)
        if self._goes_on(network):
            augmentation = replace(augmentation, warm_up=0)
        return self._patch_batches(
            network, data, labels, maps, weight, rng, device, weigh=objective.weigh,
            augmentation=augmentation,
        )  # fmt: skip

    def _unlabeled_batches(self, network, data, rng, device):
        """Weakly augmented patches from anywhere."""
        anywhere = [np.broadcast_to(np.int8(0), label.shape) for label in data.labels]
        return self._patch_batches(
            network, data, anywhere, None, data.weight, rng, device, max(4, self.batch_size),
            augmentation="dihedral",
        )  # fmt: skip

    def _patch_batches(
        self, network, data, labels, maps, weight, rng, device, batch_size=None, weigh=None,
        augmentation=None,
    ):  # fmt: skip
        margin = network_margin(network, self.spatial_ndim)
        return PatchBatches(
            data.images, labels, maps, rows=data.rows,
            sampler=PatchSampler(labels, self._middle_shape(network), weights=weight),
            augmentation=check_augmentation(augmentation or self.augmentation),
            mean=self.channel_mean_, std=self.channel_std_,
            batch_size=batch_size or self.batch_size, rng=rng, device=device, margin=margin,
            weigh=weigh,
        )  # fmt: skip

    def _middle_shape(self, network):
        """The part of a training patch that is learned."""
        margin = network_margin(network, self.spatial_ndim)
        return tuple(s - 2 * m for s, m in zip(self.patch_shape_, margin, strict=True))
