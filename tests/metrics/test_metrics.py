import itertools

import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score

from sskseg.metrics import (
    adapted_rand_error,
    average_precision,
    count_error,
    dice,
    expected_calibration_error,
    f1_instances,
    iou,
    match_instances,
    matched_objects,
    panoptic_quality,
    pixel_error,
    pixel_rand_error,
    rand_error,
    soft_dice,
    soft_iou,
    warping_error,
)


def random_masks(seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(-1, 3, (20, 30)), rng.integers(0, 2, (20, 30))


def test_overlap_equals_scikit_learns():
    true, pred = random_masks()
    known = true >= 0
    t, p = true[known] > 0, pred[known] > 0
    assert dice(true, pred) == pytest.approx(f1_score(t, p))
    assert iou(true, pred) == pytest.approx(jaccard_score(t, p))
    assert pixel_error(true, pred) == pytest.approx((t != p).mean())


@pytest.mark.parametrize(("metric", "empty"), [(dice, 1), (iou, 1), (pixel_error, 0)])
def test_overlap_of_nothing(metric, empty):
    nothing = np.zeros((3, 3), int)
    assert metric(nothing, nothing) == empty
    assert metric(nothing - 1, nothing + 1) == empty
    assert metric(np.zeros((0, 3), int), np.zeros((0, 3), int)) == empty
    assert metric(np.ones((1, 1), int), np.ones((1, 1), int)) == empty


@pytest.mark.parametrize("average", ["macro", "weighted", None])
@pytest.mark.parametrize(("metric", "peer"), [(dice, f1_score), (iou, jaccard_score)])
def test_classes_equal_scikit_learns(metric, peer, average):
    rng = np.random.default_rng(0)
    true, pred = rng.integers(-1, 4, (9, 7, 5)), rng.integers(0, 4, (9, 7, 5))
    known = true >= 0
    expected = peer(true[known], pred[known], average=average)
    np.testing.assert_allclose(metric(true, pred, average=average), expected)
    halves = [true[:4], true[4:]], [pred[:4], pred[4:]]
    np.testing.assert_allclose(metric(*halves, average=average), expected)
    some = peer(true[known], pred[known], average=average, labels=[3, 1])
    np.testing.assert_allclose(metric(true, pred, average=average, classes=[3, 1]), some)


@pytest.mark.parametrize("metric", [dice, iou])
def test_absent_classes(metric):
    true, pred = np.array([0, 0, 2, -1]), np.array([0, 2, 2, 7])
    np.testing.assert_array_equal(metric(true, pred, average=None, classes=[5]), [1.0])
    assert metric(true, pred, average="weighted", classes=[5]) == 1.0
    assert len(metric(true, pred, average=None)) == 2  # 7 is where nothing is labeled
    with pytest.raises(ValueError, match="average must be .* got 'micro'"):
        metric(true, pred, average="micro")


def test_large_classes_do_not_cost_memory():
    true, pred = np.array([0, 2**40, 2**62]), np.array([0, 2**40, 0])
    np.testing.assert_allclose(iou(true, pred, average=None), [0.5, 1.0, 0.0])


def test_soft_scores_of_masks_are_the_hard_ones():
    true, pred = random_masks()
    assert soft_dice(true, pred.astype(float)) == pytest.approx(dice(true, pred))
    assert soft_iou(true, pred.astype(np.float32)) == pytest.approx(iou(true, pred))


def test_soft_scores_by_hand():
    true, pred = np.array([1, 1, 0, -1]), np.array([0.75, 0.25, 0.5, 1.0])
    assert soft_dice(true, pred) == pytest.approx(2 * 1.0 / (2 + 1.5))
    assert soft_iou([true, true], [pred, pred]) == pytest.approx(1.0 / (2 + 1.5 - 1.0))


@pytest.mark.parametrize("metric", [soft_dice, soft_iou])
@pytest.mark.parametrize("shape", [(3, 3), (1, 1), (0, 3)])
def test_soft_scores_of_nothing_and_of_no_probability(metric, shape):
    nothing = np.zeros(shape, int)
    assert metric(nothing, nothing.astype(float)) == 1
    assert metric(nothing - 1, nothing + 1.0) == 1
    if nothing.size:
        for value in (1.5, -0.5, np.nan):
            with pytest.raises(ValueError, match=r"must lie in \[0, 1\], got"):
                metric(nothing, nothing + value)


def test_lists_are_pooled_not_averaged():
    (a, b), (c, d) = random_masks(1), random_masks(2)
    c, d = c[:7], d[:7]
    pooled = dice(np.concatenate([a, c]), np.concatenate([b, d]))
    assert dice([a, c], [b, d]) == pytest.approx(pooled)


@pytest.mark.parametrize("metric", [dice, f1_instances])
def test_mismatches_are_refused(metric):
    with pytest.raises(ValueError, match=r"got \(2, 2\) and \(2, 3\)"):
        metric(np.zeros((2, 2), int), np.zeros((2, 3), int))
    with pytest.raises(ValueError, match="got 1 and 2"):
        metric([np.zeros((2, 2), int)], [np.zeros((2, 2), int)] * 2)


def brute_force(true, pred, threshold):
    """The matching with the most IoU, over all one-to-one assignments."""
    known = true >= 0
    true, pred = true[known], pred[known]
    a, b = (np.setdiff1d(np.unique(x), [0]) for x in (true, pred))
    table = np.array(
        [[((true == i) & (pred == j)).sum() / ((true == i) | (pred == j)).sum() for j in b]
         for i in a]
    ).reshape(len(a), len(b))  # fmt: skip
    table[table < threshold] = 0
    if len(a) > len(b):
        table = table.T
    best = max(
        (table[np.arange(len(table)), list(order)] for order in
         itertools.permutations(range(table.shape[1]), len(table))),
        key=lambda values: values.sum(),
    )  # fmt: skip
    found = (best > 0).sum()
    return found, len(b) - found, len(a) - found, best.sum()


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.5, 0.8])
def test_matches_equal_brute_force(seed, threshold):
    rng = np.random.default_rng(seed)
    true = np.repeat(rng.integers(-1, 4, (3, 5)), 3, axis=1)
    pred = np.where(rng.random(true.shape) < 0.7, true, rng.integers(0, 5, true.shape))
    pred = np.where(pred < 0, 4, pred)
    assert match_instances(true, pred, threshold) == pytest.approx(
        brute_force(true, pred, threshold)
    )


def test_ids_do_not_matter():
    true = np.random.default_rng(0).integers(0, 6, (10, 10))
    renamed = np.array([0, 2**40, 5, 3, 2**33, 9])[true]
    assert f1_instances(true, renamed, 1.0) == 1
    assert panoptic_quality(renamed, true) == 1


def test_objects_of_nothing():
    nothing = np.zeros((4, 4), int)
    something = nothing.copy()
    something[1, 1] = 3
    assert f1_instances(nothing, nothing) == average_precision(nothing, nothing) == 1
    assert f1_instances(nothing, something) == panoptic_quality(something, nothing) == 0
    assert f1_instances(nothing - 1, something) == 1


def test_average_precision_by_hand():
    true = np.array([[1, 1, 1, 1, 0, 2, 2, 0]])
    pred = np.array([[1, 1, 1, 0, 0, 2, 2, 3]])
    assert average_precision(true, pred) == pytest.approx(2 / 3)
    assert average_precision(true, pred, [0.5, 0.75, 0.8, 1.0]) == pytest.approx(
        [2 / 3, 2 / 3, 1 / 4, 1 / 4]
    )
    assert panoptic_quality(true, pred) == pytest.approx(1.75 / 2.5)
    with pytest.raises(ValueError, match=r"threshold must be in \(0, 1\]"):
        average_precision(true, pred, [0.5, 0])


def test_count_errors_by_hand():
    errors = count_error([10, 20, 0], [12, 17, 0])
    assert errors["bias"] == pytest.approx(-1 / 3)
    assert errors["mae"] == pytest.approx(5 / 3)
    assert errors["rmse"] == pytest.approx((13 / 3) ** 0.5)
    assert errors["wape"] == pytest.approx(5 / 30)
    assert count_error([3, 5], [3, 5])["concordance"] == 1
    assert count_error([4, 4], [4, 4])["concordance"] == 1
    assert count_error([0], [0])["wape"] == 0
    assert count_error([0, 0], [1, 2])["wape"] == 3


@pytest.mark.parametrize(
    ("true", "pred"), [([], []), ([1], [1, 2]), ([-1], [1]), ([np.nan], [1]), ([[1]], [[1]])]
)
def test_bad_counts_are_refused(true, pred):
    with pytest.raises(ValueError, match="ounts"):
        count_error(true, pred)


@pytest.mark.parametrize("metric", [dice, iou, pixel_error, pixel_rand_error])
def test_probabilities_are_no_mask(metric):
    with pytest.raises(ValueError, match="apply a threshold"):
        metric(np.array([1, 0]), np.array([0.9, 0.1]))


@pytest.mark.parametrize("metric", [dice, rand_error, f1_instances])
def test_a_list_is_a_list_of_images(metric):
    with pytest.raises(ValueError, match="got a list of int64"):
        metric([1, 1, 2, 2], [1, 1, 1, 1])


def test_many_objects_that_compete_need_little_memory():
    true = np.repeat(np.arange(1, 10001), 4)
    pred = np.roll(true, 2)
    matches = match_instances(true, pred, 0.3)
    assert matches[:3] == (10000, 0, 0)


def test_neighboring_ids_beyond_the_signed_range():
    true = np.array([2**63 + 5, 2**63 + 6, 2**63 + 6], np.uint64)
    assert adapted_rand_error(true, true) == 0
    assert iou(true, true, average="macro") == 1


def test_calibration_error_by_hand():
    true = np.array([1, 1, 0, 0, 1, -1])
    honest = np.array([0.5, 0.5, 0.5, 0.5, 1.0, 0.3])
    assert expected_calibration_error(true, honest) == pytest.approx(0)
    sure = np.array([0.9, 0.9, 0.9, 0.9, 1.0, 0.3])  # one bin: 0.92 on average, 0.6 of it true
    assert expected_calibration_error(true, sure, n_bins=5) == pytest.approx(4.6 / 5 - 3 / 5)
    assert expected_calibration_error([true, true], [honest, honest]) == pytest.approx(0)
    assert expected_calibration_error(np.array([-1]), np.array([0.2])) == 0
    for wrong in ({"y_proba": honest + 1}, {"n_bins": 0}):
        with pytest.raises(ValueError, match="0"):
            expected_calibration_error(**{"y_true": true, "y_proba": honest, **wrong})


def test_matched_objects_are_the_true_positives():
    rng = np.random.default_rng(0)
    for threshold in (0.2, 0.5, 0.9):
        true, pred = rng.integers(-1, 6, (2, 12, 12))
        pred[:6] = true[:6]
        pairs = matched_objects(true, pred, threshold)
        matches = match_instances(true, pred, threshold)
        assert len(pairs) == matches.true_positives
        overlaps = []
        for t, p in pairs:
            a, b = (true == t), (pred == p) & (true >= 0)
            overlaps.append((a & b).sum() / (a | b).sum())
        assert sum(overlaps) == pytest.approx(matches.iou_sum)
        assert all(overlap >= threshold for overlap in overlaps)
    ambiguous = matched_objects(np.array([1, 1, 0]), np.array([4, 9, 0]), 0.5)
    assert ambiguous.tolist() in ([[1, 4]], [[1, 9]])


@pytest.mark.parametrize(
    "metric",
    [dice, iou, pixel_error, soft_dice, soft_iou, expected_calibration_error, warping_error,
     f1_instances, rand_error],
)  # fmt: skip
@pytest.mark.parametrize("value", [0.3, np.nan])
def test_probabilities_are_no_truth(metric, value):
    """Of arguments in the wrong order, every pixel would be foreground, or of NaN unlabeled."""
    mask = np.eye(4, dtype=int)
    with pytest.raises(ValueError, match="y_true must be a label image or a mask, got float64"):
        metric(np.where(mask > 0, 1.0, value), mask)
