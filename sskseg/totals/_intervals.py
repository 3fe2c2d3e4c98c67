"""Intervals of means of weighted errors: symmetric bootstrap-t, and its coverage in simulation."""

from __future__ import annotations

import numpy as np
from scipy import stats

N_BOOTSTRAP = 999
N_SIMULATED = 400
_N_INNER = 199
# Resampling few audits prints too little: with 10, up to 4 points below that of 2,000 draws.
# The nominal coverage counts as much as this number of audits.
_PRIOR_AUDITS = 8


def standard_error(values: np.ndarray) -> np.ndarray:
    """Return the standard error of the mean along the last axis: exactly 0 of equal values."""
    error = values.std(axis=-1, ddof=1) / np.sqrt(values.shape[-1])
    # Rounding makes the mean of equal values differ from them.
    is_equal = np.ptp(values, axis=-1) <= 1e-9 * np.abs(values).max(axis=-1)
    return np.where(is_equal, 0.0, error)


def half_width(values: np.ndarray, confidence: float, rng: np.random.Generator) -> float:
    """Return half of the interval of the mean of `values`, shape (k,)."""
    factor = _critical(values[None], confidence, N_BOOTSTRAP, rng)[0]
    return float(factor * standard_error(values))


def simulate_coverage(values: np.ndarray, confidence: float, rng: np.random.Generator) -> float:
    """Return the share of intervals that hold the mean, of samples from `values`, shrunk to
    `confidence`."""
    samples = rng.choice(values, (N_SIMULATED, len(values)))
    half = _critical(samples, confidence, _N_INNER, rng) * standard_error(samples)
    share = np.mean(np.abs(samples.mean(axis=1) - values.mean()) <= half + 1e-9)
    k = len(values)
    return float((k * share + _PRIOR_AUDITS * confidence) / (k + _PRIOR_AUDITS))


def _critical(samples, confidence, n_bootstrap, rng):
    """Return for each row of samples how many standard errors half of the interval has."""
    k = samples.shape[1]
    # How often each value is in each resample, which all rows share.
    times = rng.multinomial(k, np.full(k, 1 / k), n_bootstrap).T
    centered = samples - samples.mean(axis=1, keepdims=True)
    shift, square = centered @ times / k, centered**2 @ times / k
    variance = square - shift**2
    # Resamples of equal values have no standard error; they say nothing of the distribution of t.
    is_known = variance > 1e-9 * (centered**2).mean(axis=1, keepdims=True)
    error = np.sqrt(variance / (k - 1), where=is_known, out=np.ones_like(variance))
    t = np.where(is_known, np.abs(shift) / error, 0)
    return np.maximum(np.quantile(t, confidence, axis=1), stats.t.ppf((1 + confidence) / 2, k - 1))
