"""Initial weights as Keras defines them."""

import math
from collections.abc import Sequence

import torch
from torch import nn

# Standard deviation of the standard normal distribution truncated at two standard deviations.
_TRUNCATED_STD = 0.87962566103423978


def he_normal_(weight: torch.Tensor) -> torch.Tensor:
    """Fill weights from the truncated normal distribution of variance ``2 / fan_in``.

    As ``HeNormal`` of Keras: truncated at two standard deviations and rescaled to the variance;
    ``kaiming_normal_`` of torch does not truncate.

    Parameters
    ----------
    weight : Tensor of shape (n, m, *kernel)
        Weights of a convolution, (out, in, ...), or of a transposed one, (in, out, ...). The fan-in
        is ``m * prod(kernel)``, for transposed convolutions too, as in Keras.

    Returns
    -------
    Tensor
        `weight`, filled in place.

    References
    ----------
    .. [1] He, Zhang, Ren, Sun. Delving deep into rectifiers. ICCV 2015.
       :doi:`10.1109/ICCV.2015.123`
    """
    fan_in, _ = _fans(weight)
    std = math.sqrt(2 / fan_in) / _TRUNCATED_STD
    return nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)


def glorot_uniform_(weight: torch.Tensor) -> torch.Tensor:
    """Fill weights uniformly between plus and minus ``sqrt(6 / (fan_in + fan_out))``.

    Parameters
    ----------
    weight : Tensor of shape (n, m, *kernel)
        As in `he_normal_`.

    Returns
    -------
    Tensor
        `weight`, filled in place.

    References
    ----------
    .. [1] Glorot, Bengio. Understanding the difficulty of training deep feedforward neural
       networks. AISTATS 2010.
    """
    limit = math.sqrt(6 / sum(_fans(weight)))
    return nn.init.uniform_(weight, -limit, limit)


def _fans(weight):
    kernel = math.prod(weight.shape[2:])
    return weight.shape[1] * kernel, weight.shape[0] * kernel


_CONVOLUTIONS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def initialize(network: nn.Module, heads: Sequence[nn.Module]) -> None:
    """Initialize convolutions He normal, heads Glorot uniform, and biases 0.

    Parameters
    ----------
    network : torch.nn.Module
    heads : sequence of torch.nn.Module
        Convolutions that output logits.
    """
    for module in network.modules():
        if isinstance(module, _CONVOLUTIONS):
            fill = glorot_uniform_ if any(module is head for head in heads) else he_normal_
            fill(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
