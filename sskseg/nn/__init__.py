"""Torch modules and losses: no data, no loops."""

from ._layers import crop_center, pad_to_multiple
from .backbone import Backbone, ProxyNetwork, transfer_weights, weights_of
from .continuity import ContinuityNet, SectionMeanNet
from .dmcn import DMCN
from .encoder_decoder import Encoder, EncoderDecoder
from .encoders import PretrainedEncoder
from .fusion import fold_batch_norm
from .initialization import glorot_uniform_, he_normal_
from .losses import masked_cross_entropy, masked_dice_loss, masked_soft_cross_entropy
from .parts import computes_parts, predict_part
from .protocol import check_network, network_margin
from .registry import NETWORKS, count_parameters, make_feature_network, make_network, network_size
from .unet import UNet

__all__ = [
    "DMCN",
    "NETWORKS",
    "Backbone",
    "ContinuityNet",
    "Encoder",
    "EncoderDecoder",
    "PretrainedEncoder",
    "ProxyNetwork",
    "SectionMeanNet",
    "UNet",
    "check_network",
    "computes_parts",
    "count_parameters",
    "crop_center",
    "fold_batch_norm",
    "glorot_uniform_",
    "he_normal_",
    "make_feature_network",
    "make_network",
    "masked_cross_entropy",
    "masked_dice_loss",
    "masked_soft_cross_entropy",
    "network_margin",
    "network_size",
    "pad_to_multiple",
    "predict_part",
    "transfer_weights",
    "weights_of",
]
