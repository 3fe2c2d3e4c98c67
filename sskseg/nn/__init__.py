"""Torch modules and losses: no data, no loops."""

from .fusion import fold_batch_norm
from .losses import masked_cross_entropy, masked_dice_loss, masked_soft_cross_entropy
from .registry import NETWORKS, count_parameters, make_network
from .unet import UNet, pad_to_multiple

__all__ = [
    "NETWORKS",
    "UNet",
    "count_parameters",
    "fold_batch_norm",
    "make_network",
    "masked_cross_entropy",
    "masked_dice_loss",
    "masked_soft_cross_entropy",
    "pad_to_multiple",
]
