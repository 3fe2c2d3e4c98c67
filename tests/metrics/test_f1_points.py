from itertools import permutations

import numpy as np
import pytest

from sskseg.metrics import f1_points


def most_pairs(true, pred, limit):
    """By trying every matching."""
    short, long = (true, pred) if len(true) <= len(pred) else (pred, true)
    return max(
        sum(np.linalg.norm(a - long[i]) <= limit for a, i in zip(short, order, strict=True))
        for order in permutations(range(len(long)), len(short))
    )


@pytest.mark.parametrize("seed", range(20))
def test_as_many_pairs_as_possible(seed):
    rng = np.random.default_rng(seed)
    true, pred = rng.random((rng.integers(1, 6), 2)), rng.random((rng.integers(1, 6), 2))
    expected = 2 * most_pairs(true, pred, 0.3) / (len(true) + len(pred))
    assert f1_points([true], [pred], 0.3) == pytest.approx(expected)


def test_images_are_pooled_and_may_be_empty():
    assert f1_points([[], [[0, 0]]], [[], [[0, 0]]], 1) == 1
    assert f1_points([[], []], [[], []], 1) == 1
    assert f1_points([[], [[0, 0]]], [[[3, 3]], [[0, 0]]], 1) == pytest.approx(2 / 3)


def test_bad_input():
    with pytest.raises(ValueError, match="same number of images, got 1 and 2"):
        f1_points([[]], [[], []], 1)
    with pytest.raises(ValueError, match="max_distance"):
        f1_points([[]], [[]], -1)
    with pytest.raises(ValueError, match="XB"):
        f1_points([[[0, 0]]], [[[0, 0, 0]]], 1)
