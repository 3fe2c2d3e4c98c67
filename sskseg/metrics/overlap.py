"""Overlap of masks and of classes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ._pairs import as_pairs, check_mask, check_probabilities, contingency


def dice(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    average: str | None = "binary",
    classes: Sequence[int] | None = None,
) -> float | np.ndarray:
    """Compute the Dice coefficient, ``2 |A & B| / (|A| + |B|)``.

    Parameters
    ----------
    y_true : ndarray of int, or list of ndarray
        > 0 foreground, 0 background, -1 ignored; or classes, see `average`. Pixels of a list are
        pooled.
    y_pred : ndarray of bool or int, or list of ndarray
        > 0 foreground, or classes.
    average : {"binary", "macro", "weighted", None}, default="binary"
        "binary": score of the foreground. Otherwise each value >= 0 is a class: "macro" is the mean
        over the classes, "weighted" the mean weighted by their true frequencies, None returns one
        score for each class.
    classes : sequence of int, default=None
        Classes to score, unless `average` is "binary"; None: those that occur, sorted.

    Returns
    -------
    float, or ndarray of shape (n_classes,) for ``average=None``
        1 for a class that occurs in neither, and if nothing is labeled.

    Raises
    ------
    ValueError
        If shapes or numbers of images differ, `y_true` or `y_pred` is floating (apply a threshold
        first, or see `soft_dice`), or `average` is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.metrics import dice
    >>> dice(np.array([1, 1, 0, -1]), np.array([1, 0, 0, 1]))
    0.6666666666666666
    >>> dice(np.array([0, 0, 1, 2]), np.array([0, 0, 2, 2]), average=None)
    array([1.        , 0.        , 0.66666667])
    """
    return _score(_dice_of, y_true, y_pred, average, classes)


def iou(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    average: str | None = "binary",
    classes: Sequence[int] | None = None,
) -> float | np.ndarray:
    """Compute the intersection over union (Jaccard index).

    Parameters
    ----------
    y_true, y_pred, average, classes
        As in `dice`; ``average="macro"`` is the mean IoU.

    Returns
    -------
    float, or ndarray of shape (n_classes,) for ``average=None``
        1 for a class that occurs in neither, and if nothing is labeled.

    Raises
    ------
    ValueError
        As `dice`.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.metrics import iou
    >>> iou(np.array([1, 1, 0, -1]), np.array([1, 0, 0, 1]))
    0.5
    """
    return _score(_iou_of, y_true, y_pred, average, classes)


def soft_dice(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Compute the Dice coefficient of probabilities, ``2 sum(p t) / (sum p + sum t)``.

    Parameters
    ----------
    y_true : ndarray of int, or list of ndarray
        > 0 foreground, 0 background, -1 ignored. Pixels of a list are pooled.
    y_pred : ndarray of float, or list of ndarray
        Probabilities of the foreground, in [0, 1].

    Returns
    -------
    float in [0, 1]
        1 where both sums are 0.

    Raises
    ------
    ValueError
        If shapes or numbers of images differ, `y_true` is floating, or a probability is not in
        [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.metrics import soft_dice
    >>> soft_dice(np.array([1, 0, -1]), np.array([0.5, 0.5, 1.0]))
    0.5
    """
    both, true, pred = _soft_sums(y_true, y_pred)
    return _dice_of(both, true, pred)


def soft_iou(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Compute the intersection over union of probabilities.

    ``sum(p t) / (sum p + sum t - sum(p t))``

    Parameters
    ----------
    y_true, y_pred
        As in `soft_dice`.

    Returns
    -------
    float in [0, 1]
        1 where both sums are 0.

    Raises
    ------
    ValueError
        As `soft_dice`.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.metrics import soft_iou
    >>> round(soft_iou(np.array([1, 0, -1]), np.array([0.5, 0.5, 1.0])), 3)
    0.333
    """
    both, true, pred = _soft_sums(y_true, y_pred)
    return _iou_of(both, true, pred)


def pixel_error(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Compute the share of labeled pixels that are misclassified as foreground or background.

    Parameters
    ----------
    y_true : ndarray of int, or list of ndarray
        > 0 foreground, 0 background, -1 ignored. Pixels of a list are pooled.
    y_pred : ndarray of bool or int, or list of ndarray
        > 0 foreground.

    Returns
    -------
    float
        0 where nothing is labeled.

    Raises
    ------
    ValueError
        If shapes or numbers of images differ, or `y_true` or `y_pred` is floating.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.metrics import pixel_error
    >>> pixel_error(np.array([1, 1, 0, 0, -1]), np.array([1, 0, 0, 0, 1]))
    0.25
    """
    both, true, pred, known = _counts(y_true, y_pred)
    return (true + pred - 2 * both) / known if known else 0.0


def _dice_of(both, true, pred):
    return 2 * both / (true + pred) if true + pred else 1.0


def _iou_of(both, true, pred):
    union = true + pred - both
    return both / union if union else 1.0


def _score(score_of, y_true, y_pred, average, classes):
    if average not in ("binary", "macro", "weighted", None):
        raise ValueError(f"average must be 'binary', 'macro', 'weighted' or None, got {average!r}.")
    if average == "binary":
        both, true, pred, _ = _counts(y_true, y_pred)
        return score_of(both, true, pred)
    table = _class_counts(y_true, y_pred)
    classes = sorted(table) if classes is None else list(classes)
    counts = [table.get(int(number), (0, 0, 0)) for number in classes]
    scores = np.array([score_of(*count) for count in counts], dtype=float)
    if average is None:
        return scores
    weights = [true for _, true, _ in counts] if average == "weighted" else [1] * len(counts)
    return float(np.average(scores, weights=weights)) if sum(weights) else 1.0


def _class_counts(y_true, y_pred):
    """For each class its pixels in both, in y_true and in y_pred."""
    table: dict[int, tuple] = {}
    for true, pred in as_pairs(y_true, y_pred):
        pairs = contingency(true, pred, true >= 0)
        same = pairs.true_ids[pairs.rows] == pairs.pred_ids[pairs.columns]
        parts = (
            (pairs.true_ids[pairs.rows[same]], pairs.overlaps[same]),
            (pairs.true_ids, pairs.true_sizes),
            (pairs.pred_ids, pairs.pred_sizes),
        )
        for place, (numbers, sizes) in enumerate(parts):
            for number, size in zip(numbers.tolist(), sizes.tolist(), strict=True):
                counts = list(table.get(number, (0, 0, 0)))
                counts[place] += size
                table[number] = tuple(counts)
    return {number: counts for number, counts in table.items() if number >= 0}


def _soft_sums(y_true, y_pred):
    """Sums of p t, t and p over the labeled pixels."""
    total = np.zeros(3)
    for true, pred in as_pairs(y_true, y_pred):
        known = true >= 0
        true, pred = true[known] > 0, pred[known].astype(np.float64)
        check_probabilities(pred)
        total += [pred[true].sum(), np.count_nonzero(true), pred.sum()]
    return total.tolist()


def _counts(y_true, y_pred):
    """Pixels that are foreground in both, in y_true, in y_pred; labeled pixels."""
    total = np.zeros(4, dtype=np.int64)
    for true, pred in as_pairs(y_true, y_pred):
        check_mask(pred)
        known = true >= 0
        true, pred = true > 0, (pred > 0) & known
        total += [np.count_nonzero(x) for x in (true & pred, true, pred, known)]
    return total.tolist()
