"""The watershed in its fast form gives the bits of the plain one, which is written out here."""

import edt
import numpy as np
import pytest
from scipy import ndimage as ndi
from skimage.morphology import h_maxima
from skimage.segmentation import watershed

from sskseg.metrics import f1_instances
from sskseg.morphology import (
    fill_holes,
    label_components,
    relabel,
    relief_of,
    split_by_seeds,
    split_touching,
)
from sskseg.morphology.peaks import find_peaks


def plain_relief(probability, threshold, spacing):
    mask = probability > threshold
    distance = edt.edt(np.ascontiguousarray(mask), anisotropy=spacing, black_border=False)
    distance = np.where(np.isfinite(distance), distance, 1).astype(np.float32)
    sigma = [1.0 / step for step in spacing]  # the smallest is 1
    return mask, np.log1p(ndi.gaussian_filter(distance, sigma) / np.float32(2 * min(spacing)))


def plain_peaks(steps, height):
    """The parts above ``top - height`` in which no pixel is higher than a top of scikit-image."""
    is_top = h_maxima(steps, height) > 0
    peaks = np.zeros(steps.shape, int)
    for top in np.unique(steps[is_top]):
        parts = label_components(steps > int(top) - height, connectivity=steps.ndim)
        highest = ndi.maximum(steps, parts, np.arange(parts.max() + 1))
        holding = parts[is_top & (steps == top)]
        for part in np.unique(holding[highest[holding] == top]):
            peaks[parts == part] = np.flatnonzero(parts == part)[0] + 1
    return relabel(peaks)


def plain_split(mask, relief, seed_height):
    if not mask.any():
        return np.zeros(mask.shape, np.int32)
    steps = np.where(mask, np.clip(relief * 255, 1, 65535), 0).astype(np.uint16)
    seeds = plain_peaks(steps, max(1, round(seed_height * 255)))
    values, n = 255 - steps.astype(float), np.count_nonzero(seeds)
    values[seeds > 0] -= 1 - np.arange(1, n + 1) / (n + 1)  # in their order among equal ones
    labels = watershed(values, seeds, mask=mask).astype(np.int32)
    missed = label_components(mask & (labels == 0))
    return np.where(missed > 0, missed + labels.max(), labels).astype(np.int32)


def plain_fill(labels):
    holes = label_components(labels == 0)
    filled = labels.copy()
    for hole in range(1, int(holes.max()) + 1):
        inside = holes == hole
        touches = any(inside.take(side, axis).any() for axis in range(labels.ndim)
                      for side in (0, -1))  # fmt: skip
        around = labels[ndi.binary_dilation(inside) & ~inside]
        if not touches and len(np.unique(around)) == 1:
            filled[inside] = around[0]
    return filled


def field(seed, ndim):
    """A random smooth image whose blobs touch, of random size and coarseness."""
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 90 if ndim == 2 else 24, ndim)
    values = ndi.gaussian_filter(rng.random(shape), rng.uniform(0.5, 3))
    low, high = values.min(), values.max()
    values = (values - low) / (high - low + 1e-9)
    if seed % 3 == 0:
        values = np.round(values * 12) / 12  # plateaus, and peaks of one height
    return values.astype(np.float32)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("seed", range(60))
def test_labels_are_the_same_bits(seed, ndim):
    probability = field(seed, ndim)
    height = (0.02, 0.05, 0.2, 0.6)[seed % 4]
    spacing = (2.0, 1.0, 1.0)[-ndim:]
    mask, relief = relief_of(probability, 0.5, spacing=np.array(spacing))
    expected_mask, expected_relief = plain_relief(probability, 0.5, spacing)
    assert np.array_equal(mask, expected_mask)
    assert relief.dtype == expected_relief.dtype
    assert np.array_equal(relief, expected_relief)
    for each in (relief, probability):  # both kinds of seeds
        labels, expected = split_touching(mask, each, height), plain_split(mask, each, height)
        assert labels.dtype == expected.dtype
        assert np.array_equal(labels, expected)
    assert np.array_equal(fill_holes(labels), plain_fill(labels))


def touching_balls(seed, spacing, side=40, n_balls=6):
    """Label image of balls, some of which touch, in sections that are `spacing` pixels thick."""
    rng = np.random.default_rng(seed)
    axes = np.arange(side // spacing) * spacing, np.arange(side), np.arange(side)
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    balls = []
    for _ in range(5000):
        radius = rng.uniform(9, 12)
        center = rng.uniform(radius, side - radius, 3)
        is_apart = all(np.linalg.norm(center - c) > 0.85 * (radius + r) for c, r in balls)
        balls += [(center, radius)] if is_apart and len(balls) < n_balls else []
    depths = np.stack([((points - c) ** 2).sum(-1) / r**2 for c, r in balls])
    return np.where(depths.min(0) < 1, depths.argmin(0) + 1, 0)


@pytest.mark.parametrize("unit", [1.0, 0.2])
@pytest.mark.parametrize("seed", [0, 1, 3])
def test_relief_of_thick_sections_is_smoothed_in_units_of_spacing(seed, unit):
    """Smoothed by a pixel along z, six pixels thick, valleys between balls were filled."""
    labels = touching_balls(seed, 6)
    mask, relief = relief_of((labels > 0) * 1.0, 0.5, spacing=(6 * unit, unit, unit))
    assert f1_instances([labels], [split_touching(mask, relief, 0.1)]) == 1


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("seed", range(20))
def test_peaks_hold_the_tops_of_scikit_image(seed, ndim):
    steps = (field(seed, ndim) * 255).astype(np.uint8)
    for height in (1, 13, 100, 254):
        peaks = find_peaks(steps, height)
        assert np.array_equal(peaks, plain_peaks(steps, height))
        assert (peaks[h_maxima(steps, height) > 0] > 0).all()
        assert np.array_equal(find_peaks(steps.astype(np.uint16) * 200, height * 200), peaks)


def test_peaks_of_a_long_ridge_fall_back_to_scikit_image():
    ridge = np.zeros((40, 600), np.uint8)
    ridge[::2] = 100  # one way to and fro, with a higher end
    ridge[1::4, -1] = ridge[3::4, 0] = 100
    ridge[0, 0] = 110
    assert np.array_equal(find_peaks(ridge, 20), ridge > 0)
    assert np.array_equal(find_peaks(ridge, 10), np.where(ridge > 100, 1, 0))


def test_equally_high_tops_of_one_ridge_are_one_peak():
    ridge = np.array([[0, 9, 8, 9, 7, 9, 0, 9, 0]], np.uint8) * 10
    for height, expected in (
        (10, [0, 1, 0, 2, 0, 3, 0, 4, 0]), (20, [0, 1, 1, 1, 0, 2, 0, 3, 0]),
        (30, [0, 1, 1, 1, 1, 1, 0, 2, 0]),
    ):  # fmt: skip
        assert find_peaks(ridge, height)[0].tolist() == expected


def test_a_bar_is_one_object():
    bar = np.zeros((30, 90), bool)
    bar[10:20, 5:85] = True
    bar[10, 40:44] = bar[19, 41:44] = False  # its outline is rough, so its middle is not level
    mask, relief = relief_of(bar * 1.0, 0.5)
    assert split_touching(mask, relief, 0.3).max() == 1


def test_many_touching_discs_in_a_large_image():
    rng = np.random.default_rng(0)
    points = rng.integers(0, 300, (320, 2))
    image = np.ones((300, 300), bool)
    image[tuple(points.T)] = False
    probability = (ndi.distance_transform_edt(image) < 7).astype(np.float32)
    mask, relief = relief_of(probability, 0.5)
    assert np.array_equal(split_touching(mask, relief, 0.05), plain_split(mask, relief, 0.05))


@pytest.mark.parametrize("is_core", [False, True])
def test_objects_do_not_depend_on_other_components_where_peaks_are_equally_high(is_core):
    relief = ndi.gaussian_filter(np.random.default_rng(1).random((40, 40)), 1.5)
    relief = np.round(12 * (relief - relief.min()) / np.ptp(relief)) / 12  # plateaus
    relief = np.tile(np.pad(relief, 2).astype(np.float32), (4, 5))
    mask = relief > 0.3

    def split(part):
        if is_core:
            return split_by_seeds(mask[part], relief[part], relief[part] > 0.6)
        return split_touching(mask[part], relief[part], 0.05)

    labels = split(np.s_[:])
    assert labels.max() > 20 * label_components(mask[:44, :44]).max()
    for y, x in ((0, 0), (44, 88), (132, 0), (88, 176)):
        part = np.s_[y : y + 44, x : x + 44]
        assert np.array_equal(split(part), relabel(labels[part]))


def touching(seed):
    """Foreground of one large component: discs that overlap, or smooth noise."""
    rng = np.random.default_rng(seed)
    if seed % 3 == 0:
        values = ndi.gaussian_filter(rng.random((200, 200)), 3)
        return (values - values.min()) / np.ptp(values) > 0.45
    points = np.ones((200, 200), bool)
    points[tuple(rng.integers(0, 200, (2, rng.integers(100, 300))))] = False
    return ndi.distance_transform_edt(points) < rng.uniform(4, 9)


@pytest.mark.parametrize("seed", range(6))
def test_objects_of_a_window_are_those_of_the_whole_image(seed):
    mask, halo = touching(seed), 40

    def split(part):
        return split_touching(*relief_of(mask[part] * 1.0, 0.5), seed_height=0.1)

    whole, n_compared = split(np.s_[:, :]), 0
    for y, x in np.ndindex(3, 3):
        window = np.s_[max(0, 65 * y - halo) : 65 * y + 65 + halo, max(0, 65 * x - halo) :]
        labels = split(window)
        edges = [labels[:, 0] if window[1].start else [], labels[0] if window[0].start else []]
        edges += [labels[-1] if window[0].stop < 200 else []]
        cut = np.isin(labels, np.concatenate(edges)) & (labels > 0)
        beside = np.unique(labels[ndi.binary_dilation(cut, np.ones((3, 3)))])  # their cuts differ
        for label in np.setdiff1d(labels, np.append(beside, 0)):
            found = labels == label
            number = whole[window][found][0]
            assert np.array_equal(whole[window] == number, found)
            assert np.count_nonzero(whole == number) == np.count_nonzero(found)
            n_compared += 1
    assert n_compared > 30


def test_objects_do_not_depend_on_a_large_one_that_touches_them():
    rows, columns = np.indices((90, 120))
    small = (np.hypot(rows - 45, columns - 78) < 8) | (np.hypot(rows - 45, columns - 91) < 8)
    large = np.hypot(rows - 45, columns - 36) < 35
    for mask, n_objects in ((small, 2), (small | large, 3)):
        assert split_touching(*relief_of(mask * 1.0, 0.5), seed_height=0.1).max() == n_objects
