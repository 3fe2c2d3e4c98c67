"""Patches that are warped on the device, here the CPU, are those that are warped on the CPU."""

from contextlib import closing

import numpy as np
import pytest
import torch

from sskseg import SemiSupervisedSegmenter
from sskseg.datasets import make_cells
from sskseg.images import PatchSampler, section_indices
from sskseg.images.augmentation import Augmentation, coordinates, sample_geometry
from sskseg.morphology import normalized_distance, weight_map
from sskseg.training import (
    DeviceArrays,
    DeviceBatches,
    PatchBatches,
    batches_on,
    channel_statistics,
    device_arrays,
    prefetch,
)
from sskseg.training.device_batches import batched_coordinates

CPU = torch.device("cpu")
MEAN, STD = np.full(1, 20, np.float32), np.full(1, 50, np.float32)


def cells(n, shape, dtype=np.uint8):
    X, y = make_cells(n, shape, random_state=0)
    return (200 * X).astype(dtype)[..., None], y


def batches(
    kind, X, y, shape, *, context=0, weigh=None, targets=None, offset=None,
    mean=MEAN, std=STD, **changes,
):  # fmt: skip
    augmentation = Augmentation(warm_up=0, **{"photometric_probability": 0.0, **changes})
    indices = section_indices(np.arange(len(X)), context)
    images = X if isinstance(X, DeviceArrays) else list(X)
    return kind(
        images, list(y), targets, section_indices=indices,
        sampler=PatchSampler(list(y), shape), augmentation=augmentation,
        mean=mean, std=std, batch_size=6, rng=np.random.default_rng(0), device=CPU, weigh=weigh,
        offset=offset,
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


def test_intensities_are_adjusted_alike():
    X, y = cells(3, (96, 80))
    ours, theirs = (
        next(batches(kind, X, y, (32, 32), photometric_probability=0.7)).images
        for kind in (DeviceBatches, PatchBatches)
    )
    torch.testing.assert_close(ours, theirs, atol=5e-3, rtol=0)


def test_images_of_a_large_mean_keep_their_digits():
    X, y = cells(3, (64, 64), np.float64)
    X = X / 1e4 + 1e4
    mean, std = channel_statistics(list(X))
    assert mean.dtype == np.float64
    ours, theirs = (
        next(batches(kind, X, y, (32, 32), mean=mean, std=std)).images
        for kind in (DeviceBatches, PatchBatches)
    )
    torch.testing.assert_close(ours, theirs, atol=2e-3, rtol=0)


def test_images_that_do_not_fit_are_cut_on_the_cpu(monkeypatch):
    X, y = cells(3, (96, 80))
    targets = [normalized_distance(label).astype(np.float16) for label in y]
    options = {"context": 1, "weigh": weight_map, "targets": targets}
    here = batches(DeviceBatches, X, y, (32, 32), **options)
    monkeypatch.setattr(device_arrays, "_MAX_BYTES", 0)
    there = batches(DeviceBatches, X, y, (32, 32), **options)
    assert isinstance(here.images, DeviceArrays)
    assert not isinstance(there.images, DeviceArrays)
    for _ in range(3):
        for ours, theirs in zip(next(here), next(there), strict=True):
            assert torch.equal(ours.nan_to_num(-1), theirs.nan_to_num(-1))


def test_iterators_share_images_on_the_device():
    X, y = cells(3, (64, 64))
    held = DeviceBatches.hold(list(X), np.zeros(1, np.float32), CPU)
    one, other = (batches(DeviceBatches, held, y, (32, 32)) for _ in range(2))
    assert one.images is other.images is held
    assert torch.equal(next(one).images, next(other).images)
    assert PatchBatches.hold(X, np.zeros(1), CPU) is X


def test_background_without_a_pixel_keeps_its_weights():
    X, y = cells(2, (48, 48))
    made = batches(DeviceBatches, X, np.ones_like(y), (32, 32), weigh=weight_map)
    theirs = batches(PatchBatches, X, np.ones_like(y), (32, 32), weigh=weight_map)
    assert torch.equal(next(made).weights, next(theirs).weights)


def test_threads_make_the_same_batches():
    X, y = cells(3, (64, 64))
    options = {"photometric_probability": 0.5, "weigh": weight_map}
    alone = batches(DeviceBatches, X, y, (32, 32), **options)
    with closing(prefetch(batches(DeviceBatches, X, y, (32, 32), **options))) as ahead:
        for _ in range(10):
            for ours, theirs in zip(next(alone)[:2], next(ahead)[:2], strict=True):
                assert torch.equal(ours, theirs)


def losses(X, y, **options):
    model = SemiSupervisedSegmenter(
        width=8, depth=2, max_steps=40, batch_size=4, random_state=0, patch_size=32, **options
    )
    return [row["loss"] for row in model.fit(X, y).history_]


@pytest.mark.parametrize("methods", [None, "self-training", "consistency", "mean-teacher"])
def test_images_train_alike_on_the_device(methods, request):
    X, y = make_cells(4, (48, 48), random_state=0)
    y[2:] = -1
    expected = losses(X, y, semi_supervision=methods)
    request.getfixturevalue("device_path")
    assert batches_on(CPU) is DeviceBatches
    ours = losses(X, y, semi_supervision=methods)
    assert ours[:4] == pytest.approx(expected[:4], rel=0.01)
    assert np.mean(ours) == pytest.approx(np.mean(expected), rel=0.03)


def test_a_stack_trains_alike_on_the_device(request):
    X, y = make_cells(1, (10, 48, 48), random_state=1)
    known = np.where(np.isin(np.arange(10), (2, 6))[:, None, None], y[0] > 0, -1)
    options = {"sections": "consecutive", "semi_supervision": ("self-training", "continuity")}
    expected = losses(X[0], known, **options)
    request.getfixturevalue("device_path")
    ours = losses(X[0], known, **options)
    assert ours[:4] == pytest.approx(expected[:4], rel=0.01)
    assert np.mean(ours) == pytest.approx(np.mean(expected), rel=0.03)


def test_each_device_has_its_class():
    assert batches_on(CPU) is PatchBatches
    assert batches_on(torch.device("cuda")) is DeviceBatches
