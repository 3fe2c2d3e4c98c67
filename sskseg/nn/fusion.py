"""Fuse layers of a trained network for fast prediction."""

import copy
from collections.abc import Iterator
from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from ._layers import CONV, NORM

# Not their subclasses, which may do more: other libraries have norms with an activation.
_CONVOLUTIONS = (*CONV.values(), nn.Conv3d)
_NORMS = tuple(NORM.values())


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """Fold each batch normalization of a network into the preceding convolution.

    The output is equal up to rounding, without the cost of the normalization.

    Parameters
    ----------
    network : torch.nn.Module

    Returns
    -------
    torch.nn.Module
        A copy in evaluation mode; `network` is not modified.
    """
    network = copy.deepcopy(network).eval()
    for sequence, i in list(normalized_convolutions(network)):
        _fold(sequence, i)
    return network


def normalized_convolutions(network: nn.Module) -> Iterator[tuple[nn.Sequential, int]]:
    """Find the convolutions that batch normalization follows.

    Parameters
    ----------
    network : torch.nn.Module

    Yields
    ------
    sequence : torch.nn.Sequential
        Part of `network`.
    i : int
        Position of the convolution in it; the normalization is at ``i + 1``.
    """
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            for i, (first, second) in enumerate(pairwise(list(module))):
                has_statistics = getattr(second, "running_mean", None) is not None
                if type(first) in _CONVOLUTIONS and type(second) in _NORMS and has_statistics:
                    yield module, i


def _fold(sequence, i):
    first, second = sequence[i], sequence[i + 1]
    sequence[i] = folded = _own_parameters(first)
    folded.weight, folded.bias = fuse_conv_bn_weights(
        first.weight, first.bias, second.running_mean, second.running_var, second.eps,
        second.weight, second.bias,
    )  # fmt: skip
    sequence[i + 1] = nn.Identity()


def _own_parameters(layer):
    """Another layer with the same tensors: a network may have the first one in several places.

    `fuse_conv_bn_eval` would copy the tensors.
    """
    other = copy.copy(layer)
    other._parameters = layer._parameters.copy()
    return other
