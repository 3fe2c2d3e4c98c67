import numpy as np
import pytest
import torch

from sskseg.inference import TILINGS, TileSettings, predict_images, restore_size
from sskseg.nn import crop_center, make_network

CPU = torch.device("cpu")


class Identity:
    """Gives its input without the margin, as a network with valid padding would."""

    margin = (6, 6)

    def valid_input_size(self, size):
        return max(16, -(-size // 4) * 4)

    def __call__(self, x):
        assert all(size == self.valid_input_size(size) for size in x.shape[2:])
        return crop_center(x, [size - 12 for size in x.shape[2:]])


SHAPES = [(40, 52), (31, 17), (5, 90), (1, 1), (12, 12)]


@pytest.mark.parametrize("tiling", ["overlap-tile", "average"])
@pytest.mark.parametrize("shape", SHAPES)
def test_an_identity_gives_the_image_back(tiling, shape):
    network = Identity()
    x = torch.randn(2, 3, *shape)
    result = restore_size(network, network, tiling, (24, 24))(x)
    assert torch.allclose(result, x, atol=1e-6, rtol=0)


@pytest.mark.parametrize("tiling", TILINGS)
@pytest.mark.parametrize("shape", SHAPES)
def test_any_size_goes_in_and_comes_out(tiling, shape):
    network = make_network("unet-valid", 1, 2, width=2, depth=2).eval()
    forward = restore_size(network, network, tiling, (network.valid_input_size(60),) * 2)
    with torch.no_grad():
        assert forward(torch.randn(1, 1, *shape)).shape == (1, 2, *shape)


def test_resizing_keeps_places_and_the_legacy_does_not():
    network = Identity()
    ramp = torch.linspace(0, 1, 80).expand(1, 1, 80, 80)
    resized = restore_size(network, network, "resize", (32, 32))(ramp)
    assert (resized - ramp)[..., 8:-8].abs().max() < 0.02
    stretched = restore_size(network, network, "legacy_resize", (32, 32))(ramp)
    # the middle 20 of 80 columns, drawn out
    assert float(stretched[0, 0, 0, -1] - stretched[0, 0, 0, 0]) == pytest.approx(19 / 79, abs=0.01)


def test_averaging_is_over_as_many_tiles_as_cover_the_image():
    network, seen = Identity(), []

    def forward(x):
        seen.append(x.shape[2:])
        return torch.full_like(network(x), len(seen))

    result = restore_size(forward, network, "average", (24, 24))(torch.zeros(1, 1, 12, 20))
    assert seen == [(24, 24)] * 2
    # starts 0 and 8 of 12 columns each: four columns are seen twice
    assert result[0, 0, 0].tolist() == [1.0] * 8 + [1.5] * 4 + [2.0] * 8


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_overlapping_tiles_equal_the_whole_image(depth):
    torch.manual_seed(0)
    network = make_network("unet-valid", 1, 1, width=4, depth=depth).eval()
    forward = restore_size(network, network, "overlap-tile", None)
    image = torch.randn(1, 203, 170)

    def run(tile):
        halo = tuple(-(-r // s) * s for r, s in zip(network.reach, network.stride))
        settings = TileSettings((tile, tile), halo, network.stride)
        return next(predict_images(forward, [image], settings, device=CPU, dtype=torch.float32))

    assert np.abs(run(512) - run(136)).max() < 1e-5
    # the whole image in one: what the paper's tiles of any legal size give where poolings agree
    with torch.no_grad():
        middle = network(
            image[None, :, : network.valid_input_size(150), : network.valid_input_size(150)]
        )
    margin = network.margin[0]
    if margin % 2**depth == 0:
        whole = run(512)[0, margin : margin + middle.shape[2], margin : margin + middle.shape[3]]
        assert np.abs(whole - middle[0, 0].numpy()).max() < 1e-5
