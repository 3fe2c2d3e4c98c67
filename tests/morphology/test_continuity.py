from itertools import pairwise

import dask.array as da
import numpy as np
import pytest
from scipy import ndimage as ndi

from sskseg.morphology import enforce_continuity

SMALL = {"min_size": 6, "min_key_size": 9, "erosion": 1}


def disturbed_stack(rng, shape=(20, 32, 40)):
    """Smooth objects with errors in single sections, and some labeled sections."""
    reference = ndi.gaussian_filter(rng.normal(size=shape), (3, 3, 3)) > 0.02
    masks = reference ^ (ndi.gaussian_filter(rng.normal(size=shape), (0, 1.5, 1.5)) > 0.2)
    labels = np.full(shape, -1)
    for z in (2, 7, 8, 17):
        labels[z] = reference[z]
    return reference, masks, labels


def drop(mask, min_size):
    ids, n = ndi.label(mask)
    sizes = ndi.sum_labels(mask, ids, np.arange(n + 1))
    return mask & (sizes[ids] >= min_size)


def published(masks, labels, *, min_size, min_key_size, erosion, parallel, max_gap=10):
    """Section by section, with scipy, following the steps of the paper."""
    keys = [z for z in range(len(masks)) if (labels[z] >= 0).all()]
    result = np.array([drop(mask, min_size) for mask in masks])
    for z in keys:
        result[z] = labels[z] > 0
    for direction in (-1, 1):
        for key in keys:
            mask, z = labels[key] > 0, key + direction
            while 0 <= z < len(masks) and z not in keys:
                mask = ndi.binary_erosion(mask, iterations=erosion, border_value=1)
                mask = drop(mask, min_key_size)
                result[z] |= mask
                z += direction
    for f, b in pairwise(keys):
        if b - f > max_gap:
            continue
        for z in range(f + 1, b):
            result[z] = drop(result[z] & ((labels[f] > 0) | (labels[b] > 0)), min_size)
            result[z] = drop(result[z] | ((labels[f] > 0) & (labels[b] > 0)), min_size)
    for step in (1, 2):
        wanted = [z for z in range(step, len(masks) - step) if z not in keys]
        if parallel:
            source = result.copy()
            for z in wanted:
                here, low, high = source[z], source[z - step], source[z + step]
                result[z] = drop((here & (low | high)) | (low & high), min_size)
            continue
        for z in wanted:  # the whole stack, before anything is filled in
            result[z] = drop(result[z] & (result[z - step] | result[z + step]), min_size)
        for z in wanted:
            result[z] = drop(result[z] | (result[z - step] & result[z + step]), min_size)
    return result


@pytest.mark.parametrize("order", ["parallel", "sequential"])
@pytest.mark.parametrize("seed", range(4))
def test_it_equals_a_direct_implementation_of_the_paper(order, seed):
    _, masks, labels = disturbed_stack(np.random.default_rng(seed))
    expected = published(masks, labels, parallel=order == "parallel", **SMALL)
    assert np.array_equal(enforce_continuity(masks, labels, order=order, **SMALL), expected)


def test_sequential_order_removes_everywhere_before_it_fills():
    """An error in section 3 is removed before section 2 could be filled because of it."""
    masks = np.zeros((5, 8, 8), bool)
    masks[[0, 1, 3]] = True
    corrected = enforce_continuity(masks, min_size=0, steps=(1,), order="sequential")
    assert corrected.any(axis=(1, 2)).tolist() == [True, True, False, False, False]


def test_errors_of_single_sections_are_corrected():
    reference, masks, labels = disturbed_stack(np.random.default_rng(0))
    mended = enforce_continuity(masks, labels, **SMALL)
    assert (mended ^ reference).sum() < 0.6 * (masks ^ reference).sum()
    for z in (2, 7, 8, 17):
        assert np.array_equal(mended[z], reference[z])


def test_parallel_order_does_not_depend_on_the_direction():
    _, masks, labels = disturbed_stack(np.random.default_rng(1))
    forward = enforce_continuity(masks, labels, **SMALL)
    assert np.array_equal(enforce_continuity(masks[::-1], labels[::-1], **SMALL), forward[::-1])
    rows = np.random.default_rng(0).permutation(len(masks))
    shuffled = enforce_continuity(masks[rows], labels[rows], positions=rows, **SMALL)
    assert np.array_equal(shuffled, forward[rows])
    kept = masks.copy()
    enforce_continuity(masks, labels, **SMALL)
    assert np.array_equal(masks, kept)


def test_a_jump_of_the_positions_separates_stacks():
    _, masks, labels = disturbed_stack(np.random.default_rng(2))
    positions = np.arange(20) + 5 * (np.arange(20) >= 9)
    both = enforce_continuity(masks, labels, positions=positions, **SMALL)
    apart = [enforce_continuity(masks[part], labels[part], **SMALL)
             for part in (slice(9), slice(9, None))]  # fmt: skip
    assert np.array_equal(both, np.concatenate(apart))


@pytest.mark.parametrize("pixels", [1, 4 * 32 * 40, 2**25])
@pytest.mark.parametrize("labeled", [True, False])
def test_a_dask_array_gives_the_same(pixels, labeled, monkeypatch):
    monkeypatch.setattr("sskseg.morphology.continuity._MAX_BLOCK_PIXELS", pixels)
    reference, masks, labels = disturbed_stack(np.random.default_rng(3))
    positions = np.random.default_rng(0).permutation(24)[:20]
    labels[11, 3:30, 5:20] = reference[11, 3:30, 5:20]  # a window, between whole sections
    labels = labels if labeled else None
    for where in (None, positions):
        expected = enforce_continuity(masks, labels, positions=where, **SMALL)
        lazy = enforce_continuity(
            da.from_array(masks, chunks=(6, 16, 40)), labels, positions=where, **SMALL
        )
        assert lazy.dtype == bool
        assert np.array_equal(lazy.compute(), expected)


def test_a_labeled_window_is_kept_and_unlabeled_pixels_are_not_bounded():
    _, masks, labels = disturbed_stack(np.random.default_rng(4))
    window = np.full_like(labels, -1)
    window[7, 4:20, 4:20] = labels[7, 4:20, 4:20]
    result = enforce_continuity(masks, window, **SMALL)
    known = window >= 0
    assert np.array_equal(result[known], window[known] > 0)
    free = enforce_continuity(masks, **SMALL)
    assert np.array_equal(result[12:], free[12:])


def test_a_labeled_pixel_does_not_stop_the_propagation():
    masks = np.zeros((9, 24, 24), bool)
    labels = np.full(masks.shape, -1)
    labels[0] = 0
    labels[0, 2:22, 2:22] = 1
    labels[1, 0, 0] = 0
    areas = enforce_continuity(masks, labels, steps=[], **SMALL).sum((1, 2))
    assert areas.tolist() == [400, 324, 256, 196, 144, 100, 64, 36, 16]
    labels[4] = 0
    assert enforce_continuity(masks, labels, **SMALL)[4:].sum() == 0


def test_a_labeled_pixel_does_not_stop_the_bounds_of_full_sections():
    masks = np.ones((9, 24, 24), bool)
    labels = np.full(masks.shape, -1)
    labels[[0, 8]] = 0
    labels[1, 0, 0] = 0
    assert enforce_continuity(masks, labels, steps=[], **SMALL).sum() == 0
    lazy = enforce_continuity(da.from_array(masks, chunks=(2, 24, 24)), labels, steps=[], **SMALL)
    assert lazy.compute().sum() == 0


@pytest.mark.parametrize("seed", range(5))
def test_the_direction_of_z_does_not_matter_with_partly_labeled_sections(seed):
    reference, masks, labels = disturbed_stack(np.random.default_rng(seed))
    known = np.full_like(labels, -1)
    known[[0, 8]] = reference[[0, 8]]
    known[2, 4:28, 4:20] = reference[2, 4:28, 4:20]
    result = enforce_continuity(masks[:9], known[:9], **SMALL)
    mirrored = enforce_continuity(masks[:9][::-1], known[:9][::-1], **SMALL)
    assert np.array_equal(result, mirrored[::-1])


def test_labels_may_be_missing():
    _, masks, labels = disturbed_stack(np.random.default_rng(5))
    some = [label if (label >= 0).any() else None for label in labels]
    expected = enforce_continuity(masks, labels, **SMALL)
    assert np.array_equal(enforce_continuity(masks, some, steps=iter((1, 2)), **SMALL), expected)


def test_full_labels_are_kept():
    rng = np.random.default_rng(0)
    masks, labels = rng.random((5, 30, 30)) > 0.5, rng.integers(0, 3, (5, 30, 30))
    assert np.array_equal(enforce_continuity(masks, labels), labels > 0)


def test_labels_far_apart_do_not_bound_the_masks_between():
    masks = np.ones((21, 12, 12), bool)
    labels = np.full(masks.shape, -1)
    labels[[0, 20]] = 0
    assert enforce_continuity(masks, labels, **SMALL)[4:17].all()
    assert not enforce_continuity(masks, labels, max_gap=20, **SMALL).any()


@pytest.mark.parametrize("n", [1, 2])
def test_stacks_of_one_and_two_sections(n):
    masks = np.zeros((n, 12, 12), bool)
    masks[:, 2:8, 2:8] = True
    masks[:, 10, 10] = True
    result = enforce_continuity(masks, **SMALL)
    assert np.array_equal(result, np.pad(np.ones((n, 6, 6), bool), [(0, 0), (2, 4), (2, 4)]))


def test_sections_may_be_volumes_and_sizes_follow_the_pixels():
    masks = np.zeros((3, 6, 12, 12), bool)
    masks[:, 1:5, 2:8, 2:8] = True
    masks[1] = False
    assert enforce_continuity(masks, **SMALL)[1].sum() == 4 * 6 * 6
    planes = masks[:, 2]
    assert enforce_continuity(planes, min_size=40).sum() == 0
    assert enforce_continuity(planes, min_size=40, pixel_size=10).sum() == 3 * 36


@pytest.mark.parametrize(
    ("masks", "options", "message"),
    [
        (np.ones((4, 4)), {}, "two or three"),
        (np.ones((4, 4, 4)), {}, "got float64"),
        (np.ones((4, 4, 4), bool), {"order": "random"}, "order must be"),
        (np.ones((4, 4, 4), bool), {"steps": (0,)}, "must be positive"),
        (np.ones((4, 4, 4), bool), {"steps": (1.5,)}, "must be positive integers"),
        (np.ones((4, 4, 4), bool), {"pixel_size": 0}, "pixel_size must be a positive"),
        (np.ones((4, 4, 4), bool), {"min_size": "small"}, "numbers that are not negative"),
        (np.ones((4, 4, 4), bool), {"labels": np.full((4, 4, 4), -3)}, "down to -3 in section 0"),
        (np.ones((4, 4, 4), bool), {"labels": np.ones((4, 4, 4))}, "got float64"),
        (np.ones((4, 4, 4), bool), {"labels": np.ones((3, 4, 4), int)}, "labels must have the"),
        (np.ones((4, 4, 4), bool), {"positions": [0, 1, 1, 2]}, "must not repeat"),
        (da.ones((4, 4, 4), dtype=bool), {"order": "sequential"}, "in memory"),
    ],
)
def test_bad_input(masks, options, message):
    with pytest.raises(ValueError, match=message):
        enforce_continuity(masks, **options)
