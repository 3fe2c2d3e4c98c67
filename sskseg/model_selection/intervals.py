"""Prediction intervals of counts from the errors on held-out samples."""

from __future__ import annotations

import warnings
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike

# Errors grow with a power of the count: the square root of it if objects err independently, the
# count itself if a share of them does, not at all if each image has the same debris.
_POWERS = (0.5, 0.0, 1.0)
_MIN_GAIN = 1.0  # of the log-likelihood, for another power than the first


def known_counts(true_counts: np.ndarray, counts: ArrayLike) -> np.ndarray:
    """Pair true and predicted counts of the samples whose true count is known.

    Parameters
    ----------
    true_counts : ndarray of float, shape (n_samples,)
        NaN where a count is unknown.
    counts : array-like of shape (n_samples,)
        Predicted.

    Returns
    -------
    ndarray of float, shape (n_known, 2)
        True and predicted counts.
    """
    known = np.isfinite(true_counts)
    predicted = np.asarray(counts, float)
    return np.stack([true_counts[known], predicted[known]], axis=1).astype(float)


def join_held_out(held_out: np.ndarray | None, further: np.ndarray) -> np.ndarray | None:
    """Append the counts of further held-out samples; None if there are none at all.

    Parameters
    ----------
    held_out : ndarray of shape (n_samples, 2), or None
    further : ndarray of shape (n_further, 2)

    Returns
    -------
    ndarray of shape (n_samples + n_further, 2), or None
    """
    joined = further if held_out is None else np.concatenate([held_out, further])
    return joined if len(joined) else None


def error_power(held_out: np.ndarray) -> float:
    """Choose the power of the count with which errors grow.

    Parameters
    ----------
    held_out : ndarray of float, shape (n_samples, 2)
        True and predicted counts.

    Returns
    -------
    {0.0, 0.5, 1.0}
        Errors are absolute, as the square root of the predicted count (plus one), or proportional
        to it.

    Notes
    -----
    The square root, unless the likelihood of the errors under a Laplace distribution of that scale
    is higher by a factor of e: on few images, or images of similar counts, the powers
    cannot be distinguished.
    """
    errors, scale = np.abs(held_out[:, 0] - held_out[:, 1]), np.log(held_out[:, 1] + 1)
    if not errors.any():
        return _POWERS[0]
    likelihoods = [
        -len(errors) * np.log(np.mean(errors * np.exp(-power * scale))) - power * scale.sum()
        for power in _POWERS
    ]
    best = int(np.argmax(likelihoods))
    return _POWERS[best if likelihoods[best] - likelihoods[0] > _MIN_GAIN else 0]


def count_intervals(counts: np.ndarray, held_out: np.ndarray | None, coverage: float) -> np.ndarray:
    """Compute prediction intervals of counts.

    Parameters
    ----------
    counts : ndarray of int, shape (n_samples,)
        Predicted.
    held_out : ndarray of float, shape (n_known, 2), or None
        True and predicted counts of held-out samples, as `ParameterSearch.held_out_counts` returns
        them.
    coverage : float in (0, 1)

    Returns
    -------
    ndarray of int64, shape (n_samples, 2)
        Lower and upper bounds.

    Raises
    ------
    ValueError
        If `coverage` is out of range, or needs more held-out samples.

    Warns
    -----
    UserWarning
        If a count is above all of `held_out`: how errors grow is then extrapolated.

    Notes
    -----
    Conformal prediction [1]_ by cross-validation: each sample of `InstanceCounter.fit` is counted
    with parameters searched on others, in five folds, and the interval extends from a count by the
    quantile of these errors, in units of ``(count + 1)**power``, see `error_power`. As long as the
    few parameters of the folds agree with the final ones, coverage is nearly that of split
    conformal prediction for samples that are exchangeable with those of `fit`; if they differed,
    there would be no guarantee (as for the cross-validation that [2]_ compares with). Nor is there
    one for images with more objects than those of `fit`.

    References
    ----------
    .. [1] Lei, G'Sell, Rinaldo, Tibshirani, Wasserman. Distribution-free predictive inference
       for regression. JASA 2018. :doi:`10.1080/01621459.2017.1307116`
    .. [2] Barber, Candes, Ramdas, Tibshirani. Predictive inference with the jackknife+. Annals
       of Statistics 2021. :doi:`10.1214/20-AOS1965`
    """
    if not isinstance(coverage, Real) or not 0 < coverage < 1:
        raise ValueError(f"coverage must be between 0 and 1, got {coverage!r}.")
    held_out = np.empty((0, 2)) if held_out is None else held_out
    rank = int(np.ceil((len(held_out) + 1) * coverage - 1e-9))
    if rank > len(held_out):
        raise ValueError(
            f"coverage={coverage} needs true counts of at least "
            f"{int(np.ceil(coverage / (1 - coverage) - 1e-9))} samples in fit, got "
            f"{len(held_out)}."
        )
    _warn_of_extrapolation(counts, int(held_out.max()), coverage)
    true, predicted = held_out.T
    power = error_power(held_out)
    residuals = np.sort(np.abs(true - predicted) / (predicted + 1) ** power)
    # The small term keeps a bound that rounding would move across an integer.
    half = residuals[rank - 1] * (counts + 1.0) ** power + 1e-9
    low, high = np.ceil(counts - half).clip(0), np.floor(counts + half)
    return np.stack([low, high], axis=1).astype(np.int64)


def _warn_of_extrapolation(counts, largest, coverage):
    """Warn if counts are above the largest of the held-out ones."""
    above = counts > largest
    if above.any():
        warnings.warn(
            f"{above.sum()} of {len(counts)} predicted counts are above the largest count of fit, "
            f"{largest}: up to {counts.max()}. Their {100 * coverage:g} % intervals are "
            "extrapolated, and may be too narrow or too wide. Fit the counter on images with as "
            "many objects.",
            UserWarning,
            stacklevel=4,
        )
