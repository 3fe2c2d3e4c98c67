import numpy as np
import pytest
from scipy import ndimage as ndi

from sskseg.simulation import (
    add_camera_noise,
    blur,
    defocus,
    draw_blob,
    draw_junction,
    fiber_pattern,
    fractal_noise,
    overlap_slices,
    place_apart,
    sample_fibers,
    sample_junction,
    smooth_noise,
    snap_to_fibers,
    vignette,
)


@pytest.mark.parametrize("shape", [(100, 80), (40, 30, 30)])
def test_balls_have_a_minimum_distance(shape):
    radii = np.random.default_rng(1).uniform(2, 5, 40)
    centers, placed = place_apart(np.random.default_rng(0), radii, shape, separation=0.9)
    gaps = np.linalg.norm(centers[:, None] - centers, axis=-1)
    least = 0.9 * (radii[placed][:, None] + radii[placed])
    assert (gaps >= least)[~np.eye(len(placed), dtype=bool)].all()
    assert ((centers >= 0) & (centers < shape)).all()


def test_a_full_image_takes_no_more():
    centers, placed = place_apart(np.random.default_rng(0), np.full(100, 10.0), (30, 30))
    assert 1 <= len(placed) == len(centers) < 10


def test_the_grid_equals_a_comparison_of_all_pairs():
    radii = np.random.default_rng(1).uniform(1, 6, 300)
    centers, placed = place_apart(np.random.default_rng(0), radii, (120, 100), separation=0.8)
    rng, expected, kept = np.random.default_rng(0), [], []
    for i in np.argsort(-radii, kind="stable"):
        for trial in rng.uniform(0, (120, 100), (50, 2)):
            if all(np.hypot(*(trial - c)) >= 0.8 * (radii[i] + radii[j])
                   for c, j in zip(expected, kept)):  # fmt: skip
                expected.append(trial)
                kept.append(i)
                break
    assert placed.tolist() == kept
    assert np.array_equal(centers, expected)
    assert 20 < len(kept) < 300


def test_nothing_to_place():
    for radii in (np.empty(0), np.zeros(3)):
        centers, placed = place_apart(np.random.default_rng(0), radii, (10, 10))
        assert len(centers) == len(placed) == len(radii)


@pytest.mark.parametrize("center", [(20.3, 30.7), (10.0, 12.5, 9.1)])
def test_blobs_have_the_given_size_and_no_holes(center):
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
def test_noise_has_the_given_correlation_length(scale):
    field = smooth_noise(np.random.default_rng(0), (300, 310), scale)
    assert field.shape == (300, 310)
    assert field.std() == pytest.approx(1, abs=0.05)
    lag = round(scale)
    near = np.corrcoef(field[:-1].ravel(), field[1:].ravel())[0, 1]
    far = np.corrcoef(field[: -4 * lag].ravel(), field[4 * lag :].ravel())[0, 1]
    assert near > 0.8
    assert abs(far) < 0.15


@pytest.mark.parametrize("noise", [smooth_noise, fractal_noise])
@pytest.mark.parametrize("magnification", [0.5, 1.5, 4])
def test_noise_is_the_same_at_every_magnification(noise, magnification):
    shape = (60, 41)
    once = noise(np.random.default_rng(0), shape, 20)
    more = noise(np.random.default_rng(0), shape, 20, magnification=magnification)
    assert more.shape == tuple(round(n * magnification) for n in shape)
    at = np.meshgrid(*(np.arange(n) * magnification for n in shape), indexing="ij")
    seen = ndi.map_coordinates(more, at, order=1, mode="nearest")
    assert np.abs(seen - once)[:-2, :-2].max() < 0.2


def test_fractal_noise_has_detail_on_several_scales():
    plain = smooth_noise(np.random.default_rng(0), (200, 200), 60)
    rough = fractal_noise(np.random.default_rng(0), (200, 200), 60, octaves=4)
    assert np.abs(np.diff(rough)).mean() > 1.5 * np.abs(np.diff(plain)).mean()
    assert rough.std() == pytest.approx(1, abs=0.2)


def test_corners_are_darker():
    light = vignette((41, 61), 0.3)
    assert light[20, 30] == 1
    assert light[[0, 0, -1, -1], [0, -1, 0, -1]] == pytest.approx(0.7)
    assert vignette((5, 41, 61), 0.3).shape == (41, 61)
    assert vignette((1, 1)) == 1


def test_defocus_blurs():
    image = np.zeros((41, 41), np.float32)
    image[20, 20] = 1
    assert defocus(image, 0.1) is image
    near, far = defocus(image, 2), defocus(image, -6)
    assert near[20, 20] == pytest.approx(1 / (2 * np.pi), rel=0.05)
    assert near.sum() == pytest.approx(far.sum(), abs=1e-3)
    assert far[20, 20] < near[20, 20]


@pytest.mark.parametrize("start", [(-3, 4), (7, 8), (20, 0), (-9, 0), (0, -2)])
def test_boxes_that_lie_partly_outside(start):
    image, box = np.arange(130).reshape(13, 10), np.ones((5, 6))
    here, there = overlap_slices(start, box.shape, image.shape)
    rows, columns = (range(s, s + n) for s, n in zip(start, box.shape))
    inside = [(r, c) for r in rows for c in columns if 0 <= r < 13 and 0 <= c < 10]
    if not inside:
        assert here is there is None
        return
    assert image[here].ravel().tolist() == [image[at] for at in inside]
    assert box[there].shape == image[here].shape
    assert there[0].start == here[0].start - start[0]


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


def test_junctions_do_not_fall_apart_unless_cut():
    rng = np.random.default_rng(0)
    for m in (1.0, 4.0):
        for _ in range(20):
            junction = sample_junction(rng, [40.0] * 2, 14.0, np.array([0.0, 1.0]), fragmentation=0)
            assert ndi.label(draw_junction(junction, m)[1], np.ones((3, 3)))[1] == 1


def test_fibers_run_along_their_direction():
    fibers = sample_fibers(np.random.default_rng(0), 2, 12.0)
    fibers = fibers._replace(direction=np.array([0.0, 1.0]))
    pattern = fiber_pattern(fibers, (80, 90))
    along, across = np.abs(np.diff(pattern, axis=1)).mean(), np.abs(np.diff(pattern, axis=0)).mean()
    assert across > 2 * along
    assert pattern.min() >= 0
    again = fiber_pattern(fibers, (80, 90), 2.0)
    assert again.shape == (160, 180)
    assert np.abs(again[::2, ::2] - pattern).max() < 1e-4


@pytest.mark.parametrize("shape", [(80, 90), (30, 60, 60)])
def test_points_move_to_the_middle_of_their_fiber(shape):
    rng = np.random.default_rng(1)
    fibers = sample_fibers(rng, len(shape), 12.0)
    points = rng.uniform(5, np.array(shape) - 5, (200, len(shape)))
    moved = snap_to_fibers(fibers, points)
    gaps = np.linalg.norm((moved - points)[:, -2:], axis=1)
    assert gaps.max() <= 6 + 1e-6
    assert np.allclose((moved - points)[:, -2:] @ fibers.direction[-2:], 0)
    assert np.allclose(snap_to_fibers(fibers, moved)[:, -2:], moved[:, -2:])
    pattern = fiber_pattern(fibers, shape)
    bright = ndi.map_coordinates(pattern, moved.T, order=1, mode="nearest").mean()
    assert bright > 1.1 * pattern.mean()
