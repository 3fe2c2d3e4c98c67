"""Scorers that know of unlabeled samples, for ``scoring=``."""

import numpy as np

from ..images import unwrap
from ..metrics import count_error, dice
from ._split import _check_lengths, _is_labeled


def dice_scorer(estimator, X, y, **params):
    """Mean foreground Dice coefficient over the labeled samples, for ``scoring=``.

    Parameters
    ----------
    estimator : object
        Its `predict` gives masks or label images.
    X : array-like
    y : label images
        -1 is left out.
    **params
        Handed to `predict` (``positions``).

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If nothing is labeled.
    """
    _check_lengths(X, y)
    predicted = estimator.predict(X, **params)
    pairs = [(t, p) for t, p in zip(unwrap(y), predicted, strict=True) if _is_labeled(t)]
    if not pairs:
        raise ValueError("y labels nothing: every pixel of all samples is -1.")
    return float(np.mean([dice(np.asarray(true), pred) for true, pred in pairs]))


def count_scorer(estimator, X, y, **params):
    """``1 - sum |error| / sum`` of the counts, for ``scoring=``.

    Parameters
    ----------
    estimator : object
        Its `predict` gives counts.
    X : array-like
    y : counts of shape (n_samples,), label images, or points
        Whose objects are counted; label images with unlabeled pixels are left out. Points are a
        list of arrays of shape (k, spatial_ndim), and None for unlabeled samples.
    **params
        Handed to `predict` (``positions``).

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If no sample is fully labeled.
    """
    _check_lengths(X, y)
    predicted = np.asarray(estimator.predict(X, **params))
    true = [_count(label, image) for label, image in zip(unwrap(y), unwrap(X), strict=True)]
    known = [i for i, count in enumerate(true) if count is not None]
    if not known:
        raise ValueError("y labels no sample completely, so that its objects can be counted.")
    return 1 - count_error([true[i] for i in known], predicted[known])["wape"]


def _count(label, image):
    """Objects of a label image, points, or the count itself; None where something is unlabeled."""
    if label is None:
        return None
    if np.ndim(label) > 0 and np.shape(label) != np.shape(image)[: np.ndim(label)]:
        return float(len(label))  # points
    if np.min(label) < 0:
        return None
    if np.ndim(label) == 0:
        return float(label)
    ids = np.unique(label)
    return float((ids > 0).sum())
