"""Images in pairs, and their contingency tables."""

import numpy as np


def as_pairs(y_true, y_pred):
    """Yield (true, predicted) arrays; a list on either side is a list of images.

    Raises
    ------
    ValueError
        Where numbers or shapes differ.
    """
    lists = isinstance(y_true, (list, tuple)), isinstance(y_pred, (list, tuple))
    if not any(lists):
        y_true, y_pred = [y_true], [y_pred]
    if len(y_true) != len(y_pred):
        raise ValueError(
            f"y_true and y_pred must have as many images, got {len(y_true)} and {len(y_pred)}."
        )
    for i, (true, pred) in enumerate(zip(y_true, y_pred, strict=True)):
        true, pred = np.asarray(true), np.asarray(pred)
        if true.shape != pred.shape:
            raise ValueError(
                f"y_true and y_pred must have the same shape, got {true.shape} and {pred.shape} "
                f"(image {i})."
            )
        yield true, pred


def contingency(true, pred):
    """How many pixels each pair of objects shares; pixels of -1 in `true` are left out.

    Parameters
    ----------
    true, pred : ndarray of int, of one shape

    Returns
    -------
    true_ids, pred_ids : ndarray of int
        Without the background.
    true_sizes, pred_sizes : ndarray of int64
        Pixels of each.
    rows, columns, overlaps : ndarray of int64
        Indices into the ids, and the pixels that the two share; pairs that share none are left
        out. Memory goes with the number of pairs, whatever the ids are.
    """
    known = true >= 0
    true_ids, t = np.unique(true[known], return_inverse=True)
    pred_ids, p = np.unique(pred[known], return_inverse=True)
    shared, overlaps = np.unique(t.astype(np.int64) * len(pred_ids) + p, return_counts=True)
    rows, columns = np.divmod(shared, max(1, len(pred_ids)))
    true_sizes = np.bincount(t, minlength=len(true_ids))
    pred_sizes = np.bincount(p, minlength=len(pred_ids))
    # ids of 0 or less are background
    first_true, first_pred = int((true_ids <= 0).sum()), int((pred_ids <= 0).sum())
    objects = (rows >= first_true) & (columns >= first_pred)
    return (
        true_ids[first_true:],
        pred_ids[first_pred:],
        true_sizes[first_true:],
        pred_sizes[first_pred:],
        rows[objects] - first_true,
        columns[objects] - first_pred,
        overlaps[objects],
    )
