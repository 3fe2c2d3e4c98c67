"""`ResampledNetwork`: another magnification, with the result of the whole image in tiles."""

import numpy as np
import pytest
import torch

from sskseg import SemiSupervisedSegmenter
from sskseg.inference import DensePredictor, tile_settings
from sskseg.inference.tiling import TileSettings
from sskseg.nn import make_network
from sskseg.nn.resampled import ResampledNetwork


def network(depth=2, seed=0):
    torch.manual_seed(seed)
    made = make_network("unet-shuffle", 1, 1, 4, depth).eval()
    for parameter in made.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return made


class Identity(torch.nn.Module):
    stride, reach = (8, 8), (0, 0)

    def forward(self, x):
        return x


@pytest.mark.parametrize("factor", [0.4, 0.66, 0.9, 1.5, 2.0, 3.0])
def test_a_smooth_image_returns(factor):
    y, x = np.mgrid[:120, :90] / 20
    image = torch.from_numpy(np.sin(y) + np.cos(x)).float()[None, None]
    resampled = ResampledNetwork(Identity(), factor)
    assert resampled.stride[0] % 4 == 0
    returned = resampled(image)
    assert returned.shape == image.shape
    assert (returned - image)[..., 12:-12, 12:-12].abs().max() < 0.06


@pytest.mark.parametrize("stride", [1, 4, 8, 12, 32, 64])
@pytest.mark.parametrize("factor", [0.4, 0.8, 1.2, 1.7, 2.3, 3.0])
def test_the_magnification_is_close_whatever_the_stride(stride, factor):
    seen = []

    class Record(Identity):
        def forward(self, x):
            seen.append(x)
            return x

    Record.stride = (stride, stride)
    resampled = ResampledNetwork(Record(), factor)
    side = 3 * resampled.stride[0]
    resampled(torch.zeros(1, 1, side, side))
    assert 1 / 1.17 < seen[0].shape[-1] / side / factor < 1.17
    assert seen[0].shape[-1] % stride == 0


def test_objects_are_seen_at_the_other_size():
    seen = []

    class Record(Identity):
        stride = (32, 32)

        def forward(self, x):
            seen.append(x)
            return x

    image = torch.zeros(1, 1, 128, 128)
    image[..., 48:80, 48:80] = 1
    ResampledNetwork(Record(), 0.5)(image)
    assert seen[0].shape == (1, 1, 64, 64)
    assert seen[0].sum() == pytest.approx(16 * 16, rel=0.02)
    ResampledNetwork(Record(), 1.0)(image)
    assert torch.equal(seen[1], image)


@pytest.mark.parametrize("factor", [0.5, 0.7, 1.3, 2.1])
def test_tiles_give_the_whole_to_the_bit(factor):
    resampled = ResampledNetwork(network(), factor).eval()
    image = np.random.default_rng(0).random((257, 311, 1), np.float32)
    stride, reach = resampled.stride, resampled.reach
    halo = tuple(-(-r // s) * s for r, s in zip(reach, stride, strict=True))
    tile = tuple(2 * h + 2 * s for h, s in zip(halo, stride, strict=True))

    def predicted(settings):
        predictor = DensePredictor(resampled, activate, None, settings)
        return next(iter(predictor.predict([image])))

    activate = SemiSupervisedSegmenter()._objective().activate
    whole = predicted(TileSettings((4096, 4096), halo, stride))
    np.testing.assert_array_equal(predicted(TileSettings(tile, halo, stride)), whole)
    assert whole.std() > 1e-3


def test_the_reach_is_not_exceeded():
    resampled = ResampledNetwork(network(), 0.6).eval()
    image = torch.rand(1, 1, 480, 480)
    changed = image.clone()
    changed[..., 240, 240] += 5
    with torch.no_grad():
        difference = (resampled(changed) - resampled(image)).abs()[0, 0].amax(0)
    first, last = difference.nonzero().flatten()[[0, -1]].tolist()
    assert 240 - first <= resampled.reach[0] + resampled.stride[0]
    assert last - 240 <= resampled.reach[0] + resampled.stride[0]


def test_it_has_tiles_of_its_own():
    settings = tile_settings(ResampledNetwork(network(depth=4), 0.6), 2)
    assert settings.stride == (52, 52)
    assert all(halo % 52 == 0 for halo in settings.halo)
