"""A part of the output of a network, without the rest."""

import numpy as np
import pytest
import torch

from sskseg.nn import UNet, make_network, predict_part
from sskseg.nn.resampled import ResampledNetwork


def networks():
    torch.manual_seed(0)
    made = {
        "unet": UNet(1, 2, width=4, depth=3),
        "shuffle": make_network("unet-shuffle", 1, 2, width=4, depth=3),
        "lite": UNet(2, 1, width=4, depth=2, up_kernel=3),
        "resampled": ResampledNetwork(make_network("unet-shuffle", 1, 1, width=4, depth=2), 1.4),
        "flat volume": UNet(1, 1, width=4, depth=2, ndim=3, spacing=(3.0, 1.0, 1.0), shuffle=True),
        "dmcn": make_network("dmcn", 1, 1, width=4, depth=2),  # without a method of its own
    }
    for network in made.values():
        for parameter in network.parameters():
            parameter.data += 0.05 * torch.randn_like(parameter)
    return {name: network.eval() for name, network in made.items()}


NETWORKS = networks()


@pytest.mark.parametrize("name", NETWORKS)
def test_a_part_is_that_of_the_whole(name):
    network, rng = NETWORKS[name], np.random.default_rng(0)
    shape = (7, 83, 70) if "volume" in name else (211, 190)
    x = torch.randn(1, 2 if name == "lite" else 1, *shape)
    with torch.inference_mode():
        whole = network(x)
        for _ in range(8):
            ends = [np.sort(rng.choice(size + 1, 2, replace=False)).tolist() for size in shape]
            part = tuple(slice(*pair) for pair in ends)
            found = predict_part(network, x, part)
            # Torch rounds differently where it computes few pixels by another algorithm.
            torch.testing.assert_close(found, whole[(..., *part)], rtol=0, atol=1e-5)
        everything = tuple(slice(0, size) for size in shape)
        assert torch.equal(predict_part(network, x, everything), whole)


def test_a_large_part_has_the_bits_of_the_whole():
    torch.manual_seed(0)
    network = make_network("unet-shuffle", 1, 2, width=16, depth=2).eval()
    x, part = torch.randn(1, 1, 640, 608), (slice(64, 512), slice(32, 608))
    with torch.inference_mode():
        assert torch.equal(predict_part(network, x, part), network(x)[(..., *part)])


def test_the_decoder_computes_the_part_alone():
    network, sizes = NETWORKS["shuffle"], []
    hook = network.decoder[-1].register_forward_hook(lambda *call: sizes.append(call[-1].shape[2:]))
    with torch.inference_mode():
        predict_part(network, torch.randn(1, 1, 256, 256), (slice(64, 128), slice(100, 256)))
    hook.remove()
    # At half the resolution, and 2 pixels around where the image continues.
    assert sizes == [(32 + 4, 78 + 2)]


class Shifted(UNet):
    """Changes what is computed, and not how of a part."""

    def forward(self, x):
        return super().forward(x) + 5


class Wrapper(torch.nn.Module):
    """Hands on the attributes of another network."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.network, name)

    def forward(self, x):
        return -self.network(x)


@pytest.mark.parametrize("kind", ["subclass", "wrapper"])
def test_parts_are_those_of_the_network_that_is_given(kind):
    torch.manual_seed(0)
    plain = {"width": 4, "depth": 1}
    network = Shifted(1, 1, **plain) if kind == "subclass" else Wrapper(UNet(1, 1, **plain))
    x, part = torch.randn(1, 1, 64, 64), (slice(8, 40), slice(24, 64))
    with torch.inference_mode():
        whole = network.eval()(x)
        found = predict_part(network, x, part)
    torch.testing.assert_close(found, whole[(..., *part)], atol=1e-5, rtol=0)
