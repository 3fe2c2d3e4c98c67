"""Pixel weights of a loss, greater between objects that almost touch."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import ndimage as ndi

from .cleaning import relabel
from .components import label_objects
from .distance import border_distance

_PRECISION = 1e-3  # of the border term; smaller values are 0


def weight_map(
    labels: np.ndarray,
    border_weight: float = 10.0,
    border_sigma: float = 5.0,
    *,
    spacing: Sequence[float] | None = None,
    class_weight: str | None = None,
) -> np.ndarray:
    """Compute pixel weights with which a network learns the narrow borders between objects.

    ``w = w_c + w_0 exp(-(d_1 + d_2)^2 / (2 sigma^2))`` where `d_1` and `d_2` are the distances to
    the nearest and to the second nearest object [1]_.

    Parameters
    ----------
    labels : ndarray of int, 2-D or 3-D
        Different values > 0 are different objects; if 1 is the only one, the image is a mask and
        its components over faces are the objects. 0 is background, -1 unlabeled.
    border_weight : float, default=10.0
        ``w_0``, not negative; 0 omits the term.
    border_sigma : float, default=5.0
        ``sigma``, positive, in units of `spacing`, in pixels if that is None.
    spacing : sequence of float, default=None
        Size of a pixel along each axis; None is 1.
    class_weight : {"balanced", None}, default=None
        ``w_c``. "balanced": the inverse of the frequency of foreground or background, with mean 1
        over the labeled pixels; None: 1.

    Returns
    -------
    weights : ndarray of float32, shape of `labels`
        Exact to ``1e-3 * border_weight``. 0 in unlabeled pixels. The border term is added in the
        background only; it is 0 if there are fewer than two objects.

    Raises
    ------
    ValueError
        If an argument is out of range, or `labels` is not an integer array of 2 or 3 axes.

    Notes
    -----
    Distances between pixel centers are exact within the box around each object in which the term
    exceeds the precision; time is proportional to the total size of these boxes.

    References
    ----------
    .. [1] Ronneberger, Fischer, Brox. U-Net: Convolutional networks for biomedical image
       segmentation. MICCAI 2015. :doi:`10.1007/978-3-319-24574-4_28`

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.morphology import weight_map
    >>> weight_map(np.array([[1, 0, 2, 0, 0, 0]])).round(2)
    array([[ 1.  , 10.23,  1.  ,  8.26,  5.87,  3.78]], dtype=float32)
    """
    labels = _check(np.asarray(labels), border_weight, border_sigma, class_weight)
    spacing = _check_spacing(spacing, labels.ndim)
    weights = _class_weights(labels, class_weight)
    if border_weight > 0 and labels.size:
        total = _two_distances(label_objects(labels), _max_distance(border_sigma), spacing)
        near = (labels == 0) & np.isfinite(total)
        term = border_weight * np.exp(-(total[near] ** 2) / (2 * border_sigma**2))
        weights[near] += term
    return weights


def _check(labels, border_weight, border_sigma, class_weight):
    if labels.dtype.kind not in "biu" or labels.ndim not in (2, 3):
        raise ValueError(
            "labels must be an integer array of 2 or 3 axes, got "
            f"{labels.dtype} of shape {labels.shape}."
        )
    if not 0 <= border_weight < math.inf or not 0 < border_sigma < math.inf:
        raise ValueError(
            "border_weight must be 0 or more and border_sigma greater than 0, got "
            f"{border_weight} and {border_sigma}."
        )
    if class_weight not in (None, "balanced"):
        raise ValueError(f"class_weight must be 'balanced' or None, got {class_weight!r}.")
    return labels.astype(np.int8) if labels.dtype == bool else labels


def _check_spacing(spacing, ndim):
    sizes = np.ones(ndim) if spacing is None else np.asarray(spacing, float)
    if sizes.shape != (ndim,) or not (np.isfinite(sizes) & (sizes > 0)).all():
        raise ValueError(f"spacing must be {ndim} positive numbers, got {spacing}.")
    return tuple(sizes.tolist())


def _class_weights(labels, class_weight):
    weights = (labels >= 0).astype(np.float32)
    foreground = labels > 0
    known, inside = int(np.count_nonzero(weights)), int(np.count_nonzero(foreground))
    if class_weight is None or inside in (0, known):
        return weights
    weights[foreground] *= known / (2 * inside)
    weights[~foreground] *= known / (2 * (known - inside))
    return weights


def _max_distance(sigma):
    """Sum of distances beyond which the border term is below the precision."""
    return sigma * math.sqrt(2 * math.log(1 / _PRECISION))


def _two_distances(objects, max_distance, spacing):
    """Sum of the distances to the two nearest objects; infinite beyond `max_distance`."""
    first = np.full(objects.shape, np.inf, np.float32)
    second = first.copy()
    margins = [math.ceil(max_distance / step) for step in spacing]
    objects = relabel(np.maximum(objects, 0))
    for number, box in enumerate(ndi.find_objects(objects), start=1):
        if box is None:
            continue
        box = tuple(
            slice(max(0, part.start - margin), part.stop + margin)
            for part, margin in zip(box, margins, strict=True)
        )
        distance = border_distance(objects[box] != number, spacing)
        np.minimum(second[box], np.maximum(first[box], distance), out=second[box])
        np.minimum(first[box], distance, out=first[box])
    return first + second
