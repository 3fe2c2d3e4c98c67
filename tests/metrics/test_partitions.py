import itertools

import numpy as np
import pytest
from skimage.metrics import adapted_rand_error as skimage_adapted_rand_error
from skimage.metrics import variation_of_information as skimage_variation_of_information
from sklearn.metrics import rand_score

from sskseg.metrics import (
    adapted_rand_error,
    pixel_error,
    pixel_rand_error,
    rand_error,
    v_info,
    v_rand,
    variation_of_information,
)
from sskseg.metrics._pairs import contingency
from sskseg.metrics.partitions import foreground_scores

PARTITION_METRICS = [rand_error, adapted_rand_error, variation_of_information, pixel_rand_error]


def random_labels(seed, shape=(6, 9), most=4):
    rng = np.random.default_rng(seed)
    return rng.integers(0, most, shape), rng.integers(0, most, shape)


@pytest.mark.parametrize("shape", [(54,), (6, 9), (3, 6, 3)])
def test_they_equal_scikit_learns_and_scikit_images(shape):
    for seed in range(5):
        true, pred = random_labels(seed, shape)
        expected = 1 - rand_score(true.ravel(), pred.ravel())
        assert rand_error(true, pred) == pytest.approx(expected)
        assert adapted_rand_error(true, pred) == pytest.approx(
            skimage_adapted_rand_error(true, pred)[0]
        )
        assert variation_of_information(true, pred) == pytest.approx(
            sum(skimage_variation_of_information(true, pred))
        )


def test_they_equal_the_enumeration_of_pairs():
    for seed in range(5):
        true, pred = random_labels(seed)
        true[0, :4] = -1
        pixels = [(t, p) for t, p in zip(true.ravel(), pred.ravel(), strict=True) if t >= 0]
        pairs = list(itertools.combinations(pixels, 2))
        differ = [(a[0] == b[0]) != (a[1] == b[1]) for a, b in pairs]
        assert rand_error(true, pred) == pytest.approx(np.mean(differ))
        two = [((a[0] > 0) == (b[0] > 0)) != ((a[1] > 0) == (b[1] > 0)) for a, b in pairs]
        assert pixel_rand_error(true, pred) == pytest.approx(np.mean(two))
        inside = [(a, b) for a, b in pairs if a[0] > 0 and b[0] > 0]
        both = sum(a == b for a, b in inside)
        either = sum(a[0] == b[0] for a, b in inside), sum(a[1] == b[1] for a, b in inside)
        assert adapted_rand_error(true, pred) == pytest.approx(1 - 2 * both / sum(either))


def test_pixel_rand_error_is_a_function_of_the_pixel_error():
    true, pred = random_labels(0, (50, 50))
    wrong = pixel_error(true, pred)
    assert pixel_rand_error(true, pred) == pytest.approx(2 * wrong * (1 - wrong) * 2500 / 2499)
    # the pixel errors of the slides on membranes, and what they call Rand error
    for e, stated in [(0.0732, 0.1355), (0.0599, 0.1124), (0.0578, 0.1087), (0.0690, 0.1282)]:
        assert 2 * e * (1 - e) == pytest.approx(stated, abs=4e-4)


def foreground_rand_by_pairs(true, pred):
    """Ordered pairs of pixels, with themselves; a border pixel is an object of its own."""
    names = np.where(pred > 0, pred, -1 - np.arange(pred.size).reshape(pred.shape))
    pixels = [(t, p) for t, p in zip(true.ravel(), names.ravel(), strict=True) if t > 0]
    pairs = list(itertools.product(pixels, repeat=2))
    both = sum(a == b for a, b in pairs)
    merge = both / sum(a[1] == b[1] for a, b in pairs)
    split = both / sum(a[0] == b[0] for a, b in pairs)
    return 2 * merge * split / (merge + split), merge, split


def foreground_information_by_names(true, pred):
    names = np.where(pred > 0, pred, -1 - np.arange(pred.size).reshape(pred.shape))
    inside = true > 0

    def entropy(values):
        share = np.unique(values, return_counts=True, axis=0)[1] / inside.sum()
        return -(share * np.log(share)).sum()

    of_true, of_pred = entropy(true[inside]), entropy(names[inside])
    both = of_true + of_pred - entropy(np.stack([true[inside], names[inside]], axis=1))
    return 2 * both / (of_true + of_pred), both / of_true, both / of_pred


def test_foreground_scores_equal_the_enumeration():
    for seed in range(5):
        true, pred = random_labels(seed)
        true[2, :3] = -1
        rand, information = foreground_scores(true, pred)
        assert rand == pytest.approx(foreground_rand_by_pairs(true, pred))
        assert information == pytest.approx(foreground_information_by_names(true, pred))


def test_foreground_scores_by_hand():
    true = np.array([[1, 1, 2, 2], [0, 0, 0, -1]])
    merged = np.ones_like(true)
    rand, information = foreground_scores(true, merged)
    assert rand == pytest.approx((2 / 3, 0.5, 1.0))  # merge: sum of the squared true shares
    assert information == pytest.approx((0.0, 0.0, 1.0))
    split = np.array([[1, 2, 3, 4], [5, 5, 5, 5]])
    rand, information = foreground_scores(true, split)
    assert rand == pytest.approx((2 / 3, 1.0, 0.5))
    assert information == pytest.approx((2 / 3, 1.0, 0.5))


@pytest.mark.parametrize("metric", [*PARTITION_METRICS[:3], v_rand, v_info])
def test_ids_of_labels_do_not_matter(metric):
    true, pred = random_labels(3)
    names = np.array([0, 7, 2**40, 2**62 + 1])
    assert metric(names[true], names[pred]) == pytest.approx(metric(true, pred))
    big = np.array([0, 2**63 + 5, 2**63 + 6, 2**64 - 1], np.uint64)
    assert metric(big[true], big[pred]) == pytest.approx(metric(true, pred))


@pytest.mark.parametrize("metric", PARTITION_METRICS)
@pytest.mark.parametrize("shape", [(4, 5), (1, 1), (0, 3), (2, 3, 4)])
@pytest.mark.parametrize("value", [0, 1, -1])
def test_equal_partitions_have_no_error(metric, shape, value):
    image = np.full(shape, value)
    assert metric(image, np.maximum(image, 0)) == 0
    assert metric(image, np.ones(shape, int)) in (0, pytest.approx(0))


@pytest.mark.parametrize("metric", PARTITION_METRICS)
def test_lists_give_the_mean_and_mismatches_are_refused(metric):
    (a, b), (c, d) = random_labels(1), random_labels(2, (3, 3))
    assert metric([a, c], [b, d]) == pytest.approx((metric(a, b) + metric(c, d)) / 2)
    with pytest.raises(ValueError, match=r"got \(6, 9\) and \(3, 3\)"):
        metric(a, d)


@pytest.mark.parametrize("metric", PARTITION_METRICS[:3])
def test_probabilities_are_no_partition(metric):
    with pytest.raises(ValueError, match="y_pred must be a label image of integers, got float64"):
        metric(np.ones((2, 2), int), np.full((2, 2), 0.5))


def test_squares_do_not_overflow():
    # 2**32 pixels in one object have 2**64 pairs; a table stands for the image.
    from sskseg.metrics.partitions import _squares

    assert _squares(np.array([2**32, 2**32])) == 2**65


@pytest.mark.parametrize("most", [3, 3000])
def test_contingency_counts_every_pair(most):
    rng = np.random.default_rng(0)
    true, pred = rng.integers(0, most, 9000) * 7, rng.integers(0, most, 9000) + 2**50
    table = contingency(true, pred, np.ones(9000, bool))
    pairs, counts = np.unique(np.stack([true, pred], axis=1), axis=0, return_counts=True)
    found = np.stack([table.true_ids[table.rows], table.pred_ids[table.columns]], axis=1)
    assert np.array_equal(found, pairs)
    assert np.array_equal(table.overlaps, counts)
    assert np.array_equal(table.true_sizes, np.unique(true, return_counts=True)[1])
    assert np.array_equal(table.pred_sizes, np.unique(pred, return_counts=True)[1])
