"""What proxies make of a batch at once is what they make of one patch after the other."""

import numpy as np
import pytest
import torch

from sskseg.proxies import (
    Channel,
    Crop,
    CropBatch,
    Magnification,
    Masked,
    Proxy,
    Restoration,
    Rotation,
    disturb_batch,
    guard,
    guard_batch,
    makes_batches,
    standardize,
    standardize_batch,
)
from sskseg.proxies._batches import level, noise_variance, soften
from sskseg.proxies._damages import Painting, bend_batch, paint_batch, rearrange_batch
from sskseg.proxies._guards import _noise_level, _resample
from sskseg.proxies.restoration import _bend, _draw_curve, _draw_painting, _paint, _shuffle

SHAPES = pytest.mark.parametrize("shape", [(24, 20), (8, 16, 12)])


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def patches_of(rng, shape, n=6):
    """Patches with a trend along rows, as tensors and arrays that share memory."""
    arrays = rng.normal(size=(n, *shape)).astype(np.float32).cumsum(-1)
    return torch.from_numpy(arrays)[:, None], arrays


def same(ours, theirs, atol=2e-5):
    np.testing.assert_allclose(ours[:, 0].numpy(), np.stack(theirs), atol=atol, rtol=0)


# Guards


@SHAPES
def test_the_guard_of_a_batch_is_that_of_a_patch(shape, rng):
    patches, arrays = patches_of(rng, shape)
    ones = np.ones(len(arrays))
    same(level(patches, ones), [guard(each, None) for each in arrays])
    expected = [guard(each, None, matches_scans=True) for each in arrays]
    same(level(soften(patches, 1.25 * ones, ones), ones), expected)
    factors = 2 ** rng.random(len(arrays))
    resampled = [_resample(each, f) for each, f in zip(arrays, factors, strict=True)]
    same(soften(patches, 0 * ones, factors), resampled)
    same(standardize_batch(patches), [standardize(each) for each in arrays])


@pytest.mark.parametrize("matches_scans", [False, True])
def test_guarded_patches_have_the_same_distribution(matches_scans, rng):
    patches, arrays = patches_of(rng, (32, 32), 400)
    ours = guard_batch(patches, rng, matches_scans=matches_scans).numpy()[:, 0]
    theirs = np.stack([guard(each, rng, matches_scans=matches_scans) for each in arrays])
    for statistic in (
        lambda x: np.percentile(x, (5, 25, 50, 75, 95), axis=(1, 2)),
        lambda x: np.square(np.diff(x, axis=-1)).mean((1, 2)),
    ):
        one, other = (np.atleast_2d(statistic(x)) for x in (ours, theirs))
        error = np.sqrt((one.var(1) + other.var(1)) / 400)
        assert (np.abs(one.mean(1) - other.mean(1)) < 4 * error).all()
        np.testing.assert_allclose(one.std(1), other.std(1), rtol=0.2)


def test_a_constant_patch_becomes_zero_and_a_flat_one_keeps_its_bright_pixels(rng):
    patches = torch.zeros(2, 1, 32, 32)
    patches[1, 0, 0, :2] = 5.0
    guarded = level(patches, np.ones(2))
    assert not guarded[0].any()
    same(guarded, [guard(patch[0].numpy(), None) for patch in patches])


def test_noise_is_added_and_measured(rng):
    patches = standardize_batch(patches_of(rng, (32, 32), 50)[0])
    noisy = disturb_batch(patches, rng)
    assert torch.allclose(noisy.square().mean((1, 2, 3)), torch.ones(50), atol=1e-4)
    correlation = (noisy * patches).mean((1, 2, 3))
    assert (correlation > 0.95).all()
    assert correlation.std() > 0.002  # amounts are drawn for each
    levels = [float(_noise_level(patch.numpy()).item()) ** 2 for patch in noisy]
    np.testing.assert_allclose(noise_variance(noisy).flatten().numpy(), levels, rtol=0.02)


# Tasks


def crops_of(rng, shape, field, n=8, **options):
    images = torch.from_numpy(rng.random((n, 1, *field), dtype=np.float32))
    return CropBatch(images, shape, rng.integers(3, size=n), **options)


def singles(crops):
    """The crops of a batch."""
    return [Crop(image.numpy(), crops.shape, guards=crops.guards) for image in crops.images]


def test_magnification_shows_a_wider_field(rng):
    proxy = Magnification(factors=(1, 2, 4)).prepare(1, None)
    crops = crops_of(rng, (8, 6), (32, 24), 20, guards=False)
    made, targets = proxy.make_batch(crops, rng)
    assert set(targets) == {0, 1, 2}
    for crop, patch, target in zip(singles(crops), made.images, targets, strict=True):
        while True:
            expected, drawn = proxy.make(crop, rng)
            if drawn == target:
                break
        np.testing.assert_allclose(patch, expected.image, atol=1e-6)
    guarded, targets = proxy.make_batch(crops_of(rng, (8, 6), (32, 24), 60), rng)
    means = [noise_variance(guarded.images)[targets == k].mean() for k in range(3)]
    assert min(means) > 0.5 * max(means)


def test_known_magnifications_and_channels_are_the_classes(rng):
    proxy = Magnification().prepare(1, np.array([4.0, 1.0, 1.0]))
    crops = crops_of(rng, (8, 8), (10, 12), 3, magnifications=np.array([1.0, 4.0, 1.0]))
    made, targets = proxy.make_batch(crops, rng)
    assert targets.tolist() == [0, 1, 0]
    assert torch.equal(made.images, crops.images[:, :, 1:9, 2:10])
    made, targets = Channel().prepare(3, None).make_batch(crops, rng)
    assert made is crops
    assert np.array_equal(targets, crops.channels)


def test_rotation_turns_as_often_as_it_says(rng):
    proxy = Rotation().prepare(1, None)
    crops = crops_of(rng, (8, 8), (8, 8), 20)
    made, targets = proxy.make_batch(crops, rng)
    assert set(targets) == {0, 1, 2, 3}
    for image, turned, k in zip(crops.images, made.images, targets, strict=True):
        assert np.array_equal(np.rot90(turned[0], -k), image[0])
    with pytest.raises(ValueError, match=r"equal last two sides, got \(8, 16\)"):
        proxy.make_batch(crops_of(rng, (8, 16), (8, 16)), rng)


@SHAPES
def test_masked_hides_the_mean(shape, rng):
    crops = crops_of(rng, shape, shape)
    made, weights = Masked(share=0.5, block=4).make_batch(crops, rng)
    assert weights.shape == made.images.shape
    assert weights.mean() == pytest.approx(0.5, abs=0.02)
    for image, damaged, weight in zip(crops.images, made.images, weights, strict=True):
        assert torch.equal(image[weight == 0], damaged[weight == 0])
        assert torch.allclose(damaged[weight == 1], image.mean())
    assert (weights[0] != weights[1]).any()


@SHAPES
def test_damages_are_those_of_a_patch(shape, rng):
    patches, arrays = patches_of(rng, shape, 30)
    curves = [_draw_curve(rng) if k % 3 else None for k in range(30)]
    pairs = list(zip(arrays, curves, strict=True))
    same(bend_batch(patches, curves), [x if c is None else _bend(x, c) for x, c in pairs])
    paintings = [_draw_painting(shape, rng, outer=k % 2 == 0) for k in range(29)]
    paintings.append(Painting(None, [], []))
    painted = [array.copy() for array in arrays]
    for array, painting in zip(painted, paintings, strict=True):
        _paint(array, painting)
    same(paint_batch(patches, paintings), painted)
    pixels = np.arange(arrays[0].size).reshape(shape)
    _shuffle(pixels, rng)
    moved = rearrange_batch(patches[:1], pixels[None])
    assert np.array_equal(moved[0, 0].numpy(), arrays[0].reshape(-1)[pixels])
    assert (moved != patches[:1]).any()


def test_restoration_damages_as_often_as_it_says(rng):
    crops = crops_of(rng, (16, 16), (16, 16), 300)
    before = crops.images.clone()
    for options, share in (
        ({"intensity": 0.5, "shuffling": 0, "painting": 0}, 0.5),
        ({"intensity": 0, "shuffling": 0.5, "painting": 0}, 0.5),
        ({"intensity": 0, "shuffling": 0, "painting": 0.5}, 0.5),
        ({"intensity": 0, "shuffling": 0, "painting": 0}, 0),
    ):
        made, weights = Restoration(**options).make_batch(crops, rng)
        changed = (made.images != crops.images).flatten(1).any(1).float().mean()
        assert float(changed) == pytest.approx(share, abs=0.1)
        assert (weights == 1).all()
    made, _ = Restoration().make_batch(crops, rng)
    assert torch.equal(crops.images, before)
    theirs = [Restoration().make(crop, rng)[0].image for crop in singles(crops)]
    ours = (made.images - crops.images).square().mean()
    expected = np.square(np.stack(theirs) - before.numpy()).mean()
    assert float(ours) == pytest.approx(expected, rel=0.1)


def test_which_proxies_make_batches():
    class Brighter(Proxy):
        def make(self, crop, rng):
            return crop, 0

    class Other(Rotation):
        name = ""

        def make(self, crop, rng):
            return crop, 0

    class Both(Other):
        def make_batch(self, crops, rng):
            return crops, np.zeros(len(crops.images), int)

    for kind in (Channel, Magnification, Masked, Restoration, Rotation, Both):
        assert makes_batches(kind())
    assert not makes_batches(Brighter())
    assert not makes_batches(Other())
    with pytest.raises(NotImplementedError):
        Brighter().make_batch(None, None)
