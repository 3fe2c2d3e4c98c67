"""Pairs of images and their contingency tables."""

from typing import NamedTuple

import numpy as np
from scipy import sparse


def as_pairs(y_true, y_pred):
    """Yield (true, predicted) arrays; a list on either side is a list of images.

    Raises
    ------
    ValueError
        If numbers or shapes differ, or a true image is not of integers or booleans: of
        probabilities, which are the other argument, everything above 0 would be foreground.
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
        if true.ndim == 0:
            raise ValueError(
                "A list is a list of images: y_true and y_pred must be arrays or lists of arrays, "
                f"got a list of {type(true[()]).__name__}."
            )
        if true.shape != pred.shape:
            raise ValueError(
                f"y_true and y_pred must have the same shape, got {true.shape} and {pred.shape} "
                f"(image {i})."
            )
        if true.dtype.kind not in "biu":
            raise ValueError(f"y_true must be a label image or a mask, got {true.dtype}.")
        yield true, pred


def as_stack(images, ndim):
    """List the images of a list, of an array of `ndim` axes (one image) or of a stack.

    Raises
    ------
    ValueError
        If an array has another number of axes.
    """
    if isinstance(images, (list, tuple)):
        return list(images)
    images = np.asarray(images)
    if images.ndim not in (ndim, ndim + 1):
        raise ValueError(
            f"Images must have {ndim} axes, or {ndim + 1} as a stack, got shape {images.shape}."
        )
    return [images] if images.ndim == ndim else list(images)


def check_mask(pred):
    """Raise ValueError if `pred` holds probabilities instead of a mask."""
    if pred.dtype.kind == "f":
        raise ValueError(
            f"y_pred must be masks or label images, got {pred.dtype}; apply a threshold to "
            "probabilities first."
        )


def check_probabilities(pred):
    """Raise ValueError if floating-point values are not in [0, 1]."""
    if pred.dtype.kind == "f" and pred.size and not (pred.min() >= 0 and pred.max() <= 1):
        raise ValueError(
            f"Probabilities must lie in [0, 1], got values from {pred.min()} to {pred.max()}."
        )


class Contingency(NamedTuple):
    """Number of pixels that each pair of labels shares.

    Parameters
    ----------
    true_ids, pred_ids : ndarray of int
        The labels that occur, sorted.
    rows, columns, overlaps : ndarray of int64
        Indices into the ids, and the number of shared pixels; pairs without a shared pixel are
        omitted. Memory is proportional to the number of pairs, whatever the ids.
    """

    true_ids: np.ndarray
    pred_ids: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    overlaps: np.ndarray

    @property
    def true_sizes(self):
        """Pixels of each true label, int64."""
        return _sums(self.rows, self.overlaps, len(self.true_ids))

    @property
    def pred_sizes(self):
        """Pixels of each predicted label, int64."""
        return _sums(self.columns, self.overlaps, len(self.pred_ids))


def contingency(true, pred, known):
    """Compute the contingency table of two label images over the known pixels.

    Parameters
    ----------
    true, pred : ndarray of int or bool, of one shape
        As `as_pairs` yields them.
    known : ndarray of bool
        Pixels to count.

    Returns
    -------
    Contingency

    Raises
    ------
    ValueError
        If `pred` is not of integers.
    """
    if pred.dtype.kind not in "biu":
        raise ValueError(f"y_pred must be a label image of integers, got {pred.dtype}.")
    whole = bool(known.all())
    true, pred = (x.ravel() if whole else x[known] for x in (true, pred))
    starts, lengths = _runs(true, pred)
    true_ids, t = _compact(true[starts])
    pred_ids, p = _compact(pred[starts])
    cells = len(true_ids) * len(pred_ids)
    if cells <= max(4 * t.size, 2**16):
        # Sums in float64 are exact up to 2**53 pixels.
        counts = np.bincount(t * len(pred_ids) + p, lengths, minlength=cells).astype(np.int64)
        shared = np.flatnonzero(counts)
        rows, columns = np.divmod(shared, max(1, len(pred_ids)))
        return Contingency(true_ids, pred_ids, rows, columns, counts[shared])
    shape = (len(true_ids), len(pred_ids))
    table = sparse.coo_array((lengths, (t, p)), shape=shape).tocsr()
    table.sum_duplicates()
    rows = np.repeat(np.arange(len(true_ids)), np.diff(table.indptr))
    return Contingency(true_ids, pred_ids, rows, table.indices.astype(np.int64), table.data)


def _runs(true, pred):
    """Starts and lengths of the runs of pixels in which neither image changes.

    Label images have far fewer runs than pixels, so that counting them is faster.
    """
    if true.size == 0:
        return np.zeros(0, np.intp), np.zeros(0, np.int64)
    changes = true[1:] != true[:-1]
    changes |= pred[1:] != pred[:-1]
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1])
    return starts, np.diff(starts, append=true.size)


def _compact(values):
    """The labels that occur, sorted, and for each value its index among them (int64)."""
    if values.size == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    if values.dtype == bool:
        values = values.view(np.uint8)
    low, high = int(values.min()), int(values.max())
    if high - low > 2 * values.size + 2**16:  # few labels of large numbers: sort
        ids, indices = np.unique(values, return_inverse=True)
        return ids, indices.astype(np.int64, copy=False)
    # the range is small, the numbers need not be: uint64 is shifted before it is converted
    wide = np.uint64 if values.dtype == np.uint64 else np.int64
    shifted = (values.astype(wide, copy=False) - wide(low)).astype(np.int64)
    present = np.bincount(shifted, minlength=high - low + 1) > 0
    ids = np.flatnonzero(present).astype(wide) + wide(low)
    return (ids, shifted) if present.all() else (ids, (np.cumsum(present) - 1)[shifted])


def _sums(index, values, n):
    """Exact sums of integers by group."""
    result = np.zeros(n, np.int64)
    np.add.at(result, index, values)
    return result
