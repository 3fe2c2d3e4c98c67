import numpy as np
import pytest
import torch

from sskseg.nn import UNet, count_parameters, fold_batch_norm, make_network


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("name", ["unet", "unet-shuffle"])
def test_any_size_goes_in_and_comes_out(name, ndim):
    network = make_network(name, 3, 2, width=2, depth=2, ndim=ndim).eval()
    for size in [(9, 13, 17)[:ndim], (16, 16, 16)[:ndim], (1, 1, 1)[:ndim]]:
        assert network(torch.zeros(1, 3, *size)).shape == (1, 2, *size)


@pytest.mark.parametrize(
    ("ndim", "shuffle", "depth"),
    [(2, False, 1), (2, False, 3), (2, True, 1), (2, True, 2), (3, False, 1), (3, True, 1)],
)
def test_reach_is_how_far_a_pixel_is_seen(ndim, shuffle, depth):
    network = UNet(1, 1, width=2, depth=depth, ndim=ndim, shuffle=shuffle).eval()
    shape = [2 * reach + 3 * stride for reach, stride in zip(network.reach, network.stride)]
    shape = [-(-size // stride) * stride for size, stride in zip(shape, network.stride)]
    start = [size // 2 // stride * stride for size, stride in zip(shape, network.stride)]
    x = torch.zeros(1, 1, *shape)
    # NaN in one aligned block spreads to whatever looks at it.
    x[(0, 0, *(slice(a, a + s) for a, s in zip(start, network.stride)))] = float("nan")
    seen = torch.isnan(network(x))[0, 0]
    for axis, reach in enumerate(network.reach):
        others = [a for a in range(ndim) if a != axis]
        at = torch.nonzero(seen.any(others[-1]).any(others[0]) if ndim == 3 else seen.any(*others))
        assert start[axis] - int(at.min()) <= reach
        assert int(at.max()) - (start[axis] + network.stride[axis] - 1) <= reach
        assert start[axis] - int(at.min()) > reach - network.stride[axis]


def test_classic_parameter_count():
    # 31,030,593 with biases and without batch norm; batch norm has two weights for each bias.
    network = make_network("unet", 1, 1, width=64, depth=4)
    normalized = sum(m.num_features for m in network.modules() if hasattr(m, "num_features"))
    assert count_parameters(network) - normalized == 31_030_593


@pytest.mark.parametrize("name", ["unet", "unet-shuffle"])
def test_folding_batch_norm_changes_nothing(name):
    torch.manual_seed(0)
    network = make_network(name, 1, 1, width=4, depth=2)
    for _ in range(3):
        network(torch.randn(2, 1, 32, 32))  # gives batch norm statistics
    x = torch.randn(1, 1, 24, 40)
    folded = fold_batch_norm(network)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    assert network.training
    assert torch.allclose(folded(x), network.eval()(x), atol=1e-4)


def test_unknown_network_is_refused_and_callables_are_taken():
    with pytest.raises(ValueError, match="got 'vnet'"):
        make_network("vnet", 1, 1)
    made = make_network(lambda i, o, **kw: torch.nn.Conv2d(i, o, kw["width"]), 1, 2, 3, 4)
    assert made.weight.shape == (2, 1, 3, 3)


def test_shuffling_keeps_pixels_in_place():
    network = UNet(1, 1, width=1, depth=1, shuffle=True).eval()
    x = torch.randn(1, 1, 8, 8)
    network.features = lambda y: y  # the head alone, as the identity on the four sub-pixels
    network.head = torch.nn.Identity()
    from sskseg.nn.unet import _space_to_depth

    network.features = lambda y: _space_to_depth(y, (2, 2))
    assert np.array_equal(network(x), x)
