"""Cross-validation of sections that are predicted with their neighbors."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv

from ..images import check_positions
from ..images.annotations import Annotations
from ._split import LabeledKFold
from .scorers import _final_step


def cross_val_sections(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    cv: Any = None,
    positions: ArrayLike | None = None,
    scoring: Any = None,
) -> np.ndarray:
    """Score an estimator of consecutive sections by cross-validation on a whole stack.

    Only labels are held out, not images: `sklearn.model_selection.cross_val_score` predicts the
    sections of a test fold without their neighbors, which is worse for candidates that read more of
    them.

    Parameters
    ----------
    estimator : object
        It is cloned.
    X : array-like of n_samples
        Sections.
    y : label images, points or Annotations of n_samples
    cv : int, cross-validation splitter or iterable of (train, test), default=None
        An integer is the number of folds of a `LabeledKFold`. None is 5.
    positions : array-like of int, shape (n_samples,), default=None
        Positions of the sections along z, passed to `fit` and to the scorer. None passes nothing.
    scoring : callable, default=None
        ``scoring(estimator, X, y, **params) -> float`` that leaves unlabeled samples out, such as
        `dice_scorer`. None is the `score` of the estimator.

    Returns
    -------
    scores : ndarray of float, shape (n_splits,)

    Notes
    -----
    In each split the estimator is fitted on all sections, of which those of the test fold are
    unlabeled; then all sections are predicted, and those of the test fold scored. Unlabeled images
    of the test fold may therefore be used for training, as are those of the sections that you want
    to predict.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg import LabeledKFold, SemiSupervisedSegmenter, cross_val_sections
    >>> from sskseg.datasets import make_cells
    >>> X, y = make_cells(n_samples=1, shape=(8, 32, 32), random_state=0)
    >>> segmenter = SemiSupervisedSegmenter(
    ...     sections="consecutive", semi_supervision=None, width=4, depth=1, max_steps=5,
    ...     random_state=0,
    ... )
    >>> cross_val_sections(segmenter, X[0], y[0], cv=LabeledKFold(2)).shape
    (2,)
    """
    params = {} if positions is None else {"positions": check_positions(positions, len(X))}
    target = getattr(_final_step(estimator), "target", "instances")
    annotations = y if isinstance(y, Annotations) else Annotations(y, target=target)
    cv = 5 if cv is None else cv
    splitter = LabeledKFold(int(cv)) if isinstance(cv, Integral) else check_cv(cv)
    scorer = check_scoring(estimator, scoring)
    scores = []
    for _, test in splitter.split(X, annotations):
        others = np.setdiff1d(np.arange(len(annotations)), test)
        model = clone(estimator).fit(X, _only(annotations, others), **params)
        scores.append(scorer(model, X, _only(annotations, test), **params))
    return np.array(scores, float)


def _only(annotations, indices):
    """Annotations of some samples; the others are unlabeled."""
    kept = set(np.asarray(indices).tolist())
    return Annotations(
        [item if i in kept else None for i, item in enumerate(annotations.y)],
        target=annotations.target,
        is_mask=annotations._mask_decision,  # that of the whole
        point_radius=annotations.point_radius,
        spacing=annotations.spacing,
        name=annotations.name,
    )
