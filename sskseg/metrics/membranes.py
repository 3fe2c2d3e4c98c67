"""The evaluation of the ISBI 2012 challenge: cells between membranes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..morphology import label_components, label_objects
from ._pairs import as_pairs, as_stack, check_probabilities
from .borders import thin_borders
from .partitions import foreground_scores

ISBI_THRESHOLDS = tuple(step / 10 for step in range(11))


class MembraneCurve(NamedTuple):
    """Result of `membrane_curve`: scores at each threshold, means over the sections.

    Parameters
    ----------
    thresholds : ndarray of shape (n_thresholds,)
    v_rand, v_rand_merge, v_rand_split : ndarray of shape (n_thresholds,)
        Foreground-restricted Rand F-score, its precision and its recall.
    v_info, v_info_merge, v_info_split : ndarray of shape (n_thresholds,)
        The same for the information.
    """

    thresholds: np.ndarray
    v_rand: np.ndarray
    v_rand_merge: np.ndarray
    v_rand_split: np.ndarray
    v_info: np.ndarray
    v_info_merge: np.ndarray
    v_info_split: np.ndarray


def v_rand(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    thresholds: Sequence[float] = ISBI_THRESHOLDS,
    thin: bool = True,
    spatial_ndim: int = 2,
) -> float:
    """Compute the foreground-restricted Rand score after border thinning, as in ISBI 2012 [1]_.

    Parameters
    ----------
    y_true : ndarray of int, or list of ndarray
        Label images, or masks (1 and 0) whose components over faces are the objects; 0 are borders,
        which do not count; -1 is ignored. An array with one axis more than `spatial_ndim` is a
        stack of images.
    y_pred : ndarray or list of ndarray
        Floating: probabilities that a pixel is inside of an object. Boolean, or 1 and 0 only:
        masks, treated as probabilities are, without thresholds. Other integers: label images, used
        as they are, without thinning.
    thresholds : sequence of float, default=(0.0, 0.1, ..., 1.0)
        Objects are the components (over faces) of the pixels of greater probability. The score
        is that of the best threshold, one for all images. Pass a single threshold, chosen on
        training images, to exclude this choice from the score.
    thin : bool, default=True
        Thin the borders of the prediction first, see `thin_borders`.
    spatial_ndim : {2, 3}, default=2
        Axes of one image.

    Returns
    -------
    float in [0, 1]
        Mean over the images; 1 for an image without a true object.

    Raises
    ------
    ValueError
        If shapes or numbers of images differ, or probabilities leave [0, 1].

    Notes
    -----
    Of the pixels in true objects, a share `p_ij` is in true object `i` and predicted object `j`,
    `a_i` and `b_j` are its sums. Predicted border pixels count as objects of one pixel. Then
    precision is ``sum p_ij^2 / sum b_j^2``, recall ``sum p_ij^2 / sum a_i^2``, and the score their
    harmonic mean.

    References
    ----------
    .. [1] Arganda-Carreras et al. Crowdsourcing the creation of image segmentation algorithms for
       connectomics. Frontiers in Neuroanatomy 2015. :doi:`10.3389/fnana.2015.00142`

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.metrics import v_rand
    >>> cells = np.array([[1, 1, 0, 1, 1]] * 4)
    >>> v_rand(cells, np.array([[0.9, 0.8, 0.6, 0.8, 0.9]] * 4))
    1.0
    >>> round(v_rand(cells, np.array([[0.9, 0.8, 0.6, 0.8, 0.9]] * 4), thresholds=[0.5]), 4)
    0.6667
    """
    curve = membrane_curve(y_true, y_pred, thresholds, thin=thin, spatial_ndim=spatial_ndim)
    return float(curve.v_rand.max())


def v_info(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    thresholds: Sequence[float] = ISBI_THRESHOLDS,
    thin: bool = True,
    spatial_ndim: int = 2,
) -> float:
    """Compute the foreground-restricted information score after border thinning.

    Parameters
    ----------
    y_true, y_pred, thresholds, thin, spatial_ndim
        As in `v_rand`.

    Returns
    -------
    float in [0, 1]
        Mean over the images; 1 for an image without a true object.

    Raises
    ------
    ValueError
        As `v_rand`.

    Notes
    -----
    ``2 I(true; pred) / (H(true) + H(pred))`` over the pixels in true objects, predicted border
    pixels counting as objects of one pixel. 1 where both are one object, without entropy.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.metrics import v_info
    >>> cells = np.array([[1, 1, 0, 1, 1]] * 4)
    >>> v_info(cells, np.array([[0.9, 0.8, 0.6, 0.8, 0.9]] * 4))
    1.0
    """
    curve = membrane_curve(y_true, y_pred, thresholds, thin=thin, spatial_ndim=spatial_ndim)
    return float(curve.v_info.max())


def membrane_curve(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    thresholds: Sequence[float] = ISBI_THRESHOLDS,
    *,
    thin: bool = True,
    spatial_ndim: int = 2,
) -> MembraneCurve:
    """Compute `v_rand` and `v_info` at each threshold, with merge and split scores.

    Parameters
    ----------
    y_true, y_pred, thresholds, thin, spatial_ndim
        As in `v_rand`.

    Returns
    -------
    MembraneCurve
        Means over the images. Masks and label images as `y_pred` have one row, with threshold NaN.

    Raises
    ------
    ValueError
        As `v_rand`.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.metrics import membrane_curve
    >>> cells = np.array([[1, 1, 0, 1, 1]] * 4)
    >>> curve = membrane_curve(cells, np.array([[0.9, 0.8, 0.6, 0.8, 0.9]] * 4), [0.5, 0.7])
    >>> curve.v_rand_merge
    array([0.5, 1. ])
    """
    pairs = list(as_pairs(as_stack(y_true, spatial_ndim), as_stack(y_pred, spatial_ndim)))
    if not pairs:
        raise ValueError("y_true must hold at least one image, got none.")
    floating = [pred.dtype.kind == "f" for _, pred in pairs]
    if any(floating) and not all(floating):
        raise ValueError("y_pred must be probabilities or label images, got both.")
    at = np.array(thresholds, dtype=float).reshape(-1) if all(floating) else np.array([np.nan])
    if at.size == 0:
        raise ValueError("thresholds must hold at least one number, got none.")
    true, pred = _objects([true for true, _ in pairs]), [pred for _, pred in pairs]
    # Whether label images are masks is decided for all images at once.
    split = all(floating) or all(p.dtype == bool or p.max(initial=0) <= 1 for p in pred)
    scores = [_scores(t, p, at, thin, split) for t, p in zip(true, pred, strict=True)]
    return MembraneCurve(at, *np.mean(scores, axis=0).T)


def _scores(objects, pred, thresholds, thin, split):
    """Six scores of one image at each threshold, (n_thresholds, 6)."""
    check_probabilities(pred)
    rows = []
    for threshold in thresholds:  # NaN of masks and label images
        above = pred > (0 if np.isnan(threshold) else threshold)
        rand, information = foreground_scores(objects, _cells(above, thin) if split else pred)
        rows.append([*rand, *information])
    return np.array(rows)


def _objects(images):
    """Label the objects: the components of masks, whose only positive value is 1 in all images."""
    images = [true.astype(np.int8) if true.dtype == bool else true for true in images]
    is_mask = max(int(true.max(initial=0)) for true in images) == 1
    return [label_objects(true) for true in images] if is_mask else images


def _cells(mask, thin):
    return thin_borders(mask) if thin else label_components(mask)
