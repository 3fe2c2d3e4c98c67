from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage as ndi
from skimage.transform import PiecewiseAffineTransform

from sskseg.images.augmentation import (
    Augmentation,
    Geometry,
    adjust,
    adjust_batch,
    check_augmentation,
    coordinates,
    resample,
    sample_geometry,
    sample_photometry,
    turn,
    turn_batch,
)
from sskseg.images.augmentation.deformation import _piecewise_weights

STILL = np.zeros((5, 5, 2))


@pytest.mark.parametrize("shape", [(12, 9), (5, 8, 6)])
def test_no_transformation_returns_the_patch(shape):
    image = torch.randn(1, 2, *shape)
    at = coordinates(Geometry(np.eye(len(shape)), STILL, STILL, True), shape)
    assert torch.allclose(resample(image, at, order=1), image, atol=1e-5)
    labels = torch.randint(-1, 2**40, (1, 1, *shape))
    assert torch.equal(resample(labels, at, order=0), labels)


@pytest.mark.parametrize("shape", [(8, 8), (8, 6), (4, 8, 8)])
def test_dihedral_moves_pixels_exactly(shape):
    rng = np.random.default_rng(0)
    augmentation = check_augmentation("dihedral")
    image = torch.arange(float(np.prod(shape))).view(1, 1, *shape)
    views = set()
    for geometry in sample_geometry(augmentation, rng, 200, shape):
        turned = turn(image, geometry)
        views.add(tuple(turned.flatten().tolist()))
        resampled = resample(image, coordinates(geometry, shape), order=1)
        assert geometry.is_rigid
        assert torch.allclose(resampled, turned, atol=1e-3)
    expected = 2 ** len(shape) * (2 if shape[-1] == shape[-2] else 1)
    assert len(views) == expected


def test_rotation_equals_scipy():
    rng = np.random.default_rng(0)
    image = ndi.gaussian_filter(rng.normal(size=(65, 65)), 3)
    angle = np.deg2rad(30)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    at = coordinates(Geometry(matrix, STILL, STILL, False), (33, 33))
    ours = resample(torch.from_numpy(image)[None, None].float(), at, order=1)[0, 0].numpy()
    offset = np.array([32, 32]) - matrix @ [16, 16]
    theirs = ndi.affine_transform(image, matrix, offset, output_shape=(33, 33), order=1)
    assert np.allclose(ours, theirs, atol=1e-4)


def test_piecewise_affine_equals_scikit_image():
    rng = np.random.default_rng(0)
    height, width, grid = 33, 49, 5
    y, x = np.linspace(0, height - 1, grid), np.linspace(0, width - 1, grid)
    corners = np.stack(np.meshgrid(y, x, indexing="ij"), -1).reshape(-1, 2)
    shift = rng.uniform(-1.5, 1.5, corners.shape)
    field = (_piecewise_weights(height, width, grid) @ torch.from_numpy(shift).float()).numpy()
    # The oracle triangulates as it likes: compare where both have a control point, and on the
    # sides of the cells, which are sides of triangles in any triangulation.
    oracle = PiecewiseAffineTransform.from_estimate(corners[:, ::-1], (corners + shift)[:, ::-1])
    pixels = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), -1)
    on_side = (pixels[..., 0] % 8 == 0) | (pixels[..., 1] % 12 == 0)
    inside = (pixels[..., 0] < height - 1) & (pixels[..., 1] < width - 1)
    chosen = (on_side & inside).ravel()
    moved = oracle(pixels.reshape(-1, 2)[chosen][:, ::-1])[:, ::-1]
    ours = pixels.reshape(-1, 2)[chosen] + field[chosen]
    assert np.allclose(ours, moved, atol=1e-3)


def test_piecewise_affine_never_folds():
    augmentation = Augmentation(warp_probability=1, piecewise=1000.0, elastic=0, rotation=0)
    for geometry in sample_geometry(augmentation, np.random.default_rng(0), 5, (64, 64)):
        corners = torch.from_numpy(geometry.piecewise).float().flatten(0, 1)
        y, x = (_piecewise_weights(64, 64, 5) @ corners).view(64, 64, 2).unbind(-1)
        (dy_dy, dy_dx), (dx_dy, dx_dx) = np.gradient(y.numpy()), np.gradient(x.numpy())
        assert ((1 + dy_dy) * (1 + dx_dx) - dy_dx * dx_dy).min() > 0


def test_warps_are_one_smooth_map():
    augmentation = Augmentation(warp_probability=1.0)
    for geometry in sample_geometry(augmentation, np.random.default_rng(1), 4, (64, 64)):
        at = coordinates(geometry, (64, 64))
        assert at.shape == (1, 64, 64, 2)
        steps = at.diff(dim=1).norm(dim=-1)
        assert steps.max() < 4  # no tears
        assert steps.std() > 0.01  # and not rigid


def test_same_seed_same_photometry_and_inputs_kept():
    images = torch.randn(6, 2, 16, 16)
    before = images.clone()
    photometry = sample_photometry(Augmentation(), np.random.default_rng(0), 6)
    first, second = adjust(images, photometry), adjust(images, photometry)
    assert torch.equal(first, second)
    assert torch.equal(images, before)
    assert not torch.equal(first, images)


def test_a_training_starts_with_patches_as_they_are():
    whole = Augmentation(warp_probability=0.8, photometric_probability=0.2, warm_up=10)
    first, middle = whole.after(0), whole.after(5)
    assert (first.warp_probability, first.photometric_probability) == (0, 0)
    assert (middle.warp_probability, middle.photometric_probability) == (0.4, 0.1)
    assert whole.after(10) == whole.after(11) == whole
    assert Augmentation(warm_up=0).after(0) == Augmentation(warm_up=0)
    with pytest.raises(ValueError, match="warm_up must be an integer of at least 0"):
        Augmentation(warm_up=-1)


def test_no_augmentation_changes_nothing():
    augmentation = check_augmentation(None)
    rng = np.random.default_rng(0)
    images = torch.randn(4, 1, 8, 8)
    (geometry,) = sample_geometry(augmentation, rng, 1, (8, 8))
    changed = adjust(turn(images, geometry), sample_photometry(augmentation, rng, 4))
    assert torch.allclose(changed, images, atol=1e-5)


def test_unknown_augmentation_is_refused():
    with pytest.raises(ValueError, match="must be one of"):
        check_augmentation("wild")
    with pytest.raises(ValueError, match=r"unknown fields \['twirl'\]"):
        check_augmentation({"twirl": 1})
    assert check_augmentation({"rotation": 10.0}).rotation == 10


@pytest.mark.parametrize("shape", [(1, 2, 64, 48), (1, 1, 8, 64, 48), (1, 1, 7, 5)])
def test_haze_is_a_wide_blur_that_keeps_the_range(shape):
    images = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    only_haze = Augmentation(
        photometric_probability=1, gamma=0, contrast=0, brightness=0, noise=0, blur=0, haze=2
    )
    photometry = sample_photometry(only_haze, np.random.default_rng(0), 1)
    hazy = adjust(images, photometry)
    axes = (-2, -1)
    assert torch.allclose(hazy.amin(axes), images.amin(axes), atol=1e-6)
    assert torch.allclose(hazy.amax(axes), images.amax(axes), atol=1e-6)
    assert not torch.equal(hazy, images)


def test_haze_lifts_what_lies_between_bright_objects():
    image = torch.zeros(1, 1, 96, 96)
    image[..., 40:48, 32:64] = image[..., 52:60, 32:64] = 1  # two bars, 4 pixels apart
    photometry = replace(
        sample_photometry(Augmentation(), np.random.default_rng(0), 1),
        gamma=np.ones(1), gain=np.ones(1), offset=np.zeros(1), noise=np.zeros(1),
        blur=np.zeros(1), haze=np.ones(1), haze_width=np.full(1, 10.0),
    )  # fmt: skip
    hazy = adjust(image, photometry)[0, 0]
    between, far, inside = hazy[50, 48], hazy[5, 5], hazy[44, 48]
    assert far < 0.02
    assert 0.15 < between < 0.5
    assert inside > between + 0.4
    expected = image[0, 0] + torch.from_numpy(ndi.gaussian_filter(image[0, 0].numpy(), 10.0))
    assert torch.allclose(hazy, expected / expected.max(), atol=0.03)
    unchanged = replace(photometry, haze=np.zeros(1))
    assert torch.equal(adjust(image, unchanged), image)


@pytest.mark.parametrize("shape", [(2, 64, 48), (1, 9, 40, 41), (3, 100, 100)])
@pytest.mark.parametrize("changed", ["gamma", "contrast", "haze", "blur", "noise", "all"])
def test_a_batch_is_adjusted_as_its_patches(shape, changed):
    others = {"gamma", "contrast", "brightness", "haze", "blur", "noise"} - {changed}
    off = {} if changed == "all" else dict.fromkeys(others, 0.0)
    augmentation = Augmentation(warm_up=0, photometric_probability=0.5, **off)
    photometry = sample_photometry(augmentation, np.random.default_rng(0), 12)
    images = torch.randn(12, *shape).cumsum(-1)
    images = (images - images.mean()) / images.std()
    before = images.clone()
    ours = adjust_batch(images, photometry)
    assert torch.equal(images, before)
    torch.testing.assert_close(ours, adjust(images.clone(), photometry), atol=2e-5, rtol=0)
    assert not torch.equal(ours, before)


def test_a_batch_is_adjusted_in_float32_in_mixed_precision():
    augmentation = Augmentation(warm_up=0, photometric_probability=1.0)
    photometry = sample_photometry(augmentation, np.random.default_rng(0), 4)
    images = torch.randn(4, 1, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = adjust_batch(images, photometry)
    assert torch.equal(mixed, adjust_batch(images, photometry))


@pytest.mark.parametrize("shape", [(8, 8), (5, 6, 6)])
def test_a_batch_is_turned_as_numpy_turns(shape):
    rng = np.random.default_rng(0)
    images = rng.random((40, 2, *shape)).astype(np.float32)
    turns, flips = rng.integers(-4, 8, 40), rng.random((40, len(shape))) < 0.5
    turned = turn_batch(torch.from_numpy(images), turns, flips).numpy()
    for image, k, flip, result in zip(images, turns, flips, turned, strict=True):
        expected = np.rot90(image, k, axes=(-2, -1))
        assert np.array_equal(result, np.flip(expected, 1 + np.flatnonzero(flip)))


def test_only_flips_keep_a_plane_that_is_not_square():
    images = torch.arange(12.0).view(1, 1, 3, 4)
    flips = np.array([[True, False]])
    assert torch.equal(turn_batch(images, np.array([0]), flips), images.flip(2))
