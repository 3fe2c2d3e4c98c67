"""Points found, missed and invented."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist


def f1_points(y_true, y_pred, max_distance):
    """F1 of points that are matched one to one within a distance.

    Parameters
    ----------
    y_true, y_pred : list of array-like of shape (k, ndim)
        Points of each image, centroids of objects for example. The points of a list are pooled,
        each image matched by itself: as many pairs as possible, and of those matchings the one
        with the least sum of distances.
    max_distance : float
        Of a pair, in the unit of the points.

    Returns
    -------
    float
        ``2 TP / (2 TP + FP + FN)``; 1 where there is no point in either.

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
    found = total = 0
    for true, pred in zip(y_true, y_pred, strict=True):
        found += _matched(np.asarray(true, float), np.asarray(pred, float), max_distance)
        total += len(true) + len(pred)
    return 2 * found / total if total else 1.0


def _matched(true, pred, max_distance):
    if not true.size or not pred.size:
        return 0
    distance = cdist(true, pred)  # raises where the dimensions differ
    allowed = distance <= max_distance
    # A pair that is too far apart costs more than any other matching.
    cost = np.where(allowed, distance, (max_distance + 1) * (min(distance.shape) + 1))
    rows, columns = linear_sum_assignment(cost)
    return int(allowed[rows, columns].sum())
