"""Calibration of probabilities, and their uncertainty."""

import numpy as np
import pytest
from scipy.special import expit, logit, softmax

from sskseg.inference import calibrate, fit_calibration, mutual_information, normalized_entropy
from sskseg.metrics import expected_calibration_error


def sparse_foreground(shape=(500, 400), share_logit=-4.0, seed=0):
    """Probabilities of a rare foreground, and labels drawn with them."""
    rng = np.random.default_rng(seed)
    p = expit(rng.normal(share_logit, 2.5, shape))
    return p, (rng.random(shape) < p).astype(int)


def distorted(p, slope, offset):
    return expit(slope * logit(p) + offset)[None].astype(np.float32)


@pytest.mark.parametrize("slope", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("offset", [0.0, 2.0])
def test_slope_and_offset_of_the_foreground_are_found(slope, offset):
    p, y = sparse_foreground()
    given = distorted(p, slope, offset)
    y[:10] = -1
    found = fit_calibration([given], [y], 1)
    # logits beyond those of a millionth are cut there
    assert found == pytest.approx([1 / slope, -offset / slope], abs=0.08)
    calibrated = calibrate(given, found)
    assert calibrated.dtype == np.float32
    assert np.allclose(calibrated[0], p, atol=0.03)


def test_probabilities_of_a_rare_foreground_sum_to_its_area():
    """No temperature does this: it leaves 0.5 where it is."""
    p, y = sparse_foreground()
    given = distorted(p, 1.0, 2.0)
    (calibrated,), (given,) = calibrate(given, fit_calibration([given], [y], 1)), given
    assert given.sum() > 2 * y.sum()
    assert calibrated.sum() == pytest.approx(y.sum(), rel=1e-3)
    assert expected_calibration_error(y, calibrated) < 0.003 < expected_calibration_error(y, given)


def test_slope_and_offsets_of_classes_are_found():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (3, 400, 400))
    p = softmax(logits, axis=0)
    y = (rng.random((400, 400)) > np.cumsum(p, axis=0)[:2]).sum(0)
    offsets = np.array([-1.0, 0.25, 0.75])
    given = softmax(2 * (logits - offsets[:, None, None]), axis=0).astype(np.float32)
    found = fit_calibration([given[:, :200], given[:, 200:]], [y[:200], y[200:]], 3)
    assert found == pytest.approx([0.5, *offsets], abs=0.05)
    calibrated = calibrate(given, found)
    assert np.allclose(calibrated.sum(axis=0), 1, atol=1e-6)
    assert calibrated.mean(axis=(1, 2)) == pytest.approx(np.bincount(y.ravel()) / y.size, abs=2e-3)


def test_a_class_without_labels_keeps_its_probability():
    rng = np.random.default_rng(0)
    p = softmax(rng.normal(0, 2, (3, 200, 200)), axis=0).astype(np.float32)
    y = (rng.random((200, 200)) < p[1] / (p[0] + p[1])).astype(int)
    slope, *offsets = fit_calibration([p], [y], 3)
    assert slope == pytest.approx(1, abs=0.05)
    assert offsets == pytest.approx([0, 0, 0], abs=0.05)


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("value", [-1, 0, 1])
def test_labels_of_one_kind_change_nothing(n_outputs, value):
    p = np.random.default_rng(0).random((n_outputs, 20, 20), dtype=np.float32)
    found = fit_calibration([p], [np.full((20, 20), value)], n_outputs)
    assert found.tolist() == [1.0] + [0.0] * n_outputs
    assert calibrate(p, found) is p
    assert fit_calibration([], [], n_outputs).tolist() == found.tolist()


def test_perfect_predictions_stay_so():
    y = np.arange(100).reshape(10, 10) % 2
    p = y[None].astype(np.float32)
    slope, offset = fit_calibration([p], [y], 1)
    assert 1 <= slope <= 4
    assert offset == pytest.approx(0, abs=0.1)
    assert np.allclose(calibrate(p, np.array([slope, offset])), p, atol=1e-5)


def test_entropy_and_mutual_information():
    sure, unsure = np.zeros((1, 2, 2), np.float32), np.full((1, 2, 2), 0.5, np.float32)
    assert normalized_entropy(sure).max() == 0
    assert normalized_entropy(unsure).min() == 1
    assert normalized_entropy(np.full((4, 2, 2), 0.25, np.float32)) == pytest.approx(1)
    assert mutual_information([sure, 1 - sure]) == pytest.approx(1)
    assert mutual_information([unsure, unsure]) == pytest.approx(0, abs=1e-6)
