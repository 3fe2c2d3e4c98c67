import numpy as np
import pytest
import torch

from sskseg.inference import (
    TileSettings,
    covers_reach,
    dihedral_mean,
    predict_images,
    round_up,
    tile_settings,
)
from sskseg.inference.tiling import plan_tiles
from sskseg.nn import make_network
from sskseg.training import inference_copy

CPU = torch.device("cpu")


def run(forward, images, settings):
    images = [torch.from_numpy(image) for image in images]
    outputs = predict_images(forward, images, settings, device=CPU, dtype=torch.float32)
    return list(outputs)


@pytest.mark.parametrize("shape", [(30, 41), (16, 16), (7, 90), (13, 20, 9)])
def test_identity_network_returns_the_image(shape):
    ndim = len(shape)
    image = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    settings = TileSettings((16,) * ndim, (4,) * ndim, (2,) * ndim)
    (result,) = run(lambda x: x, [image], settings)
    tolerance = 0
    assert np.allclose(result, image, atol=tolerance, rtol=0)


@pytest.mark.parametrize("shape", [(50, 33), (17, 5), (64, 64)])
def test_tiles_write_each_pixel_once_and_start_at_the_stride(shape):
    settings = TileSettings((24, 24), (5, 5), (4, 4))
    written = np.zeros(shape, int)
    for tile in plan_tiles(shape, settings):
        written[tile.write] += 1
        assert all(part.start % 4 == 0 for part in tile.read)
        assert all(side <= 24 + 8 for side in tile.shape)
        assert tuple(s.stop - s.start for s in tile.inner) == tuple(
            s.stop - s.start for s in tile.write
        )
    assert (written == 1).all()


@pytest.mark.parametrize("name", ["unet", "unet-shuffle"])
def test_tiles_equal_the_whole_image(name):
    torch.manual_seed(0)
    network = inference_copy(make_network(name, 1, 2, width=4, depth=2), CPU, torch.float32, 2)
    image = np.random.default_rng(0).normal(size=(1, 203, 170)).astype(np.float32)
    (whole,) = run(network, [image], TileSettings((512, 512), network.reach, network.stride))
    (tiled,) = run(network, [image], TileSettings((128, 128), network.reach, network.stride))
    assert np.abs(whole - tiled).max() < 1e-5
    (seams,) = run(network, [image], TileSettings((128, 128), (8, 8), network.stride))
    assert np.abs(whole - seams).max() > 1e-4  # the halo is what makes them equal


@pytest.mark.parametrize(("ndim", "covered"), [(2, True), (3, False)])
def test_tiles_overlap_by_the_reach_of_the_default_network_in_2d_alone(ndim, covered):
    network = make_network("unet-shuffle", 1, 1, ndim=ndim)
    settings = tile_settings(network, ndim)
    assert covers_reach(settings.halo, network) == covered
    assert all(8 * h <= t + 8 * s for h, t, s in zip(settings.halo, settings.tile, network.stride))


def test_images_of_one_size_are_batched():
    sizes = []

    def forward(x):
        sizes.append(len(x))
        return x

    images = [np.full((1, 8, 8), i, np.float32) for i in range(5)]
    settings = TileSettings((16, 16), (0, 0), (1, 1), batch_pixels=128)
    results = run(forward, images, settings)
    assert sizes == [2, 2, 1]
    assert [r.mean() for r in results] == [0, 1, 2, 3, 4]


def test_out_of_memory_shrinks_batches_then_tiles_with_the_same_result():
    torch.manual_seed(0)
    network = inference_copy(make_network("unet", 1, 1, width=4, depth=1), CPU, torch.float32, 2)
    pixels = []

    def small_memory(x):
        if x[:, 0].numel() > 64 * 64:
            raise torch.OutOfMemoryError("too large")
        pixels.append(x[:, 0].numel())
        return network(x)

    rng = np.random.default_rng(0)
    images = [rng.normal(size=(1, 96, 96)).astype(np.float32) for _ in range(3)]
    settings = TileSettings((128, 128), network.reach, network.stride)
    expected = run(network, images, settings)
    results = run(small_memory, images, settings)
    assert max(np.abs(a - b).max() for a, b in zip(expected, results, strict=True)) < 1e-5
    assert max(pixels) <= 64 * 64


def test_hopeless_memory_is_an_error():
    def none_at_all(x):
        raise torch.OutOfMemoryError("too large")

    settings = TileSettings((64, 64), (16, 16), (4, 4))
    with pytest.raises(torch.OutOfMemoryError, match="Use a smaller network or the CPU"):
        run(none_at_all, [np.zeros((1, 64, 64), np.float32)], settings)


@pytest.mark.parametrize("shape", [(12, 20), (4, 6, 10)])
def test_dihedral_mean_of_an_equivariant_map_is_the_map(shape):
    x = torch.randn(2, 1, *shape)
    mean = dihedral_mean(lambda v: v.square(), (1,) * len(shape))
    assert torch.allclose(mean(x), x.square(), atol=1e-6)


def test_dihedral_mean_is_equivariant():
    torch.manual_seed(0)
    mean = dihedral_mean(make_network("unet", 1, 1, width=2, depth=1).eval(), (2, 2))
    x = torch.randn(1, 1, 16, 16)
    with torch.no_grad():
        assert torch.allclose(mean(x.transpose(-1, -2)), mean(x).transpose(-1, -2), atol=1e-5)
        assert torch.allclose(mean(x.flip(2)), mean(x).flip(2), atol=1e-5)


@pytest.mark.parametrize("network", ["unet", "unet-shuffle", "dmcn"])
def test_views_of_a_part_are_those_of_the_whole(network):
    torch.manual_seed(0)
    module = make_network(network, 1, 1, width=2, depth=2).eval()
    mean = dihedral_mean(module, module.stride)
    (step, _), (reach, _) = module.stride, module.reach
    start = round_up(reach + 3, step)
    x = torch.randn(1, 1, 32, start + round_up(reach, step) + 5 * step + 3)
    with torch.no_grad():
        whole, part = mean(x), mean(x[..., start:])
    assert torch.allclose(whole[..., start + round_up(reach, step) :],
                          part[..., round_up(reach, step) :], atol=1e-5)  # fmt: skip
