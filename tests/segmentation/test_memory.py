"""What saves memory in self-training changes no bit."""

import weakref

import numpy as np
import pytest

from sskseg.images import consecutive_runs
from sskseg.images.patches import _Pixels
from sskseg.morphology import continuity, enforce_continuity
from sskseg.segmentation.semi_supervised.masks import PackedMasks, masks_by_context
from sskseg.segmentation.semi_supervised.pseudo_labels import (
    NeighborMeans,
    continuity_sizes,
    in_one_block,
    low_confidence,
    predicted_masks,
    pseudo_labels,
)

POSITIONS = np.array([4, 3, 9, 5, 6, 10, 2, 7, 20])


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_masks_while_predictions_pass_are_those_of_the_means(rng):
    outputs = rng.random((9, 1, 6, 7)).astype(np.float32)
    labels = list(rng.integers(-1, 2, (9, 6, 7)))
    order = np.concatenate(consecutive_runs(POSITIONS))
    held = in_one_block(outputs, 9, np.float16)
    found = masks_by_context(
        (outputs[i] for i in order), order, POSITIONS, [0, 1, 3], labels, confidence=0.7
    )
    for context, (masks, uncertain) in found.items():
        means = NeighborMeans(held, POSITIONS, context)
        for i, mask in enumerate(predicted_masks(means)):
            assert np.array_equal(masks[i][0], mask)
        for i, mask in enumerate(low_confidence(means, labels, 0.7)):
            assert np.array_equal(uncertain[i], mask)


def test_few_predictions_are_held(rng):
    """A section is dropped once the last of its neighbors has its mean."""
    made, alive = [], []

    def outputs():
        for _ in range(40):
            array = np.zeros((1, 4, 4), np.float16)  # float16 is held without a copy
            made.append(weakref.ref(array))
            alive.append(sum(each() is not None for each in made))
            yield array
            del array

    masks_by_context(outputs(), np.arange(40), np.arange(40), [0, 2], [np.full((4, 4), -1)] * 40)
    assert max(alive) <= 7


def test_packed_masks_are_the_masks(rng):
    masks = [rng.random(shape) > 0.5 for shape in ((5, 7), (1, 3, 9))]
    packed = PackedMasks(2)
    packed[0], packed[1] = masks
    assert all(np.array_equal(a, b) for a, b in zip(packed, masks, strict=True))


@pytest.mark.parametrize("max_pixels", [1, 3 * 20 * 20, 2**22])
def test_continuity_in_blocks_is_that_of_the_whole(rng, max_pixels, monkeypatch):
    masks = [(rng.random((20, 20)) > 0.4).astype(np.int8) for _ in POSITIONS]
    labels = np.full((9, 20, 20), -1)
    labels[3] = rng.random((20, 20)) > 0.5
    labels[7, :10] = rng.random((10, 20)) > 0.5
    sizes = {"min_size": 5, "min_key_size": 3, "erosion": 1}
    whole = enforce_continuity(
        np.stack(masks), labels, positions=POSITIONS, steps=(1, 2), max_gap=6, **sizes
    )
    monkeypatch.setattr(continuity, "_MAX_PIXELS", max_pixels)
    parts = enforce_continuity(
        np.stack(masks), labels, positions=POSITIONS, steps=(1, 2), max_gap=6, **sizes
    )
    assert np.array_equal(parts, whole)
    chosen = continuity_sizes(labels)
    corrected = enforce_continuity(
        np.stack(masks), labels, positions=POSITIONS, steps=(1, 2), max_gap=6, **chosen
    )
    expected = np.where(np.stack(masks) != corrected, -1, np.stack(masks))
    expected = np.where(labels >= 0, labels > 0, expected)
    assert np.array_equal(pseudo_labels([m[None] for m in masks], labels, POSITIONS, 2), expected)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.97, 1.0])
@pytest.mark.parametrize("max_pixels", [7, 10_000])
def test_candidates_of_patches_are_every_so_many_pixel(rng, share, max_pixels, monkeypatch):
    monkeypatch.setattr("sskseg.images.patches._MAX_PIXELS", max_pixels)
    mask = rng.random((30, 40)) < share
    everything = np.flatnonzero(mask)
    step = max(1, -(-len(everything) // max_pixels))
    pixels = _Pixels(mask)
    assert pixels.size == len(everything[::step])
    assert [pixels[k] for k in range(pixels.size)] == everything[::step].tolist()
    assert pixels.indices.size <= mask.size // 2
