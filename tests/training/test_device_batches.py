"""Patches that are warped on the device, here the CPU, are those that are warped on the CPU."""

import numpy as np
import pytest
import torch

from sskseg import SemiSupervisedSegmenter
from sskseg.datasets import make_cells
from sskseg.images import PatchSampler, section_indices
from sskseg.images.augmentation import Augmentation, coordinates, sample_geometry
from sskseg.morphology import normalized_distance, weight_map
from sskseg.segmentation import _training
from sskseg.training import DeviceBatches, PatchBatches, batches_on
from sskseg.training.device_batches import batched_coordinates

CPU = torch.device("cpu")


def cells(n, shape, dtype=np.uint8):
    X, y = make_cells(n, shape, random_state=0)
    return (200 * X).astype(dtype)[..., None], y


def batches(kind, X, y, shape, *, context=0, weigh=None, targets=None, offset=None, **changes):
    augmentation = Augmentation(warm_up=0, **{"photometric_probability": 0.0, **changes})
    indices = section_indices(np.arange(len(X)), context)
    return kind(
        list(X), list(y), targets, section_indices=indices,
        sampler=PatchSampler(list(y), shape), augmentation=augmentation,
        mean=np.full(1, 20, np.float32), std=np.full(1, 50, np.float32), batch_size=6,
        rng=np.random.default_rng(0), device=CPU, weigh=weigh, offset=offset,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize(("size", "shape"), [((96, 80), (32, 32)), ((16, 40, 48), (8, 24, 24))])
def test_patches_are_the_same(size, shape, dtype):
    X, y = cells(3, size, dtype)
    targets = [normalized_distance(label).astype(np.float32) for label in y]
    targets[0][..., :10] = np.nan
    ours, theirs = (
        next(batches(kind, X, y, shape, targets=targets)) for kind in (DeviceBatches, PatchBatches)
    )
    torch.testing.assert_close(ours.images, theirs.images, atol=2e-3, rtol=0)
    assert (ours.labels != theirs.labels).float().mean() < 1e-3
    known = ~(ours.targets.isnan() | theirs.targets.isnan())
    assert known.float().mean() > 0.5
    assert (ours.targets.isnan() != theirs.targets.isnan()).float().mean() < 1e-3
    difference = (ours.targets - theirs.targets)[known].abs()
    assert difference.quantile(0.999) < 1e-3


def test_sections_and_offsets():
    X, y = cells(5, (64, 64))
    kinds = DeviceBatches, PatchBatches
    ours, theirs = (
        next(batches(kind, X, y, (32, 32), context=1, offset=(0.6, -0.4), warp_probability=1.0))
        for kind in kinds
    )
    assert ours.images.shape == (6, 3, 32, 32)
    torch.testing.assert_close(ours.images, theirs.images, atol=2e-3, rtol=0)
    ours, theirs = (
        next(batches(kind, X, y, (32, 32), offset=(1.0, -2.0), warp_probability=0.0))
        for kind in kinds
    )
    torch.testing.assert_close(ours.images, theirs.images, atol=2e-3, rtol=0)


def test_weights_are_warped():
    X, y = cells(3, (96, 96))
    options = {"weigh": weight_map}
    for warp in (0.0, 1.0):
        ours, theirs = (
            next(batches(kind, X, y, (48, 48), warp_probability=warp, **options)).weights.numpy()
            for kind in (DeviceBatches, PatchBatches)
        )
        correlation = np.corrcoef(ours.ravel(), theirs.ravel())[0, 1]
        assert correlation > (0.9 if warp else 0.999)
        assert ours.mean() == pytest.approx(theirs.mean(), rel=0.05)


@pytest.mark.parametrize("shape", [(48, 32), (6, 32, 32)])
def test_coordinates_and_their_bound(shape):
    augmentation = Augmentation(warm_up=0, elastic=12.0, piecewise=6.0)
    geometry = sample_geometry(augmentation, np.random.default_rng(0), 40, shape)
    at = batched_coordinates(geometry, shape, CPU)
    for one, each in zip(geometry, at, strict=True):
        torch.testing.assert_close(each, coordinates(one, shape)[0], atol=2e-4, rtol=0)
    X, y = cells(1, tuple(2 * side for side in shape))
    made = batches(DeviceBatches, X, y, shape)
    margins = np.array(made._margins(geometry))
    reach = at.abs().flatten(0, -2).amax(0).numpy()
    assert (reach <= (np.array(shape) - 1) / 2 + margins + 1e-3).all()


def test_a_device_has_its_class_and_trains(monkeypatch):
    assert batches_on(CPU) is PatchBatches
    assert batches_on(torch.device("cuda")) is DeviceBatches
    monkeypatch.setattr(_training, "batches_on", lambda device: DeviceBatches)
    X, y = make_cells(4, (48, 48), random_state=0)
    y[2:] = -1
    segmenter = SemiSupervisedSegmenter(
        width=8, depth=2, max_steps=80, batch_size=4, random_state=0, patch_size=32
    ).fit(X, y)
    assert segmenter.semi_supervision_ == ("self-training",)
    _, truth = make_cells(4, (48, 48), random_state=0)
    assert segmenter.score(X[2:], truth[2:]) > 0.6
