"""The tilings of the benchmark of membranes that reproduce older results."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sskseg import SemiSupervisedSegmenter
from sskseg.datasets import make_cells
from sskseg.nn import crop_center

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
from legacy_tilings import TILINGS, predict_legacy, restore_size

MARGIN = (6, 6)


def crop(x):
    """Return the input without the margin, as a network with valid padding would."""
    return crop_center(x, [size - 12 for size in x.shape[2:]])


@pytest.mark.parametrize("shape", [(40, 52), (31, 17), (5, 90), (1, 1), (12, 12)])
def test_averaging_an_identity_gives_the_image_back(shape):
    x = torch.randn(2, 3, *shape)
    assert torch.allclose(restore_size(crop, MARGIN, "average", (24, 24))(x), x, atol=1e-6, rtol=0)


def test_averaging_is_over_as_many_tiles_as_cover_the_image():
    sizes = []

    def forward(x):
        sizes.append(x.shape[2:])
        return torch.full_like(crop(x), len(sizes))

    result = restore_size(forward, MARGIN, "average", (24, 24))(torch.zeros(1, 1, 12, 20))
    assert sizes == [(24, 24)] * 2
    # starts 0 and 8 of 12 columns each: four columns are in two tiles
    assert result[0, 0, 0].tolist() == [1.0] * 8 + [1.5] * 4 + [2.0] * 8


def test_resizing_keeps_places_and_the_legacy_does_not():
    ramp = torch.linspace(0, 1, 80).expand(1, 1, 80, 80)
    resized = restore_size(crop, MARGIN, "resize", (32, 32))(ramp)
    assert (resized - ramp)[..., 8:-8].abs().max() < 0.02
    stretched = restore_size(crop, MARGIN, "legacy_resize", (32, 32))(ramp)
    # the middle 20 of 80 columns, stretched
    assert float(stretched[0, 0, 0, -1] - stretched[0, 0, 0, 0]) == pytest.approx(19 / 79, abs=0.01)


@pytest.mark.parametrize("tiling", TILINGS)
def test_tilings_differ_and_keep_the_size(tiling):
    X, y = make_cells(n_samples=2, shape=(48, 56), random_state=0)
    model = SemiSupervisedSegmenter(
        network="unet-valid", semi_supervision=None, width=4, depth=2, max_steps=12,
        patch_size=60, random_state=0,
    ).fit(X, y)  # fmt: skip
    exact, other = model.predict_proba(X), predict_legacy(model, X, tiling)
    assert other.shape == exact.shape
    assert not np.allclose(other, exact, atol=1e-3)
    assert other.min() >= 0
    assert other.max() <= 1
