"""Realism: how well a classifier distinguishes refined images from real ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np
from scipy import ndimage as ndi
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..proxies import probe_features

_SIGMAS = (0.7, 1.4, 2.8, 5.6)  # pixels; bands lie between them
_MAX_MOMENT = 20.0


def spectrum_realism(real: Sequence[np.ndarray], made: Sequence[np.ndarray]) -> float:
    """Compute a classifier two-sample test of histogram and power spectrum.

    It is blind to structure: noise with the histogram and the spectrum of cells has a realism of 1.
    See `structure_realism`.

    Parameters
    ----------
    real, made : sequence of ndarray of one shape
        Patches that no network was trained on.

    Returns
    -------
    float
        ``2 * (1 - balanced accuracy)``, at most 1, of cross-validated logistic regression: 1 for
        chance, 0 for no errors.

    References
    ----------
    .. [1] Lopez-Paz, Oquab. Revisiting classifier two-sample tests. ICLR 2017.
       :doi:`10.48550/arXiv.1610.06545`
    """
    # In units of the real patches, so that level and contrast count.
    low, high = np.mean(np.stack(real)), max(float(np.std(np.stack(real))), 1e-9)
    values = probe_features((np.stack([*real, *made]) - low) / high)
    return _two_sample_test(values[: len(real)], values[len(real) :])


def structure_realism(real: Sequence[np.ndarray], made: Sequence[np.ndarray]) -> float:
    """Compute a classifier two-sample test of structure: edges, blobs, and what lies beside them.

    Its features depend on the phases of the Fourier transform, and neither on level and contrast
    nor, for Gaussian noise, on the power spectrum. See `spectrum_realism` for parameters and
    result.

    Parameters
    ----------
    real, made : sequence of ndarray of one shape

    Returns
    -------
    float
    """
    return realism_of_features(structure_features(real), made)


def realism_of_features(real: np.ndarray, made: Sequence[np.ndarray]) -> float:
    """Compute `structure_realism` from the `structure_features` of the real patches."""
    return _two_sample_test(real, structure_features(made))


def _two_sample_test(real, made):
    values = np.concatenate([real, made])
    answers = np.repeat([0, 1], [len(real), len(made)])
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    order = np.random.default_rng(0).permutation(len(answers))
    scores = cross_val_score(classifier, values[order], answers[order], cv=5,
                            scoring="balanced_accuracy")  # fmt: skip
    return float(min(1.0, 2 * (1 - scores.mean())))


def structure_features(patches: Sequence[np.ndarray]) -> np.ndarray:
    """Compute statistics of band-pass filtered patches that depend on their phases.

    Parameters
    ----------
    patches : sequence of n ndarray of shape (*spatial)

    Returns
    -------
    ndarray of shape (n, 18)
        Of each of three bands (differences of Gaussians, of variance 1): skewness, kurtosis, mean
        magnitude, and the variation of the magnitude at twice the scale. Of each pair of bands: the
        correlation of their magnitudes, and of the coarse band with the magnitude of the fine one.

    References
    ----------
    .. [1] Portilla, Simoncelli. A parametric texture model based on joint statistics of complex
       wavelet coefficients. IJCV 2000. :doi:`10.1023/A:1026553619983`
    """
    return np.stack([_statistics(patch.astype(np.float32)) for patch in patches])


def _statistics(patch):
    blurred = [ndi.gaussian_filter(patch, sigma) for sigma in _SIGMAS]
    bands = [_standardized(fine - coarse) for fine, coarse in pairwise(blurred)]
    sizes = [np.abs(band) for band in bands]
    features = []
    for band, size, sigma in zip(bands, sizes, _SIGMAS[1:], strict=True):
        moments = [np.mean(band**3), np.mean(band**4)]
        around = ndi.gaussian_filter(size, 2 * sigma)
        features += [*np.clip(moments, -_MAX_MOMENT, _MAX_MOMENT), size.mean(), around.std()]
    for fine, coarse in combinations(range(len(bands)), 2):
        magnitude = _standardized(sizes[fine])
        features += [
            np.mean(magnitude * _standardized(sizes[coarse])), np.mean(magnitude * bands[coarse])
        ]  # fmt: skip
    return np.array(features)


def _standardized(values):
    values = values - values.mean()
    return values / max(float(values.std()), 1e-9)
