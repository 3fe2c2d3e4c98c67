import numpy as np
import pytest
import torch

from sskseg.inference import TileSettings, pad_to_valid, predict_images
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


@pytest.mark.parametrize("shape", SHAPES)
def test_an_identity_gives_the_image_back(shape):
    network = Identity()
    x = torch.randn(2, 3, *shape)
    assert torch.allclose(pad_to_valid(network, network)(x), x, atol=1e-6, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_any_size_goes_in_and_comes_out(shape):
    network = make_network("unet-valid", 1, 2, width=2, depth=2).eval()
    forward = pad_to_valid(network, network)
    with torch.no_grad():
        assert forward(torch.randn(1, 1, *shape)).shape == (1, 2, *shape)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_overlapping_tiles_equal_the_whole_image(depth):
    torch.manual_seed(0)
    network = make_network("unet-valid", 1, 1, width=4, depth=depth).eval()
    forward = pad_to_valid(network, network)
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
