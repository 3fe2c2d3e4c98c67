"""The samples of a fit, and what of them is trained on."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..images import (
    check_generator,
    check_positions,
    check_sample_weight,
    consecutive_runs,
    positions_of,
    relative_spacing,
)
from ..inference import round_up, tile_settings
from ..morphology import share_with_neighbors
from ..nn import network_margin
from ..training import draw_simulated, patch_sides, starts_warm
from ._predictors import sections_of

if TYPE_CHECKING:
    from ..nn import Backbone
    from ._segmenter import SemiSupervisedSegmenter

_MIN_LABELED_TO_HOLD_OUT = 5
_N_SIMULATED = 64
_N_EXAMINED = 32  # labeled samples, in which objects that almost touch are counted
_MIN_SHARE_WITH_NEIGHBORS = 0.25
_PATCH = {2: 256, 3: 64}


@dataclass(frozen=True)
class TrainingData:
    """Training samples: images, labels and weights.

    An image whose `sample_weight` is 0 is no sample. It is only read as a neighboring section.

    Parameters
    ----------
    images : list of ndarray of shape (*spatial, n_channels)
        Real ones, then simulated ones.
    labels : list of ndarray of int, shape (*spatial)
        -1 unlabeled. Classes by their index.
    section_indices : ndarray of int, shape (n_samples, n_sections)
        Images that make up the input channels of each sample; that of the sample is in the middle.
    image_positions : ndarray of int, shape (n_images,), or None
        Of consecutive sections.
    weight : ndarray of float, shape (n_samples,)
        0 for samples that are not trained on: those of the validation set.
    n_real : int
        Samples that are not simulated; they come first.
    """

    images: list
    labels: list
    section_indices: np.ndarray
    image_positions: np.ndarray | None
    weight: np.ndarray
    n_real: int

    @property
    def image_indices(self) -> np.ndarray:
        """Index of the image of each sample."""
        return self.section_indices[:, self.section_indices.shape[1] // 2]

    @property
    def sample_images(self) -> list:
        """The image of each sample."""
        return [self.images[i] for i in self.image_indices]

    @property
    def real_images(self) -> list:
        """The images of samples that are not simulated."""
        return self.sample_images[: self.n_real]

    @property
    def positions(self) -> np.ndarray | None:
        """Of samples that are consecutive sections."""
        positions = self.image_positions
        return None if positions is None else positions[self.image_indices]

    @property
    def labeled(self) -> np.ndarray:
        """Indices of samples with a labeled pixel and a positive weight."""
        has_label = [bool((label >= 0).any()) for label in self.labels]
        return np.flatnonzero(has_label & (self.weight > 0))

    @property
    def labeled_share(self) -> float:
        """Labeled pixels as a share of those of real samples with a positive weight."""
        used = [self.labels[i] for i in np.flatnonzero(self.weight[: self.n_real] > 0)]
        n_labeled = sum(np.count_nonzero(label >= 0) for label in used)
        return n_labeled / max(1, sum(label.size for label in used))

    def choose_validation_set(self, fraction: float, rng: np.random.Generator) -> np.ndarray:
        """Choose labeled real samples to hold out.

        Parameters
        ----------
        fraction : float in [0, 1)
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of int
            Sorted indices; empty with fewer than 5 labeled samples. Of sections a block at the end
            of each stack, which has a training neighbor on one side only: each stack gives its
            share, and one section at least if 5 of it are labeled.
        """
        candidates = self.labeled[self.labeled < self.n_real]
        n_held_out = round(fraction * len(candidates))
        if fraction > 0:
            n_held_out = min(max(1, n_held_out), len(candidates) - 1)
        if len(candidates) < _MIN_LABELED_TO_HOLD_OUT or n_held_out == 0:
            return np.empty(0, np.intp)
        if self.positions is None:
            return np.sort(rng.permutation(candidates)[-n_held_out:])
        labeled = [run[np.isin(run, candidates)] for run in consecutive_runs(self.positions)]
        sizes = np.array([len(run) for run in labeled])
        # Differences of a rounded sum: small stacks together give what is asked for, too.
        total = np.rint(n_held_out / len(candidates) * np.cumsum(sizes)).astype(int)
        n_each = np.maximum(np.diff(total, prepend=0), sizes >= _MIN_LABELED_TO_HOLD_OUT)
        blocks = [run[len(run) - n :] for run, n in zip(labeled, n_each, strict=True)]
        return np.sort(np.concatenate(blocks))

    def without(self, indices: np.ndarray) -> TrainingData:
        """Return the data with some samples of weight 0; the labels of all such are unknown."""
        labels, weight = list(self.labels), self.weight.copy()
        weight[indices] = 0
        for index in np.flatnonzero(weight == 0):
            labels[index] = np.broadcast_to(np.int8(-1), labels[index].shape)
        return replace(self, labels=labels, weight=weight)

    def transduction(
        self, pseudo: Sequence[np.ndarray], replaced: np.ndarray, classes: np.ndarray | None
    ) -> list[np.ndarray]:
        """Return labels and pseudo-labels of the real images, with the values of `y`.

        Parameters
        ----------
        pseudo : list of ndarray of int, shape (*spatial)
            -1 where not confident; classes by their index.
        replaced : ndarray of int
            Samples whose pseudo-labels do not hold their labels, which take their place.
        classes : ndarray or None
            Values of the classes; None for foreground and background.

        Returns
        -------
        list of ndarray of int
            -1 throughout for images that are no samples.
        """
        filled = list(pseudo)
        for index in replaced:
            label = self.labels[index]
            known = np.sign(label) if classes is None else label
            filled[index] = np.where(label < 0, filled[index], known).astype(filled[index].dtype)
        if classes is not None:
            values = classes.astype(np.int64)  # unsigned ones have no -1
            filled = [np.where(label < 0, -1, values[label]) for label in filled]
        n_simulated = len(self.labels) - self.n_real
        result = [
            np.full(image.shape[:-1], -1, filled[0].dtype)
            for image in self.images[: len(self.images) - n_simulated]
        ]
        for index, label in zip(self.image_indices[: self.n_real], filled, strict=False):
            result[index] = label
        return result


def read_training_data(
    segmenter: SemiSupervisedSegmenter, X: Any, y: Any, positions: Any, sample_weight: Any
) -> TrainingData:
    """Check the arguments of `fit`, add simulated images, and encode classes.

    Sets `classes_` and `spacing_` of the segmenter.
    """
    images = segmenter._check_images(X)
    spacing = _spacing(segmenter, X)
    annotations = segmenter._annotations(y, images, spacing)
    weight = check_sample_weight(sample_weight, len(images))
    positions = check_positions(positions_of(X, positions), len(images))
    used, n_images, simulator = np.flatnonzero(weight), len(images), getattr(X, "simulator", None)
    labels, weight = [annotations.objects(i) for i in used], weight[used]
    if simulator is not None:
        images, labels, weight = _add_simulated(segmenter, simulator, images, labels, weight)
    _check_samples(annotations, used, labels)
    drawn = np.arange(n_images, len(images))
    positions = np.concatenate([positions, positions.max() + 2 * (1 + drawn - n_images)])
    samples = np.concatenate([used, drawn])
    indices = sections_of(segmenter).indices(positions, len(images))[samples]
    labels = _encode(segmenter, labels)
    segmenter.spacing_ = spacing
    consecutive = segmenter.sections == "consecutive"
    return TrainingData(
        images, labels, indices, positions if consecutive else None, weight, len(used)
    )


def _check_samples(annotations, used, labels):
    """Raise an error if nothing is left to learn from."""
    if not any((label >= 0).any() for label in labels):
        annotations.require_labeled()
        raise ValueError("No labeled image has a positive sample_weight.")
    if not used.size:
        raise ValueError("sample_weight must be above 0 for a real image, got 0 for all.")


def _spacing(segmenter, X):
    """Relative size of voxels; with a warm start that of the last fit, if `X` does not say it."""
    given = getattr(X, "spacing", None)
    spacing = relative_spacing(given, segmenter.spatial_ndim_)
    if not starts_warm(segmenter):
        return spacing
    last = segmenter.spacing_
    if given is not None and not np.allclose(spacing or 1.0, last or 1.0, rtol=0.01):
        raise ValueError(
            f"X.spacing must have the ratios of the last fit, {last or 'cubes'}, got {given}."
        )
    return last


def _add_simulated(segmenter, simulator, images, labels, weight):
    """Append simulated images, with labels and weights of 1 (see `falling_share`)."""
    if segmenter.sections == "consecutive" or segmenter.target == "classes":
        raise ValueError(
            "A stack with a simulator needs sections='independent' and target='instances', got "
            f"{segmenter.sections!r} and {segmenter.target!r}."
        )
    seed = int(check_generator(segmenter.random_state).integers(2**31))
    drawn, y, _ = draw_simulated(
        simulator, _N_SIMULATED, seed, n_channels=images[0].shape[-1],
        spatial_ndim=segmenter.spatial_ndim_,
    )  # fmt: skip
    annotations = segmenter._annotations(y, drawn)
    drawn_labels = [annotations.objects(i) for i in range(len(drawn))]
    weight = np.concatenate([weight, np.ones(len(drawn))])
    return [*images, *drawn], [*labels, *drawn_labels], weight


def learns_cores(
    segmenter: SemiSupervisedSegmenter, data: TrainingData, backbone: Backbone | None
) -> bool:
    """Return whether cores are learned.

    The parameter `loss` decides it, else the outputs of the backbone, else whether many labeled
    objects almost touch others.

    Parameters
    ----------
    segmenter : SemiSupervisedSegmenter
    data : TrainingData
    backbone : Backbone or None

    Returns
    -------
    bool
    """
    if segmenter.target == "classes":
        return False
    if not isinstance(segmenter.loss, str) and segmenter.loss.terms != "auto":
        return "core" in segmenter.loss.terms
    if starts_warm(segmenter):
        return segmenter.has_cores_
    if backbone is not None and backbone.outputs:
        return "core" in backbone.outputs
    labeled = [label for label in data.labels if (label > 0).any()]
    some = labeled[:: -(-len(labeled) // _N_EXAMINED)] if labeled else []
    return share_with_neighbors(some) >= _MIN_SHARE_WITH_NEIGHBORS


def _encode(segmenter, labels):
    """Labels as the loss reads them: classes by their index."""
    labeled = [label for label in labels if (label >= 0).any()]
    if segmenter.target == "instances":
        vars(segmenter).pop("classes_", None)  # of an earlier fit with target="classes"
        _warn_of_masks(labeled)
        return labels
    classes = np.unique(np.concatenate([np.unique(label) for label in labeled]))
    classes = classes[classes >= 0]
    if len(classes) < 2:
        raise ValueError(
            f"y must hold at least two classes with target='classes', got {classes.tolist()}."
        )
    if not (segmenter.warm_start and hasattr(segmenter, "classes_")):
        segmenter.classes_ = classes
    unknown = np.setdiff1d(classes, segmenter.classes_)
    if unknown.size:
        raise ValueError(f"y holds classes {unknown.tolist()} that the last fit did not.")
    indices = (np.where(x < 0, -1, np.searchsorted(segmenter.classes_, x)) for x in labels)
    return [index.astype(np.int16) for index in indices]


def _warn_of_masks(labels):
    """Warn of masks of 0 and 255, whose cells would be taken for one object."""
    has_255 = any(label.max() == 255 for label in labels)
    if has_255 and all(np.isin(label, (-1, 0, 255)).all() for label in labels):
        warnings.warn(
            "y holds 0 and 255 only: pixels of 255 are one object in each image. If they are "
            "masks, give 1 instead, so that their components are the objects.",
            stacklevel=5,
        )


def training_patch_shape(
    segmenter: SemiSupervisedSegmenter, images: Sequence[np.ndarray], network: Any
) -> tuple[int, ...]:
    """Return the size of the network's input in training.

    Parameters
    ----------
    segmenter : SemiSupervisedSegmenter
        Its `patch_size` and `spatial_ndim` are used.
    images : list of ndarray of shape (*spatial, n_channels)
        Of the samples.
    network : DenseNetwork or torch.nn.Module

    Returns
    -------
    tuple of int
    """
    ndim = segmenter.spatial_ndim_
    margin = network_margin(network, ndim)
    if segmenter.patch_size != "auto":
        shape = patch_sides(segmenter.patch_size, ndim)
        if any(margin):
            network.check_size(shape)
        return shape
    smallest = [int(size) for size in np.min([image.shape[:-1] for image in images], axis=0)]
    most = _PATCH[ndim]
    if any(margin):
        sides = zip(smallest, margin, strict=True)
        return tuple(network.valid_input_size(min(most, size) + 2 * m) for size, m in sides)
    steps = zip(smallest, tile_settings(network, ndim).stride, strict=True)
    return tuple(min(most, round_up(size, step)) for size, step in steps)
