"""Overlap of masks."""

import numpy as np

from ._pairs import as_pairs


def dice(y_true, y_pred):
    """Dice coefficient of the foreground, ``2 |A & B| / (|A| + |B|)``.

    Parameters
    ----------
    y_true : ndarray of int, or list of ndarray
        > 0 foreground, 0 background, -1 left out. Pixels of a list are pooled.
    y_pred : ndarray of bool or int, or list of ndarray
        > 0 foreground.

    Returns
    -------
    float
        1 where neither has foreground (or nothing is labelled).

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.metrics import dice
    >>> dice(np.array([1, 1, 0, -1]), np.array([1, 0, 0, 1]))
    0.6666666666666666
    """
    both, true, pred, _ = _counts(y_true, y_pred)
    return 2 * both / (true + pred) if true + pred else 1.0


def iou(y_true, y_pred):
    """Intersection over union of the foreground (Jaccard index).

    Parameters
    ----------
    y_true, y_pred : ndarray of int, or list of ndarray
        As in `dice`.

    Returns
    -------
    float
        1 where neither has foreground (or nothing is labelled).

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.metrics import iou
    >>> iou(np.array([1, 1, 0, -1]), np.array([1, 0, 0, 1]))
    0.5
    """
    both, true, pred, _ = _counts(y_true, y_pred)
    union = true + pred - both
    return both / union if union else 1.0


def pixel_error(y_true, y_pred):
    """Share of the labelled pixels whose class, foreground or background, is wrong.

    Parameters
    ----------
    y_true, y_pred : ndarray of int, or list of ndarray
        As in `dice`.

    Returns
    -------
    float
        0 where nothing is labelled.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.metrics import pixel_error
    >>> pixel_error(np.array([1, 1, 0, 0, -1]), np.array([1, 0, 0, 0, 1]))
    0.25
    """
    both, true, pred, known = _counts(y_true, y_pred)
    return (true + pred - 2 * both) / known if known else 0.0


def _counts(y_true, y_pred):
    """Pixels that are foreground in both, in y_true, in y_pred; labelled pixels."""
    total = np.zeros(4, dtype=np.int64)
    for true, pred in as_pairs(y_true, y_pred):
        known = true >= 0
        true, pred = true > 0, (pred > 0) & known
        total += [np.count_nonzero(x) for x in (true & pred, true, pred, known)]
    return total.tolist()
