"""Errors of counts."""

import numpy as np
from numpy.typing import ArrayLike


def count_error(y_true: ArrayLike, y_pred: ArrayLike) -> dict[str, float]:
    """Compute errors of counts.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        Counts, not negative.

    Returns
    -------
    dict of str to float
        ``bias`` (mean of predicted minus true), ``mae``, ``rmse``, ``wape`` (sum of the absolute
        errors over the sum of the true counts, or over one object if there is none) and
        ``concordance`` (Lin's coefficient [1]_; 1 where all are equal).

    Raises
    ------
    ValueError
        If shapes differ, there is no sample, or a count is negative or not finite.

    References
    ----------
    .. [1] Lin. A concordance correlation coefficient to evaluate reproducibility. Biometrics
       1989. :doi:`10.2307/2532051`

    Examples
    --------
    >>> from sskseg.metrics import count_error
    >>> count_error([10, 20], [11, 18])["wape"]
    0.1
    """
    true, pred = np.asarray(y_true, dtype=float), np.asarray(y_pred, dtype=float)
    if true.shape != pred.shape or true.ndim != 1 or true.size == 0:
        raise ValueError(
            "y_true and y_pred must be counts of shape (n_samples,) of at least one sample, got "
            f"shapes {true.shape} and {pred.shape}."
        )
    if not (np.isfinite(true).all() and np.isfinite(pred).all()) or min(true.min(), pred.min()) < 0:
        raise ValueError("Counts must be finite and not negative.")
    error = pred - true
    absolute, total = float(np.abs(error).sum()), float(true.sum())
    spread = true.var() + pred.var() + (true.mean() - pred.mean()) ** 2
    covariance = ((true - true.mean()) * (pred - pred.mean())).mean()
    return {
        "bias": float(error.mean()),
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "wape": absolute / (total or 1.0),
        "concordance": float(2 * covariance / spread) if spread else 1.0,
    }
