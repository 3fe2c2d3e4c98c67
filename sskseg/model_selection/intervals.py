"""Intervals of counts from the errors of held-out samples."""

from numbers import Real

import numpy as np


def scaled_errors(true_counts, counts):
    """Sorted errors of counts in units of ``sqrt(count + 1)``, where the true ones are known."""
    known = np.isfinite(true_counts)
    true_counts, counts = true_counts[known], np.asarray(counts)[known]
    return np.sort(np.abs(true_counts - counts) / np.sqrt(counts + 1))


def joined_errors(errors, true_counts, counts):
    """Sorted `errors` (None: there are none) and those of further counts; None without any."""
    more = scaled_errors(true_counts, counts)
    every = more if errors is None else np.sort(np.concatenate([errors, more]))
    return every if every.size else None


def count_intervals(counts, residuals, coverage):
    """The least and the greatest count that is likely.

    Parameters
    ----------
    counts : ndarray of int, shape (n_samples,)
    residuals : ndarray of float, or None
        As `Calibration.count_residuals` gives them.
    coverage : float in (0, 1)

    Returns
    -------
    ndarray of int64, shape (n_samples, 2)

    Raises
    ------
    ValueError
        If `coverage` is out of range, or wants more residuals.
    """
    if not isinstance(coverage, Real) or not 0 < coverage < 1:
        raise ValueError(f"coverage must be between 0 and 1, got {coverage!r}.")
    residuals = () if residuals is None else residuals
    rank = int(np.ceil((len(residuals) + 1) * coverage - 1e-9))
    if rank > len(residuals):
        raise ValueError(
            f"coverage={coverage} needs true counts of at least "
            f"{int(np.ceil(coverage / (1 - coverage) - 1e-9))} samples in fit, got "
            f"{len(residuals)}."
        )
    half = residuals[rank - 1] * np.sqrt(counts + 1) + 1e-9  # which rounding may have cost
    low, high = np.ceil(counts - half).clip(0), np.floor(counts + half)
    return np.stack([low, high], axis=1).astype(np.int64)
