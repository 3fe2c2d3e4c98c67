import numpy as np
import pytest
import torch

from sskseg import SemiSupervisedSegmenter
from sskseg.nn import DMCN, NETWORKS, UNet, count_parameters, fold_batch_norm, make_network
from sskseg.nn._layers import conv_relu

SAME_SIZE = ["unet", "unet-shuffle", "unet-lite", "dmcn"]


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("name", SAME_SIZE)
def test_any_size_is_accepted(name, ndim):
    network = make_network(name, 3, 2, width=2, depth=2, ndim=ndim).eval()
    for size in [(9, 13, 17)[:ndim], (16, 16, 16)[:ndim], (1, 1, 1)[:ndim]]:
        assert network(torch.zeros(1, 3, *size)).shape == (1, 2, *size)


def seen_from_one_block(network, forward, ndim):
    """How far NaN in one aligned block spreads, each way of each axis; and the shape."""
    shape = [2 * reach + 3 * stride for reach, stride in zip(network.reach, network.stride)]
    shape = [-(-size // stride) * stride for size, stride in zip(shape, network.stride)]
    start = [size // 2 // stride * stride for size, stride in zip(shape, network.stride)]
    x = torch.zeros(1, 1, *shape)
    x[(0, 0, *(slice(a, a + s) for a, s in zip(start, network.stride)))] = float("nan")
    seen = torch.isnan(forward(x))[0, 0]
    for axis in range(ndim):
        others = [a for a in range(ndim) if a != axis]
        at = torch.nonzero(seen.any(others[-1]).any(others[0]) if ndim == 3 else seen.any(*others))
        yield (
            start[axis] - int(at.min()),
            int(at.max()) - (start[axis] + network.stride[axis] - 1),
        )


@pytest.mark.parametrize(
    ("ndim", "depth", "options"),
    [
        (2, 1, {}),
        (2, 3, {}),
        (2, 1, {"shuffle": True}),
        (2, 2, {"shuffle": True}),
        (2, 2, {"up_kernel": 3}),
        (3, 1, {}),
        (3, 1, {"shuffle": True}),
        (3, 2, {"spacing": (2, 1, 1)}),
        (3, 2, {"spacing": (4, 1, 1), "shuffle": True}),
        (3, 2, {"spacing": (4, 1, 1), "up_kernel": 3}),
    ],
)
def test_reach_is_the_receptive_field_radius(ndim, depth, options):
    network = UNet(1, 1, width=2, depth=depth, ndim=ndim, **options).eval()
    ways = seen_from_one_block(network, network, ndim)
    for (before, after), reach, stride in zip(ways, network.reach, network.stride):
        assert max(before, after) <= reach
        # tight: up to one block, and the one-sided kernel of three's other side
        assert before > reach - (2 if options.get("up_kernel") == 3 else 1) * stride


@pytest.mark.parametrize(
    ("spacing", "stride", "shuffled"),
    [
        (None, (8, 8, 8), (8, 16, 16)),
        ((1, 1, 1), (8, 8, 8), (8, 16, 16)),
        ((1.2, 1, 1), (8, 8, 8), (8, 16, 16)),
        ((0.25, 1, 1), (8, 8, 8), (8, 16, 16)),
        ((2, 1, 1), (4, 8, 8), (8, 16, 16)),
        ((0.3, 0.08, 0.08), (2, 8, 8), (4, 16, 16)),
        ((50, 1, 1), (1, 8, 8), (1, 16, 16)),
    ],
)
def test_coarse_volumes_are_pooled_along_z_once_voxels_are_about_cubic(spacing, stride, shuffled):
    for name, expected in (("unet", stride), ("unet-lite", stride), ("unet-shuffle", shuffled)):
        network = make_network(name, 1, 1, width=2, depth=3, ndim=3, spacing=spacing).eval()
        assert network.stride == expected
        assert network(torch.zeros(1, 1, 5, 20, 18)).shape == (1, 1, 5, 20, 18)
    torch.manual_seed(0)
    known = UNet(1, 1, width=2, depth=2, ndim=2, spacing=(1, 1))
    torch.manual_seed(0)
    unknown = UNet(1, 1, width=2, depth=2, ndim=2)
    x = torch.rand(1, 1, 16, 16)
    assert torch.equal(known(x), unknown(x))


def test_valid_padding_pools_along_all_axes():
    with pytest.raises(ValueError, match=r"'valid' without shuffle and spacing, got"):
        UNet(1, 1, width=2, depth=1, ndim=3, padding="valid", spacing=(2, 1, 1))
    for name in ("unet-valid", "dmcn"):
        network = make_network(name, 1, 1, width=4, depth=1, ndim=3, spacing=(9, 1, 1))
        assert network.stride == (2, 2, 2)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_reach_of_valid_padding(depth):
    from sskseg.inference import pad_to_valid

    network = make_network("unet-valid", 1, 1, width=2, depth=depth).eval()
    forward = pad_to_valid(network, network)
    for (before, after), reach in zip(seen_from_one_block(network, forward, 2), network.reach):
        assert max(before, after) <= reach
        assert max(before, after) > reach - 2 * 2**depth


@pytest.mark.parametrize("depth", [1, 3])
def test_reach_of_the_contextual_network(depth):
    network = make_network("dmcn", 1, 1, width=4, depth=depth).eval()
    for (before, after), reach in zip(seen_from_one_block(network, network, 2), network.reach):
        assert max(before, after) <= reach
        assert max(before, after) > reach - 2 * 2**depth


def test_published_parameter_count():
    # 31,030,593 with biases and without batch norm; batch norm has two weights for each bias.
    with torch.device("meta"):  # shapes only
        network = make_network("unet", 1, 1, width=64, depth=4)
        normalized = sum(m.num_features for m in network.modules() if hasattr(m, "num_features"))
        assert count_parameters(network) - normalized == 31_030_593
        # By default of the published width and depth
        assert count_parameters(make_network("unet-valid", 1, 1)) == 31_030_593
        assert count_parameters(make_network("unet-valid", 1, 2)) == 31_030_658
        assert count_parameters(make_network("unet-lite", 1, 1)) == 8_629_921
        assert count_parameters(make_network("dmcn", 1, 1)) == 7_741_620
        assert count_parameters(DMCN(1, 1, width=64, post_conv=False)) == 7_734_660


@pytest.mark.parametrize("name", NETWORKS)
def test_estimators_and_make_network_have_one_default_size(name):
    segmenter = SemiSupervisedSegmenter(name)
    segmenter.n_channels_, segmenter.spatial_ndim_ = 1, 2
    segmenter.architecture_ = segmenter.spacing_ = None
    n_outputs = segmenter._objective().n_outputs
    with torch.device("meta"):  # shapes only
        ours = segmenter._make_module("network_")
        assert count_parameters(ours) == count_parameters(make_network(name, 1, n_outputs))


def layers(network, kind):
    return [m for m in network.modules() if isinstance(m, kind)]


def test_layers_are_the_published_ones():
    convs, ups = torch.nn.Conv2d, torch.nn.ConvTranspose2d
    for name in ("unet", "unet-valid", "unet-lite"):
        network = make_network(name, 1, 1, width=2, depth=4)
        assert len(layers(network, convs)) + len(layers(network, ups)) == 23
        assert len(layers(network, ups)) == 4
    network = make_network("dmcn", 1, 1, width=4, depth=3)
    heads = [network.head, *network.auxiliary]
    assert len(layers(network, convs)) - len(heads) == 16
    assert len(layers(network, ups)) == len(network.auxiliary) == 3
    assert network.head.in_channels == 3


@pytest.mark.parametrize(
    ("depth", "legal"), [(4, {572: 388, 188: 4, 252: 68, 524: 340}), (3, {252: 164}), (1, {18: 2})]
)
def test_valid_padding_takes_legal_sizes(depth, legal):
    network = make_network("unet-valid", 1, 1, width=1, depth=depth).eval()
    for size, outputs in legal.items():
        smallest = network.valid_input_size(1)
        with torch.no_grad():
            assert network(torch.zeros(1, 1, size, smallest)).shape[2] == outputs
        assert outputs == size - 2 * network.margin[0]
    for size in range(1, 700):
        up = network.valid_input_size(size)
        assert up >= size
        assert network.valid_input_size(up) == up


@pytest.mark.parametrize(
    ("size", "nearest"), [(512, "508 and 524"), (571, "556 and 572"), (100, "188")]
)
def test_illegal_sizes_name_the_nearest_legal(size, nearest):
    network = make_network("unet-valid", 1, 1, width=1, depth=4)
    with pytest.raises(ValueError, match=rf"12 modulo 16 .* got {size}; the nearest.*: {nearest}"):
        network(torch.zeros(1, 1, size, 572))


def test_valid_padding_is_not_for_shuffling():
    with pytest.raises(ValueError, match="padding='valid', shuffle=True"):
        UNet(1, 1, padding="valid", shuffle=True)
    with pytest.raises(ValueError, match="padding='full'"):
        UNet(1, 1, padding="full")


def test_auxiliary_heads_are_used_in_training_only():
    network = make_network("dmcn", 2, 3, width=4, depth=2)
    x = torch.randn(1, 2, 13, 20)
    assert [out.shape for out in network(x)] == [(1, 3, 13, 20)] * 3
    assert network.eval()(x).shape == (1, 3, 13, 20)


@pytest.mark.parametrize("name", [*SAME_SIZE, "unet-valid"])
def test_every_parameter_is_trained(name):
    torch.manual_seed(0)
    network = make_network(name, 1, 1, width=16, depth=2)
    outputs = network(torch.randn(4, 1, 52, 52))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    sum(out.square().mean() for out in outputs).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


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


def test_shared_convolutions_are_folded_with_each_normalization():
    torch.manual_seed(0)
    convolution = torch.nn.Conv2d(2, 2, 3, padding=1)
    parts = [torch.nn.Sequential(convolution, torch.nn.BatchNorm2d(2)) for _ in range(2)]
    network = torch.nn.Sequential(*parts)
    for _ in range(3):
        network(torch.randn(2, 2, 8, 8))
    x, folded = torch.randn(1, 2, 8, 8), fold_batch_norm(network)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    assert torch.allclose(folded(x), network.eval()(x), atol=1e-4)


def test_normalization_without_statistics_stays():
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2, track_running_stats=False)
    ).eval()
    x = torch.randn(1, 1, 8, 8)
    assert torch.equal(fold_batch_norm(network)(x), network(x))


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_gradients_in_mixed_precision_are_those_of_float32(name):
    torch.manual_seed(0)
    network = make_network(name, 1, 1, width=16, depth=3).eval()  # without dropout
    size = 116 if name == "unet-valid" else 64
    x = torch.randn(2, 1, size, size)
    gradients = []
    for mixed in (False, True):
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            output = network(x)
        target = torch.linspace(-1, 1, output.shape[-1])
        (output.float() - target).square().mean().backward()
        gradients.append([p.grad.flatten().clone() for p in network.parameters()
                          if p.grad is not None])  # fmt: skip
    for exact, mixed in zip(*gradients, strict=True):
        if len(exact) > 8:
            assert torch.cosine_similarity(exact, mixed, dim=0) > 0.9


def test_unknown_network_is_refused_and_callables_are_taken():
    with pytest.raises(ValueError, match="got 'vnet'"):
        make_network("vnet", 1, 1)
    made = make_network(lambda i, o, **kw: torch.nn.Conv2d(i, o, kw["width"]), 1, 2, 3, 4)
    assert made.weight.shape == (2, 1, 3, 3)
    module = torch.nn.Conv2d(1, 2, 3)
    copied = make_network(module, 1, 2)
    assert copied is not module
    assert torch.equal(copied.weight, module.weight)


def test_shuffling_keeps_pixels_in_place():
    network = UNet(1, 1, width=1, depth=1, shuffle=True).eval()
    x = torch.randn(1, 1, 8, 8)
    network.features = lambda y: y  # the head alone, as the identity on the four sub-pixels
    network.head = torch.nn.Identity()
    from sskseg.nn.unet import _space_to_depth

    network.features = lambda y: _space_to_depth(y, (2, 2))
    assert np.array_equal(network(x), x)


@pytest.mark.parametrize("planes", [1, 2, 3, 4])
def test_gradients_of_few_planes_are_right_in_mixed_precision(planes):
    """Of two planes torch takes those of bfloat16 from memory that was never written."""
    torch.manual_seed(0)
    conv, _ = conv_relu(16, 16, 3)
    x, target = torch.randn(2, 2, 16, planes, 6, 6)
    gradients = []
    for mixed in (False, True, True, True):
        waste = [torch.full((16, 16, 3, 3, 3), 1e13) for _ in range(20)]
        del waste
        conv.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            out = conv(x)
        (out.float() * target).sum().backward()
        gradients.append(conv.weight.grad.clone())
    error = max((g - gradients[0]).abs().max() for g in gradients[1:])
    assert error < 0.02 * gradients[0].abs().max()
