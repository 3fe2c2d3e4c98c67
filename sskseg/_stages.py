"""Training in stages: a network on labelled and then on settled pixels, then what corrects it."""

from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np

from ._dense import DenseEstimator, network_margin
from ._semi_supervision import continuity_context, mean_over_neighbors, settle_labels
from .images import PatchSampler, consecutive_runs, neighbor_rows
from .images.augment import PRESETS, check_augmentation
from .training import (
    DisturbedSections,
    MeanTeacher,
    MixedBatches,
    PatchBatches,
    WeakToStrong,
    mutual_information,
)

_ROUNDS = (0.5,)  # share of the network's training after which labels are settled on
_LABELLED_SHARE = 0.25  # of the patches, from then on
_ROUND_SHARE = 0.06  # of the time; where a round takes longer it is the last
_CONSISTENCY_START = 0.1  # share of the training after which there is a teacher
_NETWORK_SHARE = 0.85  # of the time, where something follows
_CONTINUITY_STEPS = 400
_CONTINUITY_SHARE = 0.25  # of `max_steps`


@dataclass(frozen=True)
class TrainingData:
    """Samples and what is known of them.

    Parameters
    ----------
    images : list of ndarray of shape (*spatial, n_channels)
    labels : list of ndarray of int
        -1 unlabelled, which is all of a sample that is held out.
    rows : ndarray of shape (n_samples, n_sections)
    positions : ndarray of int, or None
        Of consecutive sections.
    weight : ndarray of shape (n_samples,)
    """

    images: list
    labels: list
    rows: np.ndarray
    positions: np.ndarray | None
    weight: np.ndarray

    @property
    def labelled(self):
        """Rows with a labelled pixel and a weight."""
        found = [bool((label >= 0).any()) for label in self.labels]
        return np.flatnonzero(found & (self.weight > 0))


class _Teaching:
    """Called with the teacher: what it says of the training images is kept the first time, and,
    with self-training, learnt from then on.

    Attributes
    ----------
    first_maps : list of ndarray, or None
        Of a teacher that knows the labelled pixels only: they err as those of new images do.
    """

    def __init__(self, estimator, batches, data, budget, session):
        self.estimator, self.batches, self.data = estimator, batches, data
        self.budget, self.session = budget, session
        self.first_maps, self.seconds = None, 0.0

    def __call__(self, teacher):
        if self.seconds > _ROUND_SHARE * (self.budget.time_budget or np.inf):
            return
        started = perf_counter()
        maps, settled = self.estimator._settle(teacher, self.data, *self.session[1:])
        self.first_maps = self.first_maps or maps
        if "self-training" in self.estimator.semi_supervision_:
            self._learn(teacher, settled)
        self.seconds = perf_counter() - started

    def _learn(self, teacher, settled):
        rng, device, _ = self.session
        known, batch_size = self.batches.sources[0], self.estimator.batch_size
        known.batch_size = max(1, round(_LABELLED_SHARE * batch_size))
        guessed = self.estimator._patch_batches(
            teacher, self.data, settled, None, self.data.weight, _child(rng), device,
            max(1, batch_size - known.batch_size),
        )  # fmt: skip
        self.batches.sources = (known, guessed)


def _child(rng):
    """A generator of its own for what may run in a thread."""
    return np.random.default_rng(int(rng.integers(2**62)))


class StagedEstimator(DenseEstimator):
    """Base of estimators that learn from labelled and from unlabelled images.

    Subclasses have the parameters of the segmenter, and the attributes `semi_supervision_`,
    `patch_shape_` and those of `DenseEstimator`.
    """

    def _train(self, network, data, budget, session, validate):
        """Train `network_` and `continuity_`, and settle on `transduction_`."""
        methods = self.semi_supervision_
        self.continuity_ = self.transduction_ = None
        self.continuity_context_ = 0
        share = _NETWORK_SHARE if methods else 1.0
        network = network.to(session[1])
        batches = MixedBatches(self._labelled_batches(network, data, *session[:2]))
        teaching = _Teaching(self, batches, data, budget, (_child(session[0]), *session[1:]))
        self.network_ = self._train_network(
            network, batches, data, budget.part(share), session, teaching, validate
        )
        if not methods:
            return
        _, settled = self._settle(self.network_, data, *session[1:])
        self.transduction_ = self._decode(settled)
        if "continuity" in self.semi_supervision_:
            steps = _CONTINUITY_STEPS
            if budget.max_steps is not None:
                steps = max(1, min(steps, round(_CONTINUITY_SHARE * budget.max_steps)))
            self.continuity_ = self._train_continuity(
                teaching.first_maps, settled, data, budget.rest(steps), session
            )

    def _train_network(self, network, batches, data, budget, session, teaching, validate):
        rng, device, dtype = session
        objective, methods = self._objective(), self.semi_supervision_
        loss, milestones = objective.loss, []
        if "consistency" in methods or "mean-teacher" in methods:
            unlabelled = self._unlabelled_batches(network, data, _child(rng), device)
            kind = WeakToStrong if "consistency" in methods else MeanTeacher
            loss = kind(objective, unlabelled, _child(rng))
            milestones.append((_CONSISTENCY_START, loss.watch))
        if "self-training" in methods:
            milestones += [(progress, teaching) for progress in _ROUNDS]
        elif "continuity" in methods:
            milestones.append((_ROUNDS[0], teaching))
        return self._optimize(
            network, batches, loss, budget, device, dtype, validate=validate,
            milestones=milestones, stage="network",
        )  # fmt: skip

    def _settle(self, network, data, device, dtype):
        """What `network` says of all samples, and the labels to settle on."""
        positions = data.positions
        if positions is None:
            outputs = self._outputs(network, data.images, data.rows, device, dtype)
            maps = [output.astype(np.float16) for output in outputs]
            return maps, settle_labels(maps, data.labels)
        maps = [None] * len(data.images)
        for run in consecutive_runs(positions):
            outputs = self._maps(
                network, data.images, data.rows[run], positions[run], device, dtype
            )
            for row, output in zip(run, outputs, strict=True):
                maps[row] = output.astype(np.float16)
        context = self._context(maps, positions)
        means = mean_over_neighbors(maps, positions, context)
        return maps, settle_labels(means, data.labels, positions, context)

    def _context(self, maps, positions):
        """Set `continuity_context_`; do without "continuity" where "auto" finds none."""
        context = continuity_context(maps, positions)
        if context == 0 and "continuity" in self.semi_supervision_:
            if self.semi_supervision == "auto":
                self.semi_supervision_ = ("self-training",)
                self.semi_supervision_reason_ += ", which differ too much to correct each other"
            else:
                context = 1
        self.continuity_context_ = context
        return context

    def _train_continuity(self, maps, settled, data, budget, session):
        rng, device, dtype = session
        objective = self._objective()
        losses = tuple(loss for loss in objective.losses if loss != "distance")
        objective = replace(objective, losses=losses)
        n = objective.n_probabilities
        continuity = self._make_module("continuity_")
        labelled = data.labelled
        weight = (data.weight > 0) * 1.0
        weight[labelled] *= max(1.0, len(maps) / len(labelled))  # as much as all others together
        batches = PatchBatches(
            [np.moveaxis(m, 0, -1) for m in maps], settled, None,
            rows=neighbor_rows(data.positions, self.continuity_context_),
            sampler=PatchSampler(settled, self._middle_shape(self.network_), weights=weight),
            augmentation=PRESETS["dihedral"], mean=np.zeros(n, np.float32),
            std=np.ones(n, np.float32), batch_size=self.batch_size,
            rng=_child(rng), device=device,
        )  # fmt: skip
        return self._optimize(
            continuity.to(device), DisturbedSections(batches, n, _child(rng)), objective.loss,
            budget, device, dtype, stage="continuity",
        )  # fmt: skip

    def _disagreement(self, images, positions, device, dtype):
        """Mutual information between pixels and views, mean over each sample."""
        rows = self._rows(positions, len(images))
        if self.continuity_context_ == 0:
            scores = np.zeros(len(images))
            n_views = 2 ** (self.spatial_ndim + 1)
            for i in range(len(images)):
                views = self._outputs(
                    self.network_, images, np.repeat(rows[i : i + 1], n_views, 0), device, dtype,
                    views=np.arange(n_views),
                )  # fmt: skip
                scores[i] = mutual_information(list(views))
            return scores
        maps = [None] * len(images)
        for run in consecutive_runs(positions):
            outputs = self._outputs(
                self.network_, images, rows[run], device, dtype, views=positions[run]
            )
            for row, output in zip(run, outputs, strict=True):
                maps[row] = output.astype(np.float16)
        windows = neighbor_rows(positions, self.continuity_context_)
        return np.array([mutual_information([maps[i] for i in window]) for window in windows])

    # Batches

    def _labelled_batches(self, network, data, rng, device):
        objective = self._objective()
        weight = np.zeros(len(data.labels))
        weight[data.labelled] = data.weight[data.labelled]
        labels, maps = objective.prepare(data.labels, weight > 0)
        return self._patch_batches(
            network, data, labels, maps, weight, rng, device, weigh=objective.weigh
        )

    def _unlabelled_batches(self, network, data, rng, device):
        """Weakly augmented patches from anywhere."""
        anywhere = [np.broadcast_to(np.int8(0), label.shape) for label in data.labels]
        weight = (data.weight > 0) * 1.0
        return self._patch_batches(
            network, data, anywhere, None, weight, rng, device, augmentation="dihedral"
        )

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
        """The part of a training patch that is learnt."""
        margin = network_margin(network, self.spatial_ndim)
        return tuple(s - 2 * m for s, m in zip(self.patch_shape_, margin, strict=True))
