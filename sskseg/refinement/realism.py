"""Realism: how well a classifier distinguishes refined images from real ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..proxies import probe_features


def realism(real: Sequence[np.ndarray], made: Sequence[np.ndarray]) -> float:
    """Compute a classifier two-sample test of patches: 1 for chance, 0 for no errors.

    Parameters
    ----------
    real, made : sequence of ndarray of one shape

    Returns
    -------
    float
        ``2 * (1 - balanced accuracy)``, at most 1, of cross-validated logistic regression on
        histogram and power spectrum.
    """
    patches = np.stack([*real, *made])
    # In units of the real patches, so that level and contrast count.
    low, high = np.mean(np.stack(real)), max(float(np.std(np.stack(real))), 1e-9)
    features = probe_features((patches - low) / high)
    answers = np.repeat([0, 1], [len(real), len(made)])
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    order = np.random.default_rng(0).permutation(len(answers))
    scores = cross_val_score(classifier, features[order], answers[order], cv=5,
                            scoring="balanced_accuracy")  # fmt: skip
    return float(min(1.0, 2 * (1 - scores.mean())))
