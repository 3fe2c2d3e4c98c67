"""Prediction intervals of counts from the residuals of held-out samples."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike


def scaled_residuals(true_counts: np.ndarray, counts: ArrayLike) -> np.ndarray:
    """Compute sorted absolute residuals of counts in units of ``sqrt(count + 1)``.

    Parameters
    ----------
    true_counts : ndarray of float, shape (n_samples,)
        NaN where a count is unknown; such samples are left out.
    counts : array-like of shape (n_samples,)
        Predicted.

    Returns
    -------
    ndarray of float, shape (n_known,)
    """
    known = np.isfinite(true_counts)
    predicted = np.asarray(counts)[known]
    return np.sort(np.abs(true_counts[known] - predicted) / np.sqrt(predicted + 1))


def extend_residuals(
    residuals: np.ndarray | None, true_counts: np.ndarray, counts: ArrayLike
) -> np.ndarray | None:
    """Add the residuals of further counts.

    Parameters
    ----------
    residuals : ndarray of float, or None
        Sorted, as `scaled_residuals` returns them; None if there are none yet.
    true_counts, counts
        As `scaled_residuals` takes them.

    Returns
    -------
    ndarray of float, or None
        Sorted; None if there are no residuals at all.
    """
    further = scaled_residuals(true_counts, counts)
    merged = further if residuals is None else np.sort(np.concatenate([residuals, further]))
    return merged if merged.size else None


def count_intervals(
    counts: np.ndarray, residuals: np.ndarray | None, coverage: float
) -> np.ndarray:
    """Compute prediction intervals of counts.

    Parameters
    ----------
    counts : ndarray of int, shape (n_samples,)
        Predicted.
    residuals : ndarray of float, or None
        Of held-out samples, as `ParameterSearch.count_residuals` returns them.
    coverage : float in (0, 1)

    Returns
    -------
    ndarray of int64, shape (n_samples, 2)
        Lower and upper bounds.

    Raises
    ------
    ValueError
        If `coverage` is out of range, or needs more residuals.

    Notes
    -----
    Conformal prediction [1]_ by cross-validation: each sample of `InstanceCounter.fit` is counted
    with parameters searched on others, in five folds, and the interval extends from a count by the
    quantile of these residuals, in units of ``sqrt(count + 1)``. As long as the few parameters of
    the folds agree with the final ones, coverage is nearly that of split conformal prediction; if
    they differed, nothing would be guaranteed (as for the cross-validation that [2]_ compares
    with).

    References
    ----------
    .. [1] Lei, G'Sell, Rinaldo, Tibshirani, Wasserman. Distribution-free predictive inference
       for regression. JASA 2018. :doi:`10.1080/01621459.2017.1307116`
    .. [2] Barber, Candes, Ramdas, Tibshirani. Predictive inference with the jackknife+. Annals
       of Statistics 2021. :doi:`10.1214/20-AOS1965`
    """
    if not isinstance(coverage, Real) or not 0 < coverage < 1:
        raise ValueError(f"coverage must be between 0 and 1, got {coverage!r}.")
    residuals = np.empty(0) if residuals is None else residuals
    rank = int(np.ceil((len(residuals) + 1) * coverage - 1e-9))
    if rank > len(residuals):
        raise ValueError(
            f"coverage={coverage} needs true counts of at least "
            f"{int(np.ceil(coverage / (1 - coverage) - 1e-9))} samples in fit, got "
            f"{len(residuals)}."
        )
    # The small term keeps a bound that rounding would move across an integer.
    half = residuals[rank - 1] * np.sqrt(counts + 1) + 1e-9
    low, high = np.ceil(counts - half).clip(0), np.floor(counts + half)
    return np.stack([low, high], axis=1).astype(np.int64)
