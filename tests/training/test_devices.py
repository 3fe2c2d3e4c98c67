import copy
import gc
import weakref

import pytest
import torch

from sskseg.nn import make_network
from sskseg.training import inference_copy

CPU = torch.device("cpu")


def ready(network, dtype=torch.float32):
    return inference_copy(network, CPU, dtype, 2)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return make_network("unet-shuffle", 1, 1, width=4, depth=1)


def test_a_network_is_copied_once(network):
    assert ready(network) is ready(network)
    assert ready(network) is not ready(copy.deepcopy(network))


def test_another_dtype_is_another_copy(network):
    ready(network)
    assert next(ready(network, torch.bfloat16).parameters()).dtype == torch.bfloat16
    assert next(ready(network).parameters()).dtype == torch.float32


# Fused optimizers and batch normalization do not raise the version of the tensors they change.
def _train(network):
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    network(torch.ones(1, 1, 16, 16)).sum().backward()
    optimizer.step()


def _see_an_image(network):
    network.train()(torch.ones(2, 1, 16, 16))


def _assign(network):
    next(network.parameters()).data = torch.zeros_like(next(network.parameters()))


def _replace_a_layer(network):
    parent = next(m for m in network.modules() if isinstance(m, torch.nn.Sequential))
    i = next(i for i, layer in enumerate(parent) if isinstance(layer, torch.nn.ReLU))
    parent[i] = torch.nn.Tanh()


@pytest.mark.parametrize("change", [_train, _see_an_image, _assign, _replace_a_layer])
def test_changed_weights_are_copied_again(network, change):
    x = torch.randn(1, 1, 16, 16)
    with torch.no_grad():
        before = ready(network)(x)
    change(network)
    with torch.no_grad():
        found, expected = ready(network)(x), network.eval()(x)
    assert torch.allclose(found, expected, atol=1e-5)
    assert not torch.allclose(found, before, atol=1e-5)


def test_hooks_are_called(network):
    ready(network)
    calls = []
    network.register_forward_hook(lambda *_: calls.append(1))
    ready(network)(torch.zeros(1, 1, 16, 16))
    assert calls == [1]


class Gain(torch.nn.Conv2d):
    gain = 1.0

    def forward(self, x):
        return self.gain * super().forward(x)


def test_networks_of_a_user_are_copied_each_time():
    network = Gain(1, 1, 1)
    x = torch.ones(1, 1, 4, 4)
    before = ready(network)(x)
    network.gain = 5.0
    assert torch.equal(ready(network)(x), 5 * before)


def test_a_copy_does_not_outlive_its_network():
    network = make_network("unet-shuffle", 1, 1, width=4, depth=1)
    copied = weakref.ref(ready(network))
    assert copied() is not None
    del network
    gc.collect()
    assert copied() is None


@pytest.mark.parametrize(
    "layer",
    [
        torch.nn.Conv2d(1, 3, 3, padding=1),
        torch.nn.Conv2d(8, 4, 3),
        torch.nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=2, bias=False),
        torch.nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        torch.nn.Conv2d(4, 4, 3, padding="same"),
        torch.nn.Conv2d(4, 3, 1),
    ],
    ids=repr,
)
def test_small_inputs_have_the_bits_of_large_ones(layer):
    x = torch.rand(1, layer.in_channels, 200, 200, generator=torch.Generator().manual_seed(0))
    copy = inference_copy(torch.nn.Sequential(layer), CPU, torch.float32, 2)
    inside = (..., slice(2, 26), slice(2, 26))
    with torch.inference_mode():
        whole, part = copy(x), copy(x[..., :30, :30])
        assert torch.equal(part[inside], whole[inside])
        assert torch.equal(copy(x[0]), whole[0])  # without a batch


def test_layers_take_what_torchs_take():
    layer = torch.nn.ConvTranspose2d(1, 1, 2, stride=2)
    copy = inference_copy(layer, CPU, torch.float32, 2)
    x = torch.ones(1, 1, 4, 4)
    with torch.inference_mode():
        found = copy(x, output_size=[9, 9])
        assert torch.allclose(found, layer(x, output_size=[9, 9]))
