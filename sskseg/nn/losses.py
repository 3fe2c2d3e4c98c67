"""Losses of labeled pixels."""

import torch
import torch.nn.functional as F


def masked_cross_entropy(
    logits: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor | None = None
) -> torch.Tensor:
    """Compute the weighted mean cross-entropy of the labeled pixels.

    Parameters
    ----------
    logits : Tensor of shape (batch, n_classes, *spatial)
        One class: a sigmoid logit of the foreground. More: softmax logits.
    labels : Tensor of shape (batch, *spatial)
        -1 is ignored; with one class, > 0 is foreground.
    weight : Tensor of shape (batch, *spatial), default=None
        Weight of each pixel in the mean; None is 1.

    Returns
    -------
    Tensor, scalar
        0 if nothing is labeled.
    """
    known = (labels >= 0).float()
    known = known if weight is None else known * weight
    if logits.shape[1] == 1:
        target = (labels > 0).to(logits.dtype)
        loss = F.binary_cross_entropy_with_logits(logits[:, 0], target, reduction="none")
    else:
        loss = F.cross_entropy(logits, labels.clamp_min(0).long(), reduction="none")
    return (loss * known).sum() / known.sum().clamp_min(1)


def masked_dice_loss(
    logits: torch.Tensor, labels: torch.Tensor, smooth: float = 1.0
) -> torch.Tensor:
    """Compute one minus the soft Dice coefficient of the labeled pixels of the batch.

    Unlabeled pixels (-1) are excluded from numerator and denominator. With more than one class,
    the mean over all classes except 0.

    Parameters
    ----------
    logits : Tensor of shape (batch, n_classes, *spatial)
    labels : Tensor of shape (batch, *spatial)
    smooth : float, default=1.0
        Added to numerator and denominator; an empty batch gives 0.

    Returns
    -------
    Tensor, scalar

    References
    ----------
    .. [1] Milletari, Navab, Ahmadi. V-Net. 3DV 2016. :doi:`10.1109/3DV.2016.79`
    """
    known = (labels >= 0).unsqueeze(1)
    if logits.shape[1] == 1:
        probability = torch.sigmoid(logits)
        target = (labels > 0).unsqueeze(1)
    else:
        probability = torch.softmax(logits, dim=1)[:, 1:]
        classes = torch.arange(1, logits.shape[1], device=labels.device)
        target = labels.unsqueeze(1) == classes.view(1, -1, *(1,) * (labels.ndim - 1))
    axes = (0, *range(2, probability.ndim))
    probability, target = probability * known, target * known
    overlap = (probability * target).sum(axes)
    total = probability.sum(axes) + target.sum(axes)
    return 1 - ((2 * overlap + smooth) / (total + smooth)).mean()


def masked_soft_cross_entropy(
    logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None
) -> torch.Tensor:
    """Compute the mean binary cross-entropy with targets in [0, 1]; NaN targets are ignored.

    Parameters
    ----------
    logits, target : Tensor of the same shape
    weight : Tensor of that shape, default=None
        Weight of each pixel in the mean; None is 1.

    Returns
    -------
    Tensor, scalar
        0 if all targets are NaN.
    """
    known = ~torch.isnan(target)
    filled = torch.where(known, target, 0.0)
    loss = F.binary_cross_entropy_with_logits(logits, filled, reduction="none")
    known = known if weight is None else known * weight
    return (loss * known).sum() / known.sum().clamp_min(1)
