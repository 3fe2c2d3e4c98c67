import math

import numpy as np
import pytest
import torch
from scipy.stats import kstest, truncnorm

from sskseg.nn import glorot_uniform_, he_normal_, make_network

# Keras computes fan_in of a transposed convolution from its output channels: for both kinds of
# layer that is the second axis of torch's weight.
LAYERS = [
    (torch.nn.Conv2d(20, 30, 3), 20 * 9, 30 * 9),
    (torch.nn.ConvTranspose2d(20, 30, 2), 30 * 4, 20 * 4),
    (torch.nn.Conv3d(8, 16, 3), 8 * 27, 16 * 27),
    (torch.nn.ConvTranspose3d(16, 8, 2), 8 * 8, 16 * 8),
]


@pytest.mark.parametrize(("layer", "fan_in", "fan_out"), LAYERS)
def test_he_normal_is_kerass(layer, fan_in, fan_out):
    torch.manual_seed(0)
    values = he_normal_(layer.weight.detach()).numpy().ravel()
    std = math.sqrt(2 / fan_in) / 0.87962566103423978
    assert np.abs(values).max() <= 2 * std
    assert np.abs(values).max() > 1.9 * std
    assert values.var() == pytest.approx(2 / fan_in, rel=0.05)
    assert kstest(values / std, truncnorm(-2, 2).cdf).pvalue > 0.01


@pytest.mark.parametrize(("layer", "fan_in", "fan_out"), LAYERS)
def test_glorot_uniform_is_kerass(layer, fan_in, fan_out):
    torch.manual_seed(0)
    limit = math.sqrt(6 / (fan_in + fan_out))
    values = glorot_uniform_(layer.weight.detach()).numpy().ravel()
    assert np.abs(values).max() <= limit
    assert kstest(values, "uniform", (-limit, 2 * limit)).pvalue > 0.01


@pytest.mark.parametrize("name", ["unet", "unet-valid", "unet-lite", "dmcn"])
def test_heads_are_glorot_and_the_rest_he(name):
    torch.manual_seed(0)
    network = make_network(name, 1, 1, width=32, depth=2)
    heads = [network.head, *getattr(network, "auxiliary", [])]
    for module in network.modules():
        if not hasattr(module, "kernel_size") or not hasattr(module, "weight"):
            continue
        weight = module.weight.detach()
        fan_in = weight.shape[1] * math.prod(weight.shape[2:])
        fan_out = weight.shape[0] * math.prod(weight.shape[2:])
        if any(module is head for head in heads):
            limit = math.sqrt(6 / (fan_in + fan_out))
        else:
            limit = 2 * math.sqrt(2 / fan_in) / 0.87962566103423978
        assert weight.abs().max() <= limit * (1 + 1e-6)
        assert weight.abs().max() > 0.6 * limit
        if module.bias is not None:
            assert not module.bias.any()
