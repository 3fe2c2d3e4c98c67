"""Objectives of dense networks: targets, losses, and how to read the outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions

from ..io.registry import register
from ..morphology import normalized_distance, relabel, weight_map
from ..nn import (
    crop_center,
    masked_cross_entropy,
    masked_dice_loss,
    masked_soft_cross_entropy,
)
from .batches import Batch

LOSSES = ("cross-entropy", "dice", "distance", "core")
_BORDER_WEIGHT = 8.0  # extra weight, in the loss of the distance, of the borders of objects
_CORE = 0.4  # least distance to the border in the core of an object, as a share of the largest


def decaying_weight(progress: float) -> float:
    """Weight auxiliary heads: from 1 to 1e-3, a tenth after each third of the training."""
    return 10.0 ** (-3 * min(1.0, progress))


@dataclass(frozen=True)
class _Objective:
    """Base of the objectives.

    Parameters
    ----------
    losses : tuple of str
        Of `LOSSES`; their sum is minimized.
    """

    losses: tuple[str, ...]

    def _loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        raise NotImplementedError

    def loss(self, network: Callable, batch: Batch, progress: float) -> torch.Tensor:
        """Compute the loss of a batch; `progress` rises from 0 to 1 during training.

        A network may return a tuple in training: elements after the first are outputs of auxiliary
        heads, whose loss is added with `decaying_weight`.
        """
        outputs = network(batch.images)
        logits, *auxiliary = outputs if isinstance(outputs, tuple) else (outputs,)
        # With valid padding the outputs lack a margin.
        batch = batch.crop(logits.shape[2:])
        total = self._loss(logits.float(), batch)
        for head in auxiliary:
            total = total + decaying_weight(progress) * self._loss(head.float(), batch)
        return total

    def overlap_loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Compute the loss against labels alone: no distances, weights or auxiliary heads."""
        labels = crop_center(labels, logits.shape[2:])
        return self._overlap_losses(self._overlap_logits(logits.float()), labels)

    def _overlap_logits(self, logits):
        return logits

    def _overlap_losses(self, logits, labels, weights=None):
        total: Any = 0.0
        if "cross-entropy" in self.losses:
            total = total + masked_cross_entropy(logits, labels, weights)
        if "dice" in self.losses:
            total = total + masked_dice_loss(logits, labels)
        return total


@dataclass(frozen=True)
class ForegroundObjective(_Objective):
    """Foreground against background, and two further tasks: with "distance" among the losses the
    distance to the border of the object, which no prediction uses, and with "core" the core of each
    object, which separates touching objects.

    Parameters
    ----------
    losses : tuple of str
    border_weight, border_sigma : float
        Of `sskseg.morphology.weight_map`, which weights the cross-entropy.
    spacing : tuple of float or None, default=None
        Size of a pixel along each axis.
    """

    border_weight: float
    border_sigma: float
    spacing: tuple[float, ...] | None = None

    n_probabilities = 1

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the network predicts, in the order of its output channels."""
        return "foreground", *(name for name in ("distance", "core") if name in self.losses)

    @property
    def n_outputs(self) -> int:
        return len(self.outputs)

    @property
    def has_cores(self) -> bool:
        """Whether the last output is the logit of the core of an object."""
        return "core" in self.losses

    @property
    def weigh(self) -> Callable[[np.ndarray], np.ndarray] | None:
        """Map a label image, as `prepare` returns it, to weights of its pixels; None: all 1."""
        used = self.border_weight > 0 and "cross-entropy" in self.losses
        return self._weigh if used else None

    def _weigh(self, labels):
        # Ids from 2 on: a patch with object 1 only would be taken for a mask.
        labels = labels + (labels > 0)
        return weight_map(labels, self.border_weight, self.border_sigma, spacing=self.spacing)

    def prepare(
        self, labels: list[np.ndarray], used: Sequence[bool] | np.ndarray
    ) -> tuple[list[np.ndarray], list[np.ndarray | None] | None]:
        """Return label images with separate objects, and targets of the distance (None: not used).

        Those of samples that are not `used` stay as they are.
        """
        pairs = list(zip(labels, used, strict=True))
        labels = [_numbered(label) if use else label for label, use in pairs]
        if not {"distance", "core"} & set(self.losses):
            return labels, None
        targets = [
            normalized_distance(label, self.spacing).astype(np.float16) if use else None
            for label, use in zip(labels, used, strict=True)
        ]
        return labels, targets

    def _overlap_logits(self, logits):
        return logits[:, :1]

    def _loss(self, logits, batch):
        total = self._overlap_losses(self._overlap_logits(logits), batch.labels, batch.weights)
        if batch.targets is None:
            return total
        # Of the labels after the warp: a mark would be interpolated with the distances.
        borders = _borders(batch.labels)
        target = batch.targets.masked_fill(borders & ~batch.targets.isnan(), 0)
        if "distance" in self.losses:
            weight = 1 + _BORDER_WEIGHT * borders
            total = total + masked_soft_cross_entropy(logits[:, 1], target, weight)
        if self.has_cores:
            cores = _core_labels(batch.labels, target)
            total = total + self._overlap_losses(logits[:, -1:], cores, batch.weights)
        return total

    def activate(self, logits: torch.Tensor) -> torch.Tensor:
        return _activated(torch.sigmoid, logits[:, :1])

    def activate_with_cores(self, logits: torch.Tensor) -> torch.Tensor:
        """Return probabilities (batch, 2, *spatial) of foreground and core."""
        foreground = self.activate(logits)
        if not self.has_cores:
            return foreground
        return torch.cat([foreground, _activated(torch.sigmoid, logits[:, -1:])], dim=1)

    @staticmethod
    def confident_labels(probabilities: torch.Tensor, confidence: float) -> torch.Tensor:
        """Return labels (batch, *spatial) of (batch, 1, *spatial) probabilities; -1 between."""
        inside = probabilities[:, 0]
        unsure = (inside > 1 - confidence) & (inside < confidence)
        return torch.where(unsure, -1, (inside >= confidence).long())

    def foreground(self, output: np.ndarray) -> np.ndarray:
        return output[0]

    def foreground_mask(self, output: np.ndarray) -> np.ndarray:
        return output[0] > 0.5

    def mask(self, output: np.ndarray) -> np.ndarray:
        return self.foreground_mask(output).astype(np.uint8)

    def probability(self, output: np.ndarray) -> np.ndarray:
        return output[0]


@dataclass(frozen=True)
class ClassObjective(_Objective):
    """One of several classes.

    Parameters
    ----------
    losses : tuple of str
    classes : ndarray
        Values of the labels; the first is background.
    """

    classes: np.ndarray
    weigh = None
    has_cores = False
    outputs = ()  # heads of unlike classes are not exchanged

    @property
    def n_outputs(self) -> int:
        return len(self.classes)

    @property
    def n_probabilities(self) -> int:
        return len(self.classes)

    def prepare(
        self, labels: list[np.ndarray], used: Sequence[bool] | np.ndarray
    ) -> tuple[list[np.ndarray], None]:
        return labels, None

    def _loss(self, logits, batch):
        return self._overlap_losses(logits, batch.labels, batch.weights)

    def activate(self, logits: torch.Tensor) -> torch.Tensor:
        return _activated(partial(torch.softmax, dim=1), logits)

    activate_with_cores = activate

    @staticmethod
    def confident_labels(probabilities: torch.Tensor, confidence: float) -> torch.Tensor:
        """Return labels (batch, *spatial) of (batch, n_classes, *spatial); -1: not confident."""
        most, label = probabilities.max(1)
        return torch.where(most >= confidence, label, -1)

    def foreground(self, output: np.ndarray) -> np.ndarray:
        return 1 - output[0]

    def foreground_mask(self, output: np.ndarray) -> np.ndarray:
        return output.argmax(axis=0) > 0

    def mask(self, output: np.ndarray) -> np.ndarray:
        return self.classes[output.argmax(axis=0)]

    def probability(self, output: np.ndarray) -> np.ndarray:
        return np.moveaxis(output, 0, -1)


def _core_labels(labels, target):
    """Labels of cores: 1 inside, 0 outside, -1 unknown.

    Unknown are objects whose border is unknown, and the whole patch if it holds no others: the
    background alone would teach that there are no cores.
    """
    inside = target > _CORE
    axes = tuple(range(1, labels.ndim))
    teaches = inside.any(axes) | ~(labels > 0).any(axes)
    unknown = target.isnan() | ~teaches.view(-1, *(1,) * len(axes))
    return inside.long().masked_fill(unknown, -1)


def _numbered(objects):
    """Number objects 1, 2, ..., in as few bytes as they need: ids may be of any size."""
    numbers = np.where(objects < 0, -1, relabel(np.maximum(objects, 0)))
    return numbers.astype(np.min_scalar_type(-int(numbers.max(initial=0)) - 2))


def _borders(labels):
    """Pixels of (batch, *patch) that touch, over faces or corners, another object or background."""
    pool = F.max_pool2d if labels.ndim == 3 else F.max_pool3d
    objects = labels.clamp_min(0).float().unsqueeze(1)
    highest, lowest = (sign * pool(sign * objects, 3, stride=1, padding=1) for sign in (1, -1))
    return (highest != lowest).squeeze(1)


@register
class SegmentationLoss(BaseEstimator):
    """What a segmenter minimizes: a sum of terms, with weights for narrow borders.

    Parameters
    ----------
    terms : {"auto"} or sequence of str, default="auto"
        Which of "cross-entropy", "dice", "distance" and "core" are added, one of the first two at
        least. "distance" is the cross-entropy of the normalized distance of pixels to the border of
        their object, which no prediction uses: it makes the network attend to borders. "core" is
        the loss of a further output, the probability that a pixel is in the core of an object (its
        normalized distance is above 0.4), from which `InstanceCounter` separates touching
        objects [2]_. "auto" is all four: without the last two for ``target="classes"``, and without
        "core" if less than a quarter of the labeled objects have another one within three pixels.
    border_weight, border_sigma : float, default=10.0 and 5.0
        With ``target="instances"``, the cross-entropy of background pixels between objects that
        almost touch is weighted by ``1 + border_weight * exp(-(d1 + d2)**2 / (2 *
        border_sigma**2))``, where `d1` and `d2` are the distances (pixels; in volumes whose spacing
        is known, pixels of the plane) to the nearest two objects [1]_; 0 turns it off. See
        `sskseg.morphology.weight_map`. Weights rise from 1 in the first thousand steps (`warm_up`
        of the augmentation). The weights of a batch's background are divided by their mean, so that
        its share of the loss, and with it the meaning of a probability of 0.5, stays what it is
        without them.
    label_offset : "auto", sequence of float or None, default="auto"
        Position of labels less that of what they label, pixels along y and x. Programs that count
        pixels from corners and others that count from centers, say, save labels half a pixel beside
        the image. Flipped and turned patches make that unlearnable, so that images are displaced
        by the offset. "auto": `sskseg.morphology.estimate_label_offset` of labeled planes, if it is
        significant (p < 0.01) and between 0.25 and 1.5 pixels; none for volumes, with simulated
        images and where images are resampled to one size of objects. None: none.

    References
    ----------
    .. [1] Ronneberger, Fischer, Brox. U-Net. MICCAI 2015. :doi:`10.1007/978-3-319-24574-4_28`
    .. [2] Lux, Matula. Cell segmentation by combining marker-controlled watershed and deep
       learning. 2020. :doi:`10.48550/arXiv.2004.01607`

    Examples
    --------
    >>> from sskseg import SemiSupervisedSegmenter
    >>> from sskseg.training import SegmentationLoss
    >>> segmenter = SemiSupervisedSegmenter(loss=SegmentationLoss(border_weight=0))
    >>> segmenter.set_params(loss__border_weight=5.0).loss
    SegmentationLoss(border_weight=5.0)
    """

    _parameter_constraints: dict = {  # noqa: RUF012 - scikit-learn's name and form
        "terms": [StrOptions({"auto"}), tuple, list],
        "border_weight": [Interval(Real, 0, 1e4, closed="both")],
        "border_sigma": [Interval(Real, 0, None, closed="neither")],
        "label_offset": [StrOptions({"auto"}), tuple, list, np.ndarray, None],
    }

    def __init__(
        self,
        terms: str | Sequence[str] = "auto",
        *,
        border_weight: float = 10.0,
        border_sigma: float = 5.0,
        label_offset: str | Sequence[float] | None = "auto",
    ):
        self.terms = terms
        self.border_weight = border_weight
        self.border_sigma = border_sigma
        self.label_offset = label_offset

    def objective(
        self,
        target: str,
        classes: np.ndarray | None = None,
        spacing: tuple[float, ...] | None = None,
        *,
        has_cores: bool = True,
    ) -> ForegroundObjective | ClassObjective:
        """Return the objective of a network.

        Parameters
        ----------
        target : {"instances", "classes"}
        classes : ndarray, default=None
            Values of the labels, with ``target="classes"``.
        spacing : tuple of float, default=None
            Size of a pixel along each axis; None is 1.
        has_cores : bool, default=True
            Whether "core" is among the terms of "auto".

        Returns
        -------
        ForegroundObjective or ClassObjective

        Raises
        ------
        ValueError
            For parameters out of range, and terms that `target` does not have.
        """
        self._validate_params()
        known = LOSSES if target == "instances" else LOSSES[:2]
        chosen = tuple(term for term in known if has_cores or term != "core")
        terms = chosen if isinstance(self.terms, str) else tuple(self.terms)
        if not set(terms) & set(LOSSES[:2]) or not set(terms) <= set(known):
            raise ValueError(
                f"terms of the loss must be 'auto' or some of {known} with target={target!r}, with "
                f"{LOSSES[0]!r} or {LOSSES[1]!r} among them, got {self.terms!r}."
            )
        if target == "instances":
            return ForegroundObjective(terms, self.border_weight, self.border_sigma, spacing)
        return ClassObjective(terms, np.asarray(classes))


def _activated(function, logits):
    """Probabilities, float32.

    On CPUs, torch computes the ends of rows by other instructions than the rest. In float32, they
    round differently, and predictions would depend on the tiles.
    """
    if logits.device.type == "cpu" and not torch.is_grad_enabled():
        return function(logits.double()).float()
    return function(logits.float())
