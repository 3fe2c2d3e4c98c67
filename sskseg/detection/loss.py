"""Loss of a contour proposal network."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..nn.losses import masked_soft_cross_entropy
from ..training import random_numbers

if TYPE_CHECKING:
    from .network import ContourProposalNetwork

_MIN_RADIUS = 2.0  # pixels; errors of smaller objects are relative to this
_MIN_VISIBLE_SHARE = 0.5  # of a contour, in a patch


def contour_loss(
    network: ContourProposalNetwork,
    outputs: Tensor,
    labels: Tensor,
    distance: Tensor,
    outlines: Tensor,
    *,
    pixels: int = 128,
) -> Tensor:
    """Compute the loss of the outputs of a `ContourProposalNetwork`.

    Parameters
    ----------
    network : ContourProposalNetwork
    outputs : Tensor of shape (batch, n_outputs, h, w)
    labels : integer Tensor of shape (batch, height, width)
        1, 2, ... objects, 0 background, -1 unlabeled.
    distance : Tensor of shape (batch, height, width)
        Target of the score: 1 in the middle of an object, 0 outside; NaN where it is unknown,
        where contours are ignored, too.
    outlines : Tensor of shape (batch, n_objects, samples, 2)
        Row and column of points of each object's contour in the patch, aligned as those of
        `sskseg.morphology.fourier_descriptors`; NaN where there is none.
    pixels : int, default=128
        Sampled from each patch, the middle of objects more often: the contours there are
        penalized.

    Returns
    -------
    Tensor, scalar
        Cross-entropy of the score, and L1 distances of points before and after refinement, in
        units of the object's radius. Points outside of the patch are ignored, and objects less
        than half of whose contour is inside.
    """
    outputs, step = outputs.float(), network.factor
    labels, distance = labels[:, ::step, ::step], distance[:, ::step, ::step]
    score_loss = masked_soft_cross_entropy(outputs[:, 0], distance)
    indices, objects, valid = _sample_pixels(labels, distance, pixels)
    target, weight = _targets(outlines, objects, [step * size for size in labels.shape[1:]])
    weight = weight * valid[..., None, None]
    values = outputs.flatten(2).gather(2, indices.unsqueeze(1).expand(-1, outputs.shape[1], -1))
    locations = torch.stack([indices // labels.shape[2], indices % labels.shape[2]], dim=-1)
    contours = network.contours(values, locations)
    refined = network.refine(contours, outputs)
    errors = [((points - target).abs() * weight).sum() for points in (contours, *refined)]
    total = errors[0] + sum(errors[1:]) / max(1, len(refined))
    return score_loss + total / (weight > 0).sum().clamp_min(1)


def _sample_pixels(labels, distance, n):
    """Sample pixels: flat indices (batch, n), their objects, and whether there is one."""
    weight = (torch.nan_to_num(distance) * (labels > 0)).flatten(1).float()
    with random_numbers():
        indices = torch.multinomial(weight + 1e-9, n, replacement=True)
    objects = labels.flatten(1).gather(1, indices).clamp_min(1) - 1
    return indices, objects, weight.gather(1, indices) > 0


def _targets(outlines, objects, sides):
    """Return points (batch, n, samples, 2) and their weights (batch, n, samples, 1)."""
    index = objects[..., None, None].expand(-1, -1, *outlines.shape[2:])
    target = outlines.gather(1, index)
    inside = [target[..., axis, None] < side for axis, side in enumerate(sides)]  # NaN is not
    visible = (target > -1).all(-1, keepdim=True) & inside[0] & inside[1]
    visible = visible & (visible.float().mean(2, keepdim=True) >= _MIN_VISIBLE_SHARE)
    target = torch.nan_to_num(target)
    after = target.roll(-1, 2)
    area = (target[..., 1] * after[..., 0] - after[..., 1] * target[..., 0]).sum(-1).abs() / 2
    radius = (area / math.pi).sqrt().clamp_min(_MIN_RADIUS)
    return target, visible / radius[..., None, None]
