"""Metrics of objects: true positives, false positives and false negatives."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from ._pairs import as_pairs, contingency

_UNMATCHED = 1e-9  # less than any IoU that matters, but not 0, which would be no edge


class Matches(NamedTuple):
    """Result of `match_instances`.

    Parameters
    ----------
    true_positives, false_positives, false_negatives : int
        Number of objects.
    iou_sum : float
        Sum of the IoU of the true positives.
    """

    true_positives: int
    false_positives: int
    false_negatives: int
    iou_sum: float


def match_instances(
    y_true: ArrayLike, y_pred: ArrayLike, threshold: float | Sequence[float] = 0.5
) -> Matches | list[Matches]:
    """Match objects one to one by intersection over union.

    Parameters
    ----------
    y_true : ndarray of int, or list of ndarray
        Different values > 0 are different objects, 0 background, -1 ignored. The objects of a
        list are pooled; each image is matched by itself.
    y_pred : ndarray of int, or list of ndarray
    threshold : float in (0, 1] or sequence of float, default=0.5
        Minimum IoU of a match. Above 0.5 at most one match is possible; at or below, the matching
        with the greatest sum of IoU is chosen.

    Returns
    -------
    Matches
        Or a list of them, one for each threshold of a sequence.

    Raises
    ------
    ValueError
        If shapes or numbers of images differ or `threshold` is out of range.
    """
    matches = _pooled(y_true, y_pred, np.atleast_1d(threshold))
    return matches[0] if np.ndim(threshold) == 0 else matches


def matched_objects(y_true: ArrayLike, y_pred: ArrayLike, threshold: float = 0.5) -> np.ndarray:
    """Find the pairs of objects that `match_instances` matches.

    Parameters
    ----------
    y_true, y_pred : ndarray of int
        One image; as in `match_instances`.
    threshold : float in (0, 1], default=0.5
        Minimum IoU of a match.

    Returns
    -------
    ids : ndarray of int, shape (n_matches, 2)
        True and predicted object of each match.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.metrics import matched_objects
    >>> matched_objects(np.array([[1, 1, 0, 2]]), np.array([[5, 5, 0, 0]]))
    array([[1, 5]])
    """
    _check_thresholds([threshold])
    ((true, pred),) = as_pairs([y_true], [y_pred])
    table = contingency(true, pred, true >= 0)
    true_sizes, pred_sizes, rows, columns, overlaps = _objects(table)
    iou = overlaps / (true_sizes[rows] + pred_sizes[columns] - overlaps)
    matched = _matched(rows, columns, iou, threshold)
    ids = [ids[ids > 0] for ids in (table.true_ids, table.pred_ids)]
    return np.stack([ids[0][rows[matched]], ids[1][columns[matched]]], axis=1).astype(np.int64)


def f1_instances(y_true: ArrayLike, y_pred: ArrayLike, threshold: float = 0.5) -> float:
    """Compute the F1 score of the objects, ``2 TP / (2 TP + FP + FN)``.

    Parameters
    ----------
    y_true, y_pred : ndarray of int, or list of ndarray
        As in `match_instances`.
    threshold : float in (0, 1], default=0.5
        Minimum IoU of a match.

    Returns
    -------
    float
        1 if neither holds an object.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.metrics import f1_instances
    >>> f1_instances(np.array([[1, 1, 0, 2]]), np.array([[5, 5, 0, 0]]))
    0.6666666666666666
    """
    (matches,) = _pooled(y_true, y_pred, [threshold])
    twice = 2 * matches.true_positives
    total = twice + matches.false_positives + matches.false_negatives
    return twice / total if total else 1.0


def average_precision(
    y_true: ArrayLike, y_pred: ArrayLike, thresholds: float | Sequence[float] = 0.5
) -> float | np.ndarray:
    """Compute the average precision of the Data Science Bowl 2018, ``TP / (TP + FP + FN)``.

    Parameters
    ----------
    y_true, y_pred
        As in `match_instances`.
    thresholds : float or sequence of float, default=0.5

    Returns
    -------
    float or ndarray of float
        One for each threshold; 1 if neither holds an object.

    References
    ----------
    .. [1] Caicedo et al. Nucleus segmentation across imaging experiments: the 2018 Data Science
       Bowl. Nature Methods 2019. :doi:`10.1038/s41592-019-0612-7`
    """
    matches = _pooled(y_true, y_pred, np.atleast_1d(thresholds))
    values = np.array([m[0] / sum(m[:3]) if sum(m[:3]) else 1.0 for m in matches])
    return float(values[0]) if np.ndim(thresholds) == 0 else values


def panoptic_quality(y_true: ArrayLike, y_pred: ArrayLike, threshold: float = 0.5) -> float:
    """Compute the panoptic quality: the mean IoU of the matched objects times their F1.

    Parameters
    ----------
    y_true, y_pred : ndarray of int, or list of ndarray
        As in `match_instances`.
    threshold : float in (0, 1], default=0.5
        Minimum IoU of a match.

    Returns
    -------
    float
        1 if neither holds an object.

    References
    ----------
    .. [1] Kirillov et al. Panoptic segmentation. CVPR 2019. :doi:`10.1109/CVPR.2019.00963`
    """
    (matches,) = _pooled(y_true, y_pred, [threshold])
    errors = matches.false_positives + matches.false_negatives
    total = matches.true_positives + 0.5 * errors
    return matches.iou_sum / total if total else 1.0


def _check_thresholds(thresholds):
    if any(not 0 < threshold <= 1 for threshold in thresholds):
        raise ValueError(f"threshold must be in (0, 1], got {list(thresholds)}.")


def _pooled(y_true, y_pred, thresholds):
    _check_thresholds(thresholds)
    totals = np.zeros((len(thresholds), 4))
    for true, pred in as_pairs(y_true, y_pred):
        table = contingency(true, pred, true >= 0)
        true_sizes, pred_sizes, rows, columns, overlaps = _objects(table)
        iou = overlaps / (true_sizes[rows] + pred_sizes[columns] - overlaps)
        for total, threshold in zip(totals, thresholds, strict=True):
            matched = iou[_matched(rows, columns, iou, threshold)]
            tp = len(matched)
            total += [tp, len(pred_sizes) - tp, len(true_sizes) - tp, matched.sum()]
    return [Matches(int(tp), int(fp), int(fn), float(iou)) for tp, fp, fn, iou in totals]


def _objects(table):
    """Sizes of the objects, and the overlaps of their pairs, without the background."""
    # Ids of 0 or less are background.
    first_true, first_pred = (int((ids <= 0).sum()) for ids in (table.true_ids, table.pred_ids))
    objects = (table.rows >= first_true) & (table.columns >= first_pred)
    return (
        table.true_sizes[first_true:],
        table.pred_sizes[first_pred:],
        table.rows[objects] - first_true,
        table.columns[objects] - first_pred,
        table.overlaps[objects],
    )


def _matched(true_indices, pred_indices, iou, threshold):
    """Indices of the matched pairs; pairs are sorted by true, then by predicted object."""
    good = np.flatnonzero(iou >= threshold)
    rows, columns, iou = true_indices[good], pred_indices[good], iou[good]
    if len(np.unique(rows)) == len(rows) and len(np.unique(columns)) == len(columns):
        return good
    # A sparse assignment: a true object may stay unmatched, in a column of its own, for next to
    # nothing.
    _, rows = np.unique(rows, return_inverse=True)
    _, columns = np.unique(columns, return_inverse=True)
    n, alone = rows.max() + 1, columns.max() + 1
    own = np.arange(n)
    values = np.concatenate([iou, np.full(n, _UNMATCHED)])
    places = np.concatenate([rows, own]), np.concatenate([columns, alone + own])
    table = coo_array((values, places), shape=(n, alone + n)).tocsr()
    _, matched = min_weight_full_bipartite_matching(table, maximize=True)
    real = np.flatnonzero(matched < alone)
    return good[np.searchsorted(rows * alone + columns, real * alone + matched[real])]
