"""`Training`: what semi-supervised methods may use during a fit."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from ..images import PatchSampler, child_generator
from ..images.augmentation import Augmentation, check_augmentation
from ..inference import DensePredictor, section_orientations
from ..nn import PretrainedEncoder, network_margin
from ..training import (
    Batch,
    Budget,
    MixedBatches,
    PatchBatches,
    batches_on,
    falling_share,
    prefetch_on_gpu,
    rate_groups,
)
from ._predictors import dense_predictor
from ._training_data import TrainingData
from .semi_supervised import (
    CONFIDENCE,
    Choice,
    Correction,
    PseudoLabeling,
    PseudoLabels,
    SemiSupervisedMethod,
)

if TYPE_CHECKING:
    from ._segmenter import SemiSupervisedSegmenter


class Training:
    """One fit of a segmenter: data, network, batches, budget and random generators.

    Parameters
    ----------
    segmenter : SemiSupervisedSegmenter
        Its attributes that describe the network's inputs and outputs are set.
    data : TrainingData
        Without the labels of the validation set.
    network : torch.nn.Module
    budget : Budget
        Of the whole fit.
    session : tuple of (numpy.random.Generator, torch.device, torch.dtype)
    choice : Choice
        Semi-supervised methods.
    is_trained : bool, default=False
        Whether the network does the task already; see `sskseg.training.rate_groups`.

    Attributes
    ----------
    batches : MixedBatches
        Labeled patches; a method may replace its ``sources``.
    objective : ForegroundObjective or ClassObjective
    augmentation : Augmentation
    budget : Budget
        Of the network's training.
    total_budget : Budget
    total_seconds : float or None
        Time budget of the fit.
    pseudo_labeling : PseudoLabeling
    last_pseudo_labels : PseudoLabels or None
        Of the trained network, without means, while methods correct it.
    transduction : list of ndarray or None
        Its confident pseudo-labels.
    correction : Correction or None
        What corrects its predictions.
    methods : list of SemiSupervisedMethod
    reason : str
        Why these.
    """

    def __init__(
        self,
        segmenter: SemiSupervisedSegmenter,
        data: TrainingData,
        network: torch.nn.Module,
        budget: Budget,
        session: tuple[np.random.Generator, torch.device, torch.dtype],
        choice: Choice,
        *,
        is_trained: bool = False,
    ):
        self._segmenter, self.data, self.network = segmenter, data, network
        self._is_trained = is_trained
        self._rng, self.device, self.dtype = session
        self.methods, self.reason = choice
        self.ndim, self.batch_size = segmenter.spatial_ndim_, segmenter.batch_size
        self.objective = segmenter._objective()
        self.augmentation = check_augmentation(segmenter.augmentation)
        share = 1 - max((method.time_share for method in self.methods), default=0.0)
        self.total_budget, self.budget = budget, budget.part(share)
        self.total_seconds = budget.time_budget
        self._resources, self._images = ExitStack(), cast(Any, None)
        labeled = self._labeled_batches()
        self.batches, self._sampler = MixedBatches(labeled), labeled.sampler
        self._round_rng = self.child_generator()
        self.pseudo_labeling = PseudoLabeling(self)
        self.last_pseudo_labels: PseudoLabels | None = None
        self.transduction: list | None = None
        self.correction: Correction | None = None
        for method in self.methods:
            method.start(self)

    @property
    def is_auto(self) -> bool:
        """Whether the methods were chosen by "auto"."""
        chosen = self._segmenter.semi_supervision
        return isinstance(chosen, str) and chosen == "auto"

    def method(self, kind: type[SemiSupervisedMethod]) -> SemiSupervisedMethod | None:
        """Return the method of a class, or None."""
        return next((m for m in self.methods if isinstance(m, kind)), None)

    def replace_methods(self, methods: list[SemiSupervisedMethod], reason: str) -> None:
        """Use other methods from now on, for a further reason."""
        self.methods, self.reason = methods, self.reason + reason
        self.pseudo_labeling.unsubscribe()
        for method in methods:
            method.start(self)
        Choice(self.methods, self.reason).log()

    # Running

    def fit_network(self, validate: Callable[[torch.nn.Module], float] | None) -> torch.nn.Module:
        """Train the network with the loss and the callbacks of all methods."""
        loss, callbacks = self.objective.loss, []
        for method in self.methods:
            loss = method.loss(loss)
            callbacks += method.callbacks()
        callbacks += self.pseudo_labeling.callbacks()
        callbacks += falling_share(self._sampler, self._labeled_weight, self.data.n_real)
        callbacks.sort(key=lambda callback: callback[0])
        segmenter = self._segmenter
        groups = None
        if isinstance(segmenter.network, PretrainedEncoder):
            groups = rate_groups(self.network, segmenter.finetune, "encoder")
        elif segmenter.architecture_:
            origin = "task" if self._is_trained else "proxy"
            groups = rate_groups(self.network, segmenter.finetune, origin)
        try:
            return self.optimize(
                self.network, self.batches, loss, self.budget, validate=validate,
                callbacks=callbacks, parameter_groups=groups,
            )  # fmt: skip
        finally:  # threads, images on the device, and the pseudo-labels of the last round
            self._resources.close()
            self.batches.sources, self._images = (), None

    def finish(self) -> None:
        """Compute the last pseudo-labels, and learn what corrects predictions.

        An interrupt (Ctrl-C) leaves the trained network as it is.
        """
        if self.budget.interrupted:
            return
        try:
            self._finish()
        except KeyboardInterrupt:
            warnings.warn(
                "Training was interrupted after that of the network, which is kept.", stacklevel=3
            )

    def _finish(self):
        labeling = self.pseudo_labeling
        if not labeling.has_planned:  # no round was reached
            labeling.has_time(self.network)
        if not self.methods:
            return
        reads_more = any(method.reads_probabilities for method in self.methods)
        pseudo = labeling.compute(self.network, reads_more, CONFIDENCE)
        # Without the means, which read all probabilities
        self.last_pseudo_labels = pseudo._replace(means=[], uncertain=None)
        labels, uncertain = pseudo.labels, pseudo.uncertain
        del pseudo
        try:
            for method in self.methods:
                self.correction = method.correct(self.network) or self.correction
        finally:  # in the memory of the pseudo-labels, which nothing reads any more
            for label, mask in zip(labels, uncertain or (), strict=True):
                label[mask] = -1
            self.transduction, self.last_pseudo_labels = labels, None

    def optimize(
        self,
        network: torch.nn.Module,
        batches: Iterator,
        loss: Callable,
        budget: Budget,
        *,
        phase: str = "network",
        **options: Any,
    ) -> torch.nn.Module:
        """Train a network and extend the segmenter's `history_`; see `training.optimize`."""
        return self._segmenter._optimize(
            network.to(self.device), batches, loss, budget, self.device, self.dtype, phase=phase,
            **options,
        )  # fmt: skip

    # Random generators

    def child_generator(self) -> np.random.Generator:
        """Return a generator of its own, for what may run in a thread; before or after training."""
        return child_generator(self._rng)

    def round_generator(self) -> np.random.Generator:
        """Return a generator of its own during training, when threads draw batches."""
        return child_generator(self._round_rng)

    # Predictions and patches

    def predictor(self, network: torch.nn.Module) -> DensePredictor:
        """Return what predicts probabilities with a network."""
        return dense_predictor(self._segmenter, network)

    def predict(
        self, network: torch.nn.Module, order: np.ndarray | None = None
    ) -> Iterator[np.ndarray]:
        """Yield the probabilities of all samples, (n_probabilities, *spatial), in some order.

        Each consecutive section is predicted in another orientation, since sections are averaged.
        """
        data, orientations = self.data, None
        if data.positions is not None and self.augmentation.dihedral:
            orientations = section_orientations(data.positions, self.ndim)
        indices = data.section_indices
        if order is not None:
            indices = indices[order]
            orientations = None if orientations is None else orientations[order]
        return self.predictor(network).predict(data.images, indices, orientations)

    @property
    def _labeled_weight(self):
        """How often labeled samples are drawn; 0 for others."""
        weight = np.zeros(len(self.data.labels))
        weight[self.data.labeled] = self.data.weight[self.data.labeled]
        return weight

    def _labeled_batches(self):
        data, weight = self.data, self._labeled_weight
        labels, targets = self.objective.prepare(data.labels, weight > 0)
        augmentation = self.augmentation
        if self._segmenter._resumes(self.network):
            augmentation = replace(augmentation, warm_up=0)
        return self.patch_batches(
            labels, targets=targets, weight=weight, weigh=self.objective.weigh,
            augmentation=augmentation, rng=self._rng,
        )  # fmt: skip

    def unlabeled_batches(self, batch_size: int | None = None) -> Iterator[Batch]:
        """Return weakly augmented patches from anywhere, with flips and quarter turns only.

        For the training of the network: where a GPU trains, threads make them ahead until it ends.
        """
        anywhere = [np.broadcast_to(np.int8(0), label.shape) for label in self.data.labels]
        weight = self.data.weight * (np.arange(len(anywhere)) < self.data.n_real)
        batches = self.patch_batches(
            anywhere, weight=weight, batch_size=batch_size or max(4, self.batch_size),
            augmentation=check_augmentation("dihedral"), rng=self.child_generator(),
        )  # fmt: skip
        return self._resources.enter_context(prefetch_on_gpu(batches, self.device))

    def patch_batches(
        self,
        labels: Sequence[np.ndarray],
        *,
        targets: Sequence[np.ndarray | None] | None = None,
        weight: np.ndarray,
        weigh: Callable | None = None,
        batch_size: int | None = None,
        augmentation: Augmentation,
        rng: np.random.Generator,
    ) -> PatchBatches:
        """Return patches of the training images with some labels.

        Parameters
        ----------
        labels : list of ndarray of int, shape (*spatial)
            -1 unlabeled; patches are drawn around labeled pixels.
        targets : list of ndarray, default=None
            A real-valued target, warped with the labels.
        weight : ndarray of shape (n_samples,)
            How often each sample is drawn.
        weigh : callable, default=None
            Maps a label image to the weights of its pixels in the loss.
        batch_size : int, default=None
            None is the segmenter's.
        augmentation : Augmentation
        rng : numpy.random.Generator

        Returns
        -------
        PatchBatches
        """
        segmenter, data, kind = self._segmenter, self.data, batches_on(self.device)
        if self._images is None:
            self._images = kind.hold(data.images, segmenter.channel_mean_, self.device)
        return kind(
            self._images, labels, targets, section_indices=data.section_indices,
            sampler=PatchSampler(labels, self.target_shape(self.network), weights=weight),
            augmentation=augmentation, mean=segmenter.channel_mean_, std=segmenter.channel_std_,
            batch_size=batch_size or self.batch_size, rng=rng, device=self.device,
            margin=network_margin(self.network, self.ndim), weigh=weigh,
            offset=segmenter.label_offset_,
        )  # fmt: skip

    def target_shape(self, network: torch.nn.Module) -> tuple[int, ...]:
        """Return the part of a training patch for which the network has outputs."""
        margin = network_margin(network, self.ndim)
        return tuple(s - 2 * m for s, m in zip(self._segmenter.patch_shape_, margin, strict=True))
