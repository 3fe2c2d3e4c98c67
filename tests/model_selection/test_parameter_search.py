"""The search of parameters on a few labeled images, and intervals of counts."""

import numpy as np
import pytest

from sskseg.counting.candidates import min_size_candidates
from sskseg.model_selection.intervals import count_intervals, error_power, known_counts
from sskseg.model_selection.parameter_search import ParameterSearch


def search_of(errors, margin=1):
    """Search values 0, 1, ... with the errors of each sample (rows) at each value (columns)."""
    errors = np.asarray(errors, float)

    def evaluate(value):
        return errors[:, [value]], np.zeros(len(errors))

    candidates = {"value": range(errors.shape[1])}
    return ParameterSearch(
        evaluate, lambda statistics: float(statistics[0]), len(errors), {"value": 0}, ["value"],
        candidates, {"value": margin},
    )  # fmt: skip


def test_a_gain_on_all_samples_is_taken():
    assert search_of([[9, 5], [8, 5], [9, 4]]).search() == {"value": 1}


@pytest.mark.parametrize("n", range(2, 15))
def test_a_gain_of_one_sample_alone_is_not(n):
    assert search_of([[9, 8], *[[3, 3]] * (n - 1)]).search() == {"value": 0}


@pytest.mark.parametrize(("margin", "expected"), [(1, 1), (1.7, 1), (1.8, 0), (2, 0)])
def test_a_margin_is_in_standard_errors(margin, expected):
    gains = np.array([4, 0, 1, 1])  # their sum, 6, is 1.73 times its standard error
    errors = np.stack([[9, 9, 9, 9], 9 - gains], axis=1)
    assert search_of(errors, margin).search() == {"value": expected}


def test_a_noisy_best_does_not_hide_a_certain_second():
    noisy = [0, 0, 0, 15, 16, 16]
    assert search_of([[10, 8, value] for value in noisy]).search() == {"value": 1}


def test_a_second_pass_does_not_fall_back():
    """It compares with the value that the first one chose, so that the loss never rises."""
    losses = {(0, 0): [10] * 5, (1, 0): [9] * 5, (1, 1): [8] * 5, (0, 1): [0, 0, 0, 22, 30]}

    def evaluate(a, b):
        return np.array(losses[a, b], float)[:, None], np.zeros(5)

    search = ParameterSearch(
        evaluate, lambda statistics: float(statistics[0]), 5, {"a": 0, "b": 0}, ["a", "b", "a"],
        {"a": (0, 1), "b": (0, 1)},
    ).search  # fmt: skip
    assert search() == {"a": 1, "b": 1}


def test_the_standard_error_is_that_of_a_sum_of_paired_differences():
    one, other = np.array([[5.0], [3.0], [7.0]]), np.array([[6.0], [5.0], [7.0]])
    differences = (one - other)[:, 0]
    expected = np.sqrt(len(differences)) * differences.std(ddof=1)
    assert search_of(one)._standard_error(one, other) == pytest.approx(expected)


def test_of_a_single_sample_the_lowest_loss_wins():
    assert search_of([[9, 8, 7]]).search() == {"value": 2}


def test_the_search_is_restricted_to_given_samples():
    errors = [[9, 5], [8, 5], [1, 99]]
    assert search_of(errors).search(np.array([0, 1])) == {"value": 1}
    assert search_of(errors).search() == {"value": 0}


def test_intervals_contain_the_residuals_they_are_computed_from():
    true, found = (grid.ravel() for grid in np.meshgrid(np.arange(60.0), np.arange(60.0)))
    for t, f in zip(true, found, strict=True):
        low, high = count_intervals(np.array([f]), known_counts(np.array([t]), [f]), 0.5)[0]
        assert low <= t <= high
    # Rank 55 of 99, which is 55.00000000000001 in floating point.
    held_out = np.stack([np.arange(99.0), np.zeros(99)], axis=1)
    assert count_intervals(np.array([0]), held_out, 0.55).tolist() == [[0, 54]]


def errors_of(power, means, rng):
    """True and predicted counts whose errors grow with a power of the count."""
    predicted = np.round(means)
    errors = rng.laplace(size=len(means)) * (2 + (power == 0)) * (means / 20) ** power
    return np.stack([np.maximum(predicted + np.round(errors), 0), predicted], axis=1)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_errors_have_the_unit_that_fits_them(power):
    """Intervals hold at few and at many objects, not on average over both only."""
    rng, covered = np.random.default_rng(0), {20: [], 320: []}
    for _ in range(40):
        held_out = errors_of(power, np.exp(rng.uniform(np.log(5), np.log(640), 59)), rng)
        held_out[0] = 700, 700  # nothing is extrapolated
        for mean, shares in covered.items():
            new = errors_of(power, np.full(20, float(mean)), rng)
            low, high = count_intervals(new[:, 1], held_out, 0.9).T
            shares += ((low <= new[:, 0]) & (new[:, 0] <= high)).tolist()
    for shares in covered.values():
        assert 0.84 < np.mean(shares) < 0.96
    assert error_power(held_out) == power


@pytest.mark.parametrize(
    "held_out",
    [
        [[5, 5], [9, 9]],  # no error
        [[20, 22], [21, 20], [20, 25], [22, 20]],  # no range of counts
        [[20, 21], [300, 290]],  # too few
    ],
)
def test_errors_without_a_clear_unit_grow_with_the_square_root(held_out):
    assert error_power(np.array(held_out, float)) == 0.5


def test_intervals_above_the_counts_of_fit_warn():
    held_out = np.array([[20, 22], [25, 24], [30, 28]], float)
    count_intervals(np.array([0, 30]), held_out, 0.5)  # warnings are errors here
    with pytest.warns(
        UserWarning, match=r"2 of 3 predicted counts are above .* of fit, 30: up to 90"
    ):
        count_intervals(np.array([31, 12, 90]), held_out, 0.5)


def test_half_of_a_small_size_is_tried_first():
    first, *others = min_size_candidates(np.arange(50, 151))
    assert first == 26
    assert others == sorted(others)
    assert {0, 52} < set(others)


def test_few_objects_do_not_say_how_small_others_are():
    first, *others = min_size_candidates(np.arange(100, 149))
    assert first == 6  # a twentieth of the median
    assert {0, 50, 100} < set(others)
    assert min_size_candidates(np.empty(0, int)) == [0]
