"""Agreement of two partitions of the pixels: Rand index and information."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ._pairs import as_pairs, check_mask, contingency


class PartitionScore(NamedTuple):
    """A score that combines merge and split errors.

    Parameters
    ----------
    f_score : float in [0, 1]
        Harmonic mean of `merge` and `split`.
    merge : float in [0, 1]
        Precision; lower if objects are merged.
    split : float in [0, 1]
        Recall; lower if objects are split.
    """

    f_score: float
    merge: float
    split: float


def rand_error(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Compute the Rand error: one minus the Rand index.

    It is the share of pixel pairs that are in the same cluster in only one of the two images.

    Parameters
    ----------
    y_true : ndarray of int, or list of ndarray
        Label image of any dimension: each value >= 0 is one cluster, including the background; -1
        is ignored. A list gives the mean over its images.
    y_pred : ndarray of int, or list of ndarray
        Label image; each value is one cluster.

    Returns
    -------
    float in [0, 1]
        0 where there are fewer than two pixels.

    Notes
    -----
    With `n` labeled pixels, `n_ij` of them with labels `i` and `j`, and sums `a_i` and `b_j`, it
    is ``(sum a_i^2 + sum b_j^2 - 2 sum n_ij^2) / (n (n - 1))``.

    References
    ----------
    .. [1] Rand. Objective criteria for the evaluation of clustering methods. JASA 1971.
       :doi:`10.1080/01621459.1971.10482356`

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.metrics import rand_error
    >>> rand_error(np.array([1, 1, 2, 2]), np.array([1, 1, 1, 1]))
    0.6666666666666666
    """
    return _mean(_rand_error, y_true, y_pred)


def pixel_rand_error(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Compute the Rand error with foreground and background as the only two clusters.

    It is a function of the pixel error `e` over `n` pixels, ``2 e (1 - e) n / (n - 1)``. Some
    publications on membranes report it as "Rand error"; it ignores objects and must not be compared
    with `rand_error`.

    Parameters
    ----------
    y_true : ndarray of int, or list of ndarray
        > 0 foreground, 0 background, -1 ignored. A list gives the mean over its images.
    y_pred : ndarray of bool or int, or list of ndarray
        > 0 foreground.

    Returns
    -------
    float in [0, 1]
        0 where there are fewer than two pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.metrics import pixel_rand_error
    >>> pixel_rand_error(np.array([1, 1, 0, 0]), np.array([1, 0, 0, 0]))
    0.5
    """

    def error(true, pred):
        check_mask(pred)
        return _rand_error(np.where(true < 0, -1, true > 0), pred > 0)

    return _mean(error, y_true, y_pred)


def adapted_rand_error(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Compute the adapted Rand error: one minus the F-score of pixel pairs inside true objects.

    Parameters
    ----------
    y_true : ndarray of int, or list of ndarray
        Label image of any dimension: different values > 0 are different objects; 0 (background) and
        -1 are ignored. A list gives the mean over its images.
    y_pred : ndarray of int, or list of ndarray
        Label image; 0 is one more cluster.

    Returns
    -------
    float in [0, 1]
        0 where no two pixels belong to one object in either image.

    References
    ----------
    .. [1] Arganda-Carreras et al. Crowdsourcing the creation of image segmentation algorithms for
       connectomics. Frontiers in Neuroanatomy 2015. :doi:`10.3389/fnana.2015.00142`

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.metrics import adapted_rand_error
    >>> adapted_rand_error(np.array([1, 1, 2, 2, 0]), np.array([1, 1, 1, 1, 7]))
    0.5
    """
    return _mean(_adapted_rand_error, y_true, y_pred)


def variation_of_information(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Compute the variation of information ``H(pred | true) + H(true | pred)``, in bits.

    Parameters
    ----------
    y_true, y_pred
        As in `rand_error`: every value >= 0 is one cluster, including the background.

    Returns
    -------
    float, not negative
        0 where the partitions are equal or nothing is labeled.

    References
    ----------
    .. [1] Meila. Comparing clusterings: an information based distance. Journal of Multivariate
       Analysis 2007. :doi:`10.1016/j.jmva.2006.11.013`

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.metrics import variation_of_information
    >>> variation_of_information(np.array([1, 1, 2, 2]), np.array([1, 1, 1, 1]))
    1.0
    """
    return _mean(_variation_of_information, y_true, y_pred)


def foreground_scores(true: np.ndarray, pred: np.ndarray) -> tuple[PartitionScore, PartitionScore]:
    """Compute Rand and information scores restricted to the true foreground of one image.

    Parameters
    ----------
    true : ndarray of int
        > 0 objects; pixels of 0 or -1 are ignored.
    pred : ndarray of int
        > 0 objects; each pixel of 0 counts as an object of its own, so that borders that are too
        thick cost little.

    Returns
    -------
    rand, information : PartitionScore
        All 1 where `true` has no object.
    """
    known = true > 0
    n = int(np.count_nonzero(known))
    if n == 0:
        return PartitionScore(1.0, 1.0, 1.0), PartitionScore(1.0, 1.0, 1.0)
    table = contingency(true, pred, known)
    inside = table.pred_ids > 0
    alone = int(table.pred_sizes[~inside].sum())
    joint = table.overlaps[inside[table.columns]]
    parts = table.true_sizes, table.pred_sizes[inside], joint
    return _rand_score(*parts, alone, n), _information_score(*parts, alone, n)


def _rand_score(true, pred, joint, alone, n):
    together = _squares(joint) + alone
    merge, split = together / (_squares(pred) + alone), together / _squares(true)
    return PartitionScore(2 * merge * split / (merge + split), merge, split)


def _information_score(true, pred, joint, alone, n):
    of_true = _entropy(true, n)
    of_pred = _entropy(pred, n) + alone / n * np.log(n)
    of_both = _entropy(joint, n) + alone / n * np.log(n)
    information = max(0.0, of_true + of_pred - of_both)
    # A single object has no entropy: no information can be lost.
    merge = information / of_true if of_true > 0 else 1.0
    split = information / of_pred if of_pred > 0 else 1.0
    total = of_true + of_pred
    return PartitionScore(2 * information / total if total > 0 else 1.0, merge, split)


def _mean(error, y_true, y_pred):
    return float(np.mean([error(true, pred) for true, pred in as_pairs(y_true, y_pred)] or [0.0]))


def _rand_error(true, pred):
    table = contingency(true, pred, true >= 0)
    n = int(table.overlaps.sum())
    pairs = _squares(table.true_sizes) + _squares(table.pred_sizes) - 2 * _squares(table.overlaps)
    return pairs / (n * (n - 1)) if n > 1 else 0.0


def _adapted_rand_error(true, pred):
    table = contingency(true, pred, true > 0)
    n = int(table.overlaps.sum())
    together = _squares(table.overlaps) - n
    total = _squares(table.true_sizes) + _squares(table.pred_sizes) - 2 * n
    return 1 - 2 * together / total if total else 0.0


def _variation_of_information(true, pred):
    table = contingency(true, pred, true >= 0)
    n = int(table.overlaps.sum())
    if n == 0:
        return 0.0
    joint = _entropy(table.overlaps, n)
    apart = 2 * joint - _entropy(table.true_sizes, n) - _entropy(table.pred_sizes, n)
    return float(max(0.0, apart) / np.log(2))


def _squares(sizes):
    """Sum of squares as a Python integer: exact beyond 64 bits."""
    if sizes.size == 0 or int(sizes.max()) ** 2 * sizes.size < 2**63:
        return int((sizes * sizes).sum())
    return sum(int(size) ** 2 for size in sizes)


def _entropy(sizes, n):
    """Entropy (natural logarithm) of a partition of `n` pixels into parts of these sizes."""
    share = sizes[sizes > 0] / n
    return float(-(share * np.log(share)).sum())
