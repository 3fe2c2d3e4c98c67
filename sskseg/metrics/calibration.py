"""Calibration of foreground probabilities."""

import numpy as np
from numpy.typing import ArrayLike

from ._pairs import as_pairs, check_probabilities


def expected_calibration_error(y_true: ArrayLike, y_proba: ArrayLike, *, n_bins: int = 15) -> float:
    """Compute the expected calibration error (ECE) of foreground probabilities.

    Pixels are binned by their probability, in bins of equal width. The error is the mean over the
    bins of the difference between mean probability and share of foreground, weighted by the number
    of pixels.

    Parameters
    ----------
    y_true : ndarray of int, or list of ndarray
        > 0 foreground, 0 background, -1 ignored. Pixels of a list are pooled.
    y_proba : ndarray of float, or list of ndarray
        Probabilities of the foreground, in [0, 1].
    n_bins : int, default=15

    Returns
    -------
    float in [0, 1]
        0 where nothing is labeled.

    Raises
    ------
    ValueError
        If shapes or numbers of images differ, `y_true` is floating, a probability is not in [0, 1],
        or `n_bins` is not positive.

    References
    ----------
    .. [1] Naeini, Cooper, Hauskrecht. Obtaining well calibrated probabilities using Bayesian
       binning. AAAI 2015. :doi:`10.1609/aaai.v29i1.9602`

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.metrics import expected_calibration_error
    >>> expected_calibration_error(np.array([1, 0, 1, -1]), np.array([0.5, 0.5, 1.0, 0.0]))
    0.0
    """
    n, probability, frequency = reliability_curve(y_true, y_proba, n_bins=n_bins)
    filled = n > 0
    errors = n[filled] * np.abs(probability[filled] - frequency[filled])
    return float(errors.sum() / max(n.sum(), 1))


def reliability_curve(
    y_true: ArrayLike, y_proba: ArrayLike, *, n_bins: int = 15
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute the reliability curve: the frequency of foreground by predicted probability.

    Parameters
    ----------
    y_true, y_proba, n_bins
        As in `expected_calibration_error`.

    Returns
    -------
    n_pixels : ndarray of int64, shape (n_bins,)
    probability, frequency : ndarray of float, shape (n_bins,)
        Mean probability and share of foreground of the pixels of each bin; NaN for an empty
        bin.

    Raises
    ------
    ValueError
        As `expected_calibration_error` does.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.metrics import reliability_curve
    >>> true, probability = np.array([1, 0, 1, -1]), np.array([0.25, 0.25, 1.0, 0.0])
    >>> reliability_curve(true, probability, n_bins=2)
    (array([2, 1]), array([0.25, 1.  ]), array([0.5, 1. ]))
    """
    if n_bins < 1:
        raise ValueError(f"n_bins must be positive, got {n_bins}.")
    sums, n = np.zeros((2, n_bins)), np.zeros(n_bins, np.int64)
    for true, probability in as_pairs(y_true, y_proba):
        known = true >= 0
        probability = probability[known].astype(np.float64)
        check_probabilities(probability)
        at = np.minimum((probability * n_bins).astype(np.intp), n_bins - 1)
        sums[0] += np.bincount(at, probability, n_bins)
        sums[1] += np.bincount(at, true[known] > 0, n_bins)
        n += np.bincount(at, minlength=n_bins)
    means = np.divide(sums, n, out=np.full(sums.shape, np.nan), where=n > 0)
    return n, means[0], means[1]
