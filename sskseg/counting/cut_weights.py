"""Which cuts between touching objects are right: a logistic regression on labeled objects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..morphology import CUT_FEATURES, Cuts, count_overlaps

N_WEIGHTS = 1 + len(CUT_FEATURES)
# Near those of the model "cells-simulated", fitted to simulated cells, whose objects are known
# without an error (decision 0013). The core has more weight: objects that a valley of it separates
# stay apart, however long the cut is, such as rods side by side.
DEFAULT_CUT_WEIGHTS = (4.0, -6.0, 6.0, -1.8, -2.0, -0.3, -0.3)
_MIN_CUTS = 5  # right ones and wrong ones, at least
_N_FOLDS = 5
_MIN_SHARE = 0.3  # of an object, that a labeled object covers


def wrong_cuts(cuts: Cuts, weights: Sequence[float]) -> np.ndarray:
    """Choose the cuts whose two sides are merged.

    Cuts are decided in the order of their certainty. Two objects are not merged, be it by a chain
    of wrong cuts, if a cut that is right and surer separates them.

    Parameters
    ----------
    cuts : Cuts
        See `sskseg.morphology.find_cuts`.
    weights : sequence of float, shape (7,)
        The intercept, and a weight for each feature.

    Returns
    -------
    ndarray of int, shape (n_wrong, 2)
        Labels of the sides.
    """
    scores = _scores(cuts.features, weights)
    parents: dict[int, int] = {}
    apart: dict[int, set[int]] = {}  # objects that a right cut separates from each merged object

    def root(label):
        while parents.get(label, label) != label:
            label = parents[label]
        return label

    merged = []
    for i in np.lexsort([*cuts.pairs.T[::-1], -np.abs(scores)]):
        first, second = (root(int(label)) for label in cuts.pairs[i])
        if first == second or second in apart.get(first, ()):
            continue
        if scores[i] > 0:
            apart.setdefault(first, set()).add(second)
            apart.setdefault(second, set()).add(first)
            continue
        merged.append(cuts.pairs[i])
        parents[second] = first
        for other in apart.pop(second, set()):
            apart[other].discard(second)
            apart[other].add(first)
            apart.setdefault(first, set()).add(other)
    return np.array(merged, dtype=cuts.pairs.dtype).reshape(-1, 2)


def fit_cut_weights(
    labels: Sequence[np.ndarray], cuts: Sequence[Cuts], objects: Sequence[np.ndarray]
) -> tuple[float, ...] | None:
    """Fit a logistic regression that decides which cuts are right.

    A cut is right if its two sides lie in different labeled objects, each in the one with which it
    shares most pixels. Cuts of which labeled objects cover less than 30 % of a side do not count.

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
        The intercept, and a weight for each feature. None for one sample, for fewer than 5 right or
        5 wrong cuts, and unless regressions that are fitted on other samples decide more cuts
        rightly than the default weights do, and than keeping all of them does.
    """
    parts = [_examples(*one) for one in zip(labels, cuts, objects, strict=True)]
    features = np.concatenate([features for features, _ in parts])
    right = np.concatenate([right for _, right in parts])
    sample = np.repeat(np.arange(len(parts)), [len(part) for part, _ in parts])
    if len(parts) < 2 or min(right.sum(), (~right).sum()) < _MIN_CUTS:
        return None
    if not _is_better(features, right, sample):
        return None
    scaler, model = _fit(features, right).named_steps.values()
    weights = model.coef_[0] / scaler.scale_
    intercept = model.intercept_[0] - weights @ scaler.mean_
    return tuple(float(weight) for weight in (intercept, *weights))


def _fit(features, right):
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(features, right)


def _is_better(features, right, sample):
    """Whether regressions that are fitted on other samples decide more cuts rightly than the
    default weights do, and than keeping all of them does.

    Without a margin: the search requires one for the objects that are found.
    """
    default = _scores(features, DEFAULT_CUT_WEIGHTS) > 0
    fold = sample % min(_N_FOLDS, int(sample.max()) + 1)
    decided = default.copy()
    for held_out in range(int(fold.max()) + 1):
        inside = fold == held_out
        if inside.any() and len({*right[~inside]}) == 2:
            decided[inside] = _fit(features[~inside], right[~inside]).predict(features[inside])
    return np.sum(decided == right) > max(np.sum(default == right), np.sum(right))


def _scores(features, weights):
    """Log-odds that each cut is right."""
    return features @ np.asarray(weights[1:]) + weights[0]


def _examples(labels, cuts, objects):
    """Features of the cuts whose sides are labeled, and whether each cut is right."""
    if not len(cuts.pairs):
        return cuts.features, np.zeros(0, bool)
    pairs, n_common = count_overlaps(labels, objects)
    label, covering = pairs.T
    sizes = np.bincount(labels.ravel())
    order = np.argsort(n_common, kind="stable")  # the largest overlap is written last
    largest = np.zeros(len(sizes), np.int64)
    largest[label[order]] = covering[order]
    is_known = np.bincount(label, n_common, len(sizes)) >= _MIN_SHARE * sizes
    counted = is_known[cuts.pairs].all(axis=1)
    sides = largest[cuts.pairs[counted]]
    return cuts.features[counted], sides[:, 0] != sides[:, 1]
