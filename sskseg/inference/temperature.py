"""Temperature scaling, and how uncertain predictions are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from scipy.special import xlogy

_MAX_PIXELS = 2**20
_RANGE = (0.25, 4.0)


def scale_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Soften (> 1) or sharpen (< 1) probabilities; the most likely class stays the same.

    Parameters
    ----------
    probabilities : ndarray of shape (n_outputs, *spatial), float32
        One: of the foreground. More: of the classes.
    temperature : float

    Returns
    -------
    ndarray of float32
    """
    if temperature == 1.0:
        return probabilities
    logits = _logits(torch.from_numpy(probabilities)) / temperature
    scaled = logits.sigmoid() if len(probabilities) == 1 else logits.softmax(0)
    return scaled.numpy()


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


def fit_temperature(probabilities: Iterable[np.ndarray], labels: Iterable[np.ndarray]) -> float:
    """Fit the temperature with the lowest cross-entropy on held-out pixels.

    Parameters
    ----------
    probabilities : iterable of ndarray of shape (n_outputs, *spatial)
    labels : iterable of ndarray of shape (*spatial)
        -1 is ignored; with one output > 0 is foreground.

    Returns
    -------
    float
        Between 0.25 and 4; 1.0 if fewer than two classes are labeled.

    References
    ----------
    .. [1] Guo, Pleiss, Sun, Weinberger. On calibration of modern neural networks. ICML 2017.
       :doi:`10.48550/arXiv.1706.04599`
    """
    parts = [_known(*pair) for pair in zip(probabilities, labels, strict=True)]
    logits = torch.cat([part[0] for part in parts], 1)
    target = torch.cat([part[1] for part in parts])
    if len(target.unique()) < 2:
        return 1.0
    step = -(-len(target) // _MAX_PIXELS)
    logits, target = logits[:, ::step], target[::step]

    def loss(log_temperature):
        scaled = logits / np.exp(log_temperature)
        if len(logits) == 1:
            return float(F.binary_cross_entropy_with_logits(scaled[0], target.float()))
        return float(F.cross_entropy(scaled.T, target))

    return float(np.exp(minimize_scalar(loss, bounds=np.log(_RANGE), method="bounded").x))


def _known(probabilities, labels):
    """Logits (n_outputs, n) and targets (n,) of the labeled pixels."""
    known = labels >= 0
    target = labels[known] > 0 if len(probabilities) == 1 else labels[known]
    logits = _logits(torch.from_numpy(probabilities[:, known]))
    return logits, torch.from_numpy(target.astype(np.int64))


def _logits(probabilities):
    inside = probabilities.clamp(1e-6, 1 - 1e-6)
    return inside.logit() if len(probabilities) == 1 else inside.log()
