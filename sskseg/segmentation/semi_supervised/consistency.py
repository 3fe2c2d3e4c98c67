"""Consistency regularization from weak to strong augmentation."""

from __future__ import annotations

from contextlib import contextmanager
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F

from ...images.augmentation import Augmentation, sample_photometry
from ...images.tensors import box_masks
from ...training import batches_on, random_numbers
from ._teacher import TeacherMethod, first_output

_STRONG = Augmentation(
    photometric_probability=0.8,
    gamma=0.5,
    contrast=0.4,
    brightness=0.4,
    noise=0.4,
    blur=1.5,
    haze=0.0,
)


class Consistency(TeacherMethod):
    """Predict of strongly augmented patches what the teacher predicts of weakly augmented ones.

    In half of the patches intensities are strongly changed, and parts come from another patch
    (CutMix) [1]_ [2]_; in the other half features of the lowest level are dropped, where the
    network has an attribute ``dropout``. Pixels of which the teacher is not confident are ignored.

    Parameters
    ----------
    confidence : float in [0.5, 1], default=0.9
        Minimum of the teacher's probabilities.
    dropout : float in [0, 1], default=0.5
        Share of the features that is dropped.
    weight : float, default=1.0
        Weight of this loss, relative to the supervised one.
    teacher_start : float in [0, 1], default=0.1
        Share of the training after which there is a teacher.

    References
    ----------
    .. [1] Yang, Qi, Feng, Zhang, Shi. Revisiting weak-to-strong consistency in semi-supervised
       semantic segmentation. CVPR 2023. :doi:`10.1109/CVPR52729.2023.00699`
    .. [2] French, Laine, Aila, Mackiewicz, Finlayson. Semi-supervised semantic segmentation needs
       strong, varied perturbations. BMVC 2020. :doi:`10.5244/C.34.136`
    """

    name = "consistency"
    limits: ClassVar = {**TeacherMethod.limits, "confidence": (0.5, 1), "dropout": (0, 1)}

    def __init__(self, confidence=0.9, *, dropout=0.5, weight=1.0, teacher_start=0.1):
        self.confidence = confidence
        self.dropout = dropout
        self.weight = weight
        self.teacher_start = teacher_start

    def unlabeled_loss(self, network, images, progress):
        objective = self.training.objective
        labels = objective.confident_labels(self.teach(images), self.confidence)
        labels = _padded(labels, images.shape[2:])
        half = len(images) // 2
        photometry = sample_photometry(_STRONG, self.rng, half)
        strong = batches_on(images.device).adjust(images[:half].clone(), photometry)
        strong, mixed = cut_mix(strong, labels[:half], self.rng)
        loss = objective.overlap_loss(first_output(network(strong)), mixed)
        with random_numbers(), _dropped_features(network, self.dropout):
            logits = first_output(network(images[half:]))
        return 0.5 * (loss + objective.overlap_loss(logits, labels[half:]))


def cut_mix(
    images: torch.Tensor, labels: torch.Tensor, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Replace a box of each sample by that of the next one.

    Parameters
    ----------
    images : Tensor of shape (batch, channels, *spatial)
    labels : Tensor of shape (batch, *spatial)
    rng : numpy.random.Generator

    Returns
    -------
    images, labels : Tensor
        Copies.
    """
    starts, sides = [], []
    for _ in images:
        for size in images.shape[2:]:
            sides.append(max(1, int(size * rng.uniform(0.3, 0.7))))
            starts.append(int(rng.integers(size - sides[-1] + 1)))
    corners = np.reshape(starts, (len(images), -1))
    stops = corners + np.reshape(sides, corners.shape)
    inside = box_masks(corners, stops, images.shape[2:], images.device)
    mixed = torch.where(inside.unsqueeze(1), images.roll(-1, 0), images)
    return mixed, torch.where(inside, labels.roll(-1, 0), labels)


@contextmanager
def _dropped_features(network, rate):
    """Increase the dropout of the lowest level; nothing for networks without."""
    layer = getattr(network, "dropout", None)
    if not isinstance(layer, (torch.nn.Dropout, torch.nn.Dropout2d, torch.nn.Dropout3d)):
        layer = torch.nn.Dropout()
    before, layer.p = layer.p, max(layer.p, rate)
    try:
        yield
    finally:
        layer.p = before


def _padded(labels, spatial):
    """Labels of whole patches, -1 in the margin, from those of their middle."""
    margins = [(size - inner) // 2 for size, inner in zip(spatial, labels.shape[1:], strict=True)]
    amounts = [margin for m in reversed(margins) for margin in (m, m)]
    return F.pad(labels, amounts, value=-1)
