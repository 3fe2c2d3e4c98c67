"""What a dense network is trained for, and what its outputs then mean."""

from dataclasses import dataclass

import numpy as np
import torch
from skimage.segmentation import find_boundaries

from ..morphology import normalized_distance, relabel, weight_map
from ..nn import (
    crop_center,
    masked_cross_entropy,
    masked_dice_loss,
    masked_soft_cross_entropy,
)
from .batches import Batch

LOSSES = ("cross-entropy", "dice", "distance")
_BORDER_WEIGHT = 8.0  # extra weight, in the loss of the distance, of the borders of objects


def decaying_weight(progress):
    """Weight of auxiliary heads: from 1 to 1e-3, ten times less after each third of training."""
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

    def loss(self, network, batch, progress):
        """Loss of a batch; `progress` is the share of the training that is over.

        A network may return a tuple in training: what follows the first are outputs of auxiliary
        heads, whose loss is added with `decaying_weight`.
        """
        outputs = network(batch.images)
        logits, *auxiliary = outputs if isinstance(outputs, tuple) else (outputs,)
        # With valid padding the outputs lack a margin.
        batch = batch.replace_targets(lambda target: crop_center(target, logits.shape[2:]))
        total = self._loss(logits.float(), batch)
        for head in auxiliary:
            total = total + decaying_weight(progress) * self._loss(head.float(), batch)
        return total

    def overlap_loss(self, logits, labels):
        """Loss of logits against labels alone: no maps, no weights, no auxiliary heads."""
        labels = crop_center(labels, logits.shape[2:])
        return self._overlap_losses(self._overlap_logits(logits.float()), Batch(None, labels))

    def _overlap_logits(self, logits):
        return logits

    def _overlap_losses(self, logits, batch):
        total = 0.0
        if "cross-entropy" in self.losses:
            weights = (
                None
                if batch.weights is None
                else _normalize_background(batch.weights, batch.labels)
            )
            total = total + masked_cross_entropy(logits, batch.labels, weights)
        if "dice" in self.losses:
            total = total + masked_dice_loss(logits, batch.labels)
        return total


@dataclass(frozen=True)
class ForegroundObjective(_Objective):
    """Foreground against background and, with "distance" among the losses, the distance to the
    border of the object, which no prediction uses: it is learned for the sake of the borders.

    Parameters
    ----------
    losses : tuple of str
    border_weight, border_sigma : float
        Of `sskseg.morphology.weight_map`, which weighs the cross-entropy.
    """

    border_weight: float
    border_sigma: float

    n_probabilities = 1

    @property
    def n_outputs(self):
        return 1 + ("distance" in self.losses)

    @property
    def weigh(self):
        """Label image, as `prepare` gives it, to weights of its pixels; None: all 1."""
        used = self.border_weight > 0 and "cross-entropy" in self.losses
        return self._weigh if used else None

    def _weigh(self, labels):
        # Ids from 2 on: a patch of nothing but object 1 would be taken for a mask.
        return weight_map(labels + (labels > 0), self.border_weight, self.border_sigma)

    def prepare(self, labels, used):
        """Label images with objects told apart, and maps of the distance (None: not needed).

        Those of samples that are not `used` are left as they are.
        """
        pairs = list(zip(labels, used, strict=True))
        labels = [_numbered(label) if use else label for label, use in pairs]
        if "distance" not in self.losses:
            return labels, None
        maps = [
            _distance_map(label) if use else None for label, use in zip(labels, used, strict=True)
        ]
        return labels, maps

    def _overlap_logits(self, logits):
        return logits[:, :1]

    def _loss(self, logits, batch):
        total = self._overlap_losses(self._overlap_logits(logits), batch)
        if batch.maps is not None:
            weight = 1 + _BORDER_WEIGHT * (batch.maps < 0)
            target = batch.maps.clamp_min(0)
            total = total + masked_soft_cross_entropy(logits[:, 1], target, weight)
        return total

    def activate(self, logits):
        return logits[:, :1].float().sigmoid()

    @staticmethod
    def sure_labels(probabilities, confidence):
        """Labels (batch, *spatial) from (batch, 1, *spatial) probabilities; -1 between."""
        inside = probabilities[:, 0]
        unsure = (inside > 1 - confidence) & (inside < confidence)
        return torch.where(unsure, -1, (inside >= confidence).long())

    def foreground(self, output):
        return output[0]

    def foreground_mask(self, output):
        return output[0] > 0.5

    def mask(self, output):
        return self.foreground_mask(output).astype(np.uint8)

    def probability(self, output):
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

    @property
    def n_outputs(self):
        return len(self.classes)

    @property
    def n_probabilities(self):
        return len(self.classes)

    def prepare(self, labels, used):
        return labels, None

    def _loss(self, logits, batch):
        return self._overlap_losses(logits, batch)

    def activate(self, logits):
        return logits.float().softmax(1)

    @staticmethod
    def sure_labels(probabilities, confidence):
        """Labels (batch, *spatial) from (batch, n_classes, *spatial); -1 where none is likely."""
        most, label = probabilities.max(1)
        return torch.where(most >= confidence, label, -1)

    def foreground(self, output):
        return 1 - output[0]

    def foreground_mask(self, output):
        return output.argmax(axis=0) > 0

    def mask(self, output):
        return self.classes[output.argmax(axis=0)]

    def probability(self, output):
        return np.moveaxis(output, 0, -1)


def _normalize_background(weights, labels):
    """Weights whose mean over the background is 1.

    It has its share of the loss, no more: probabilities keep their meaning, 0.5 its place between
    the classes.
    """
    background = (labels == 0).to(weights.dtype)
    mean = (weights * background).sum() / background.sum().clamp_min(1)
    return torch.where(labels == 0, weights / mean.clamp_min(1e-6), weights)


def _numbered(objects):
    """Objects with numbers 1, 2, ..., in as few bytes as they need: ids may be of any size."""
    numbers = np.where(objects < 0, -1, relabel(np.maximum(objects, 0)))
    return numbers.astype(np.min_scalar_type(-int(numbers.max(initial=0)) - 2))


def _distance_map(objects):
    """What the second output learns; negative on borders of objects, where 0 weighs more."""
    distance = normalized_distance(objects)
    inside = np.maximum(objects, 0)
    borders = find_boundaries(inside, connectivity=objects.ndim, mode="thick")
    distance[borders & ~np.isnan(distance)] = -1
    return distance.astype(np.float16)
