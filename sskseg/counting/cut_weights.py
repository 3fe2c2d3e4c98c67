"""Which cuts between touching objects are right: a logistic regression on labeled objects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from ..morphology import CUT_FEATURES, Cuts, relabel

N_WEIGHTS = 1 + len(CUT_FEATURES)
_MIN_CUTS = 5  # right ones and wrong ones, at least
_MIN_SHARE = 0.3  # of an object, that a labeled object covers


def is_right(cuts: Cuts, weights: Sequence[float]) -> np.ndarray:
    """Decide which cuts separate two objects.

    Parameters
    ----------
    cuts : Cuts
        See `sskseg.morphology.find_cuts`.
    weights : sequence of float, shape (7,)
        The intercept, and a weight for each feature.

    Returns
    -------
    ndarray of bool, shape (n_cuts,)
    """
    return cuts.features @ np.asarray(weights[1:]) + weights[0] > 0


def fit_cut_weights(
    labels: Sequence[np.ndarray], cuts: Sequence[Cuts], objects: Sequence[np.ndarray]
) -> tuple[float, ...] | None:
    """Fit a logistic regression that decides which cuts are right.

    A cut is right if its two sides lie in different labeled objects, each in the one that covers
    most of it. Cuts of which a side is covered to less than 30 % do not count.

    Parameters
    ----------
    labels : sequence of ndarray of int, shape (*spatial)
        Label image of each sample.
    cuts : sequence of Cuts
        Their cuts.
    objects : sequence of ndarray of int, shape (*spatial)
        Labeled objects; -1 unlabeled, 0 background.

    Returns
    -------
    tuple of 7 floats, or None
        The intercept, and a weight for each feature; None for fewer than 5 right or wrong cuts.
    """
    parts = [_examples(*one) for one in zip(labels, cuts, objects, strict=True)]
    features = np.concatenate([features for features, _ in parts])
    right = np.concatenate([right for _, right in parts])
    if min(right.sum(), (~right).sum()) < _MIN_CUTS:
        return None
    scaler = StandardScaler().fit(features)
    model = LogisticRegression().fit(scaler.transform(features), right)
    weights = model.coef_[0] / scaler.scale_
    intercept = model.intercept_[0] - weights @ scaler.mean_
    return tuple(float(weight) for weight in (intercept, *weights))


def _examples(labels, cuts, objects):
    """Features of the cuts whose sides are labeled, and whether each cut is right."""
    if not len(cuts.pairs):
        return cuts.features, np.zeros(0, bool)
    known = relabel(np.maximum(objects, 0))
    n, n_known = int(labels.max()) + 1, int(known.max(initial=0)) + 1
    both = labels.ravel().astype(np.int64) * n_known + known.ravel()
    pairs, n_common = np.unique(both[labels.ravel() > 0], return_counts=True)
    label, covering = np.divmod(pairs, n_known)
    sizes = np.bincount(label, n_common, n)
    label, covering, n_common = (each[covering > 0] for each in (label, covering, n_common))
    order = np.argsort(n_common, kind="stable")  # the largest overlap is written last
    largest = np.zeros(n, np.int64)
    largest[label[order]] = covering[order]
    is_known = np.bincount(label, n_common, n) >= _MIN_SHARE * sizes
    counted = is_known[cuts.pairs].all(axis=1)
    sides = largest[cuts.pairs[counted]]
    return cuts.features[counted], sides[:, 0] != sides[:, 1]
