"""Calibration of probabilities, and how uncertain predictions are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import logsumexp, xlogy

_MAX_PIXELS = 2**20
_SLOPES = (0.25, 4.0)
_OFFSETS = (-5.0, 5.0)


def identity_calibration(n_outputs: int) -> np.ndarray:
    """Return the slope and the offsets that change nothing.

    Parameters
    ----------
    n_outputs : int

    Returns
    -------
    ndarray of float64, shape (1 + n_outputs,)
    """
    return np.array([1.0] + [0.0] * n_outputs)


def calibrate(probabilities: np.ndarray, calibration: np.ndarray) -> np.ndarray:
    """Multiply the logits of probabilities by a slope, and add offsets.

    Parameters
    ----------
    probabilities : ndarray of shape (n_outputs, *spatial), float32
        One: of the foreground. More: of the classes.
    calibration : ndarray of shape (1 + n_outputs,)
        The slope, then the offset of each output, see `fit_calibration`.

    Returns
    -------
    ndarray of float32
        The probabilities themselves for a slope of 1 and offsets of 0.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.inference import calibrate
    >>> calibrate(np.array([[0.2, 0.5]], np.float32), np.array([1.0, np.log(4)])).round(2)
    array([[0.5, 0.8]], dtype=float32)
    """
    n_outputs = len(probabilities)
    if np.array_equal(calibration, identity_calibration(n_outputs)):
        return probabilities
    slope, *offsets = calibration.tolist()
    # In float32, rounding would depend on the position in the array.
    logits = _logits(torch.from_numpy(probabilities).double()) * slope
    logits += torch.tensor(offsets).view(-1, *(1,) * (logits.ndim - 1))
    return (logits.sigmoid() if n_outputs == 1 else logits.softmax(0)).float().numpy()


def normalized_entropy(probabilities: np.ndarray) -> np.ndarray:
    """Compute the entropy of each pixel, divided by that of equal probabilities.

    Parameters
    ----------
    probabilities : ndarray of shape (n_outputs, *spatial), float32

    Returns
    -------
    ndarray of shape (*spatial), float32
        In [0, 1].
    """
    if len(probabilities) == 1:
        probabilities = np.concatenate([probabilities, 1 - probabilities])
    entropy = -xlogy(probabilities, probabilities).sum(axis=0) / np.log(len(probabilities))
    return np.clip(entropy, 0, 1).astype(np.float32)


def mutual_information(predictions: Sequence[np.ndarray]) -> float:
    """Compute the entropy of the mean of several predictions less the mean of their entropies.

    Parameters
    ----------
    predictions : list of ndarray of shape (n_outputs, *spatial)

    Returns
    -------
    float
        Mean over the pixels, in units of the largest entropy.

    References
    ----------
    .. [1] Houlsby, Huszar, Ghahramani, Lengyel. Bayesian active learning for classification and
       preference learning. 2011. :doi:`10.48550/arXiv.1112.5745`
    """
    predictions = [prediction.astype(np.float32) for prediction in predictions]
    within = np.mean([normalized_entropy(prediction).mean() for prediction in predictions])
    return float(normalized_entropy(np.mean(predictions, axis=0)).mean() - within)


def fit_calibration(
    probabilities: Iterable[np.ndarray], labels: Iterable[np.ndarray], n_outputs: int
) -> np.ndarray:
    """Fit the slope and the offsets of logits with the lowest cross-entropy on held-out pixels.

    Of the foreground this is Platt scaling [1]_, of classes bias-corrected temperature scaling
    [2]_: one slope, the inverse of a temperature [3]_, and an offset for each class. The slope
    corrects probabilities that are all too near to 0 and 1, the offsets a share of the foreground
    that is larger in training patches than in images.

    Parameters
    ----------
    probabilities : iterable of ndarray of shape (n_outputs, *spatial)
    labels : iterable of ndarray of shape (*spatial)
        -1 is ignored; with one output > 0 is foreground.
    n_outputs : int

    Returns
    -------
    ndarray of float64, shape (1 + n_outputs,)
        The slope, in [0.25, 4], and the offset of each output. Offsets differ by at most 5 from
        that of the first class (the background), and the mean of those of classes is 0. Classes
        without a labeled pixel have the offset 0 and do not count. A slope of 1 and offsets of 0 if
        fewer than two classes are labeled.

    References
    ----------
    .. [1] Platt. Probabilistic outputs for support vector machines and comparisons to regularized
       likelihood methods. Advances in Large Margin Classifiers, MIT Press, 1999.
    .. [2] Alexandari, Kundaje, Shrikumar. Maximum likelihood with bias-corrected calibration is
       hard-to-beat at label shift adaptation. ICML 2020. :doi:`10.48550/arXiv.1901.06852`
    .. [3] Guo, Pleiss, Sun, Weinberger. On calibration of modern neural networks. ICML 2017.
       :doi:`10.48550/arXiv.1706.04599`
    """
    calibration = identity_calibration(n_outputs)
    parts = [_known(*pair) for pair in zip(probabilities, labels, strict=True)]
    if not parts:
        return calibration
    logits = np.concatenate([part[0] for part in parts], axis=1)
    present, target = np.unique(np.concatenate([part[1] for part in parts]), return_inverse=True)
    if len(present) < 2:
        return calibration
    step = -(-len(target) // _MAX_PIXELS)
    slope, offsets = _fit_logistic(logits[present, ::step], target[::step])
    calibration[0] = slope
    if n_outputs == 1:
        calibration[1] = offsets[1]
    else:
        calibration[1 + present] = offsets - offsets.mean()
    return calibration


def _fit_logistic(logits, target):
    """Slope, and offsets relative to that of the first class, of logits (n_classes, n_pixels)."""
    logits, n = logits.astype(np.float64), len(target)
    at = target, np.arange(n)

    def loss(parameters):
        slope, offsets = parameters[0], np.append(0.0, parameters[1:])
        scores = slope * logits + offsets[:, None]
        log_sums = logsumexp(scores, axis=0)
        excess = np.exp(scores - log_sums)
        excess[at] -= 1
        gradient = [(excess * logits).sum() / n, *excess[1:].mean(axis=1)]
        return (log_sums - scores[at]).mean(), np.array(gradient)

    n_offsets = len(logits) - 1
    start, bounds = np.array([1.0] + [0.0] * n_offsets), [_SLOPES, *[_OFFSETS] * n_offsets]
    # Rare classes have small gradients.
    options = {"ftol": 1e-12, "gtol": 1e-8}
    fit = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return fit.x[0], np.append(0.0, fit.x[1:])


def _known(probabilities, labels):
    """Logits (n_classes, n) and targets (n,) of labeled pixels; of two classes for one output."""
    known = labels >= 0
    logits = _logits(torch.from_numpy(probabilities[:, known])).numpy()
    if len(probabilities) > 1:
        return logits, labels[known].astype(np.intp)
    return np.concatenate([np.zeros_like(logits), logits]), (labels[known] > 0).astype(np.intp)


def _logits(probabilities):
    inside = probabilities.clamp(1e-6, 1 - 1e-6)
    return inside.logit() if len(probabilities) == 1 else inside.log()
