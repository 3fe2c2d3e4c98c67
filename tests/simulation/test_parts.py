import numpy as np
import pytest
from scipy import ndimage as ndi

from sskseg.simulation import (
    add_camera_noise,
    blur,
    draw_blob,
    draw_junction,
    fiber_pattern,
    place_apart,
    sample_junction,
    smooth_noise,
)


@pytest.mark.parametrize("shape", [(100, 80), (40, 30, 30)])
def test_balls_keep_their_distance(shape):
    radii = np.random.default_rng(1).uniform(2, 5, 40)
    centers, placed = place_apart(np.random.default_rng(0), radii, shape, separation=0.9)
    gaps = np.linalg.norm(centers[:, None] - centers, axis=-1)
    least = 0.9 * (radii[placed][:, None] + radii[placed])
    assert (gaps >= least)[~np.eye(len(placed), dtype=bool)].all()
    assert ((centers >= 0) & (centers < shape)).all()


def test_a_full_image_takes_no_more():
    centers, placed = place_apart(np.random.default_rng(0), np.full(100, 10.0), (30, 30))
    assert 1 <= len(placed) == len(centers) < 10


@pytest.mark.parametrize("center", [(20.3, 30.7), (10.0, 12.5, 9.1)])
def test_blobs_have_the_wanted_size_and_no_holes(center):
    rng = np.random.default_rng(0)
    sizes = []
    for _ in range(30):
        blob = draw_blob(rng, center, 8.0)
        inside = blob.depth > 0
        assert ndi.label(inside)[1] == 1
        assert np.array_equal(ndi.binary_fill_holes(inside), inside)
        assert not any(np.take(inside, [0, -1], axis=axis).any() for axis in range(inside.ndim))
        sizes.append(inside.sum())
    ball = np.pi * 64 if len(center) == 2 else 4 / 3 * np.pi * 512
    assert np.mean(sizes) == pytest.approx(ball, rel=0.1)


@pytest.mark.parametrize("scale", [2.0, 9.0])
def test_noise_is_as_smooth_as_wanted(scale):
    field = smooth_noise(np.random.default_rng(0), (300, 310), scale)
    assert field.shape == (300, 310)
    assert field.std() == pytest.approx(1, abs=0.05)
    lag = round(scale)
    near = np.corrcoef(field[:-1].ravel(), field[1:].ravel())[0, 1]
    far = np.corrcoef(field[: -4 * lag].ravel(), field[4 * lag :].ravel())[0, 1]
    assert near > 0.8
    assert abs(far) < 0.15


def test_camera_noise_has_the_variance_of_photons():
    rng = np.random.default_rng(0)
    image = np.full((200, 200), 0.5, np.float32)
    noisy = add_camera_noise(rng, image, photons=100, read_noise=0.02)
    assert noisy.mean() == pytest.approx(0.5, abs=0.002)
    assert noisy.var() == pytest.approx(0.5 / 100 + 0.02**2, rel=0.05)


def test_blur_keeps_the_light():
    image = np.zeros((31, 31))
    image[15, 15] = 1
    assert blur(image, 2.0).sum() == pytest.approx(1, abs=1e-4)
    assert blur(image, 2.0)[15, 15] == pytest.approx(1 / (8 * np.pi), rel=0.05)


@pytest.mark.parametrize("ndim", [2, 3])
def test_junctions_have_holes_and_grow_with_the_magnification(ndim):
    rng = np.random.default_rng(0)
    direction = np.zeros(ndim)
    direction[-1] = 1
    holes, fragments, ratios = 0, 0, []
    for _ in range(20):
        junction = sample_junction(rng, [40.0] * ndim, 14.0, direction, fragmentation=0.5)
        _, small, _ = draw_junction(junction, 2.0)
        start, large, depth = draw_junction(junction, 4.0)
        plane = large.any(axis=0) if ndim == 3 else large
        holes += (ndi.binary_fill_holes(plane) & ~plane).any()
        fragments += ndi.label(large, np.ones((3,) * ndim))[1] > 1
        ratios.append((large.sum() / 4**ndim) / (small.sum() / 2**ndim))
        assert depth.max() <= 1
        assert ((depth > 0) == large).all()
        middle = start + np.array(large.shape) / 2
        assert np.abs(middle / 4 - 40).max() < 15
    assert holes >= 12
    assert 1 <= fragments <= 19
    assert np.median(ratios) == pytest.approx(1, abs=0.2)


def test_fibers_run_along_their_direction():
    pattern = fiber_pattern(np.random.default_rng(0), (80, 90), 1.0, np.array([0.0, 1.0]), 12.0)
    along, across = np.abs(np.diff(pattern, axis=1)).mean(), np.abs(np.diff(pattern, axis=0)).mean()
    assert across > 2 * along
    assert pattern.min() >= 0
