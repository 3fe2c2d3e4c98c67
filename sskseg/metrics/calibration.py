"""Whether probabilities mean what they say."""

import numpy as np

from ._pairs import as_pairs, check_probabilities


def expected_calibration_error(y_true, y_proba, *, n_bins=15):
    """Mean difference between the probability of the foreground and its frequency.

    Pixels are sorted into bins of equal width by their probability; the differences between the
    mean probability and the share of foreground of the bins are averaged, weighed by the numbers
    of their pixels.

    Parameters
    ----------
    y_true : ndarray of int, or list of ndarray
        > 0 foreground, 0 background, -1 left out. Pixels of a list are pooled.
    y_proba : ndarray of float, or list of ndarray
        Probabilities of the foreground, in [0, 1].
    n_bins : int, default=15

    Returns
    -------
    float in [0, 1]
        0 where nothing is labelled.

    Raises
    ------
    ValueError
        If shapes or numbers of images differ, a probability is not in [0, 1], or `n_bins` is not
        positive.

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
    if n_bins < 1:
        raise ValueError(f"n_bins must be positive, got {n_bins}.")
    sums = np.zeros((2, n_bins))
    known_pixels = 0
    for true, probability in as_pairs(y_true, y_proba):
        known = true >= 0
        probability = probability[known].astype(np.float64)
        check_probabilities(probability)
        at = np.minimum((probability * n_bins).astype(np.intp), n_bins - 1)
        sums[0] += np.bincount(at, probability, n_bins)
        sums[1] += np.bincount(at, true[known] > 0, n_bins)
        known_pixels += probability.size
    return float(np.abs(sums[0] - sums[1]).sum() / max(known_pixels, 1))
