"""Metrics of points."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist


def f1_points(
    y_true: Sequence[ArrayLike], y_pred: Sequence[ArrayLike], max_distance: float
) -> float:
    """Compute the F1 score of points, matched one to one within a distance.

    Parameters
    ----------
    y_true, y_pred : list of array-like of shape (k, ndim)
        Points of each image, centroids of objects for example. The points of a list are pooled;
        each image is matched by itself: as many pairs as possible, with the smallest sum of
        distances.
    max_distance : float
        Maximum distance of a pair, in the unit of the points.

    Returns
    -------
    float
        ``2 TP / (2 TP + FP + FN)``; 1 if neither holds a point.

    Raises
    ------
    ValueError
        If the numbers of images differ, the points of an image have different dimensions, or
        `max_distance` is negative.

    Examples
    --------
    >>> from sskseg.metrics import f1_points
    >>> f1_points([[[0, 0], [5, 5]]], [[[1, 0], [9, 9]]], max_distance=2)
    0.5
    """
    if len(y_true) != len(y_pred):
        raise ValueError(
            "y_true and y_pred must have the same number of images, got "
            f"{len(y_true)} and {len(y_pred)}."
        )
    if not max_distance >= 0:
        raise ValueError(f"max_distance must not be negative, got {max_distance}.")
    true_positives = total = 0
    for true, pred in zip(y_true, y_pred, strict=True):
        true, pred = np.asarray(true, float), np.asarray(pred, float)
        true_positives += _n_matched(true, pred, max_distance)
        total += len(true) + len(pred)
    return 2 * true_positives / total if total else 1.0


def _n_matched(true, pred, max_distance):
    if not true.size or not pred.size:
        return 0
    distance = cdist(true, pred)  # raises where the dimensions differ
    allowed = distance <= max_distance
    # A pair that is too far apart costs more than any other matching.
    cost = np.where(allowed, distance, (max_distance + 1) * (min(distance.shape) + 1))
    rows, columns = linear_sum_assignment(cost)
    return int(allowed[rows, columns].sum())
