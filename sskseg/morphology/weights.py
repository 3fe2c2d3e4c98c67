"""Weights of pixels in a loss: more where objects almost touch."""

import math

import numpy as np
from scipy import ndimage as ndi

from .cleaning import relabel
from .components import label_objects
from .distance import border_distance

_PRECISION = 1e-3  # of the border weight: what is below is left out


def weight_map(labels, border_weight=10.0, border_sigma=5.0, *, spacing=None, class_weight=None):
    """Weigh pixels so that a network learns the narrow borders between objects.

    ``w = w_c + w_0 exp(-(d_1 + d_2)^2 / (2 sigma^2))`` where `d_1` and `d_2` are the distances to
    the nearest and to the second nearest object [1]_.

    Parameters
    ----------
    labels : ndarray of int, 2-D or 3-D
        Different values > 0 are different objects; where 1 is the only one, the image is a mask and
        its components over faces are the objects. 0 is background, -1 unlabeled.
    border_weight : float, default=10.0
        ``w_0``, not negative; 0 leaves the term out.
    border_sigma : float, default=5.0
        ``sigma``, positive, in units of `spacing` (pixels where that is None).
    spacing : sequence of float, default=None
        Size of a pixel along each axis; None is 1.
    class_weight : {"balanced", None}, default=None
        ``w_c``. "balanced": the inverse of the frequency of foreground or background, with mean 1
        over the labeled pixels; None: 1.

    Returns
    -------
    weights : ndarray of float32, shape of `labels`
        Exact to ``1e-3 * border_weight``. 0 in unlabeled pixels. The border term is added in the
        background only, and 0 where there are fewer than two objects.

    Raises
    ------
    ValueError
        If an argument is out of range, or `labels` is not an integer array of 2 or 3 axes.

    Notes
    -----
    Distances are those between centers of pixels, found exactly within the box around each object
    in which the term matters: time goes with the summed size of these boxes.

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
    labels = _check(labels, border_weight, border_sigma, class_weight)
    sizes = np.ones(labels.ndim) if spacing is None else np.asarray(spacing, float)
    if sizes.shape != (labels.ndim,) or not (np.isfinite(sizes) & (sizes > 0)).all():
        raise ValueError(f"spacing must be {labels.ndim} positive numbers, got {spacing}.")
    spacing = tuple(sizes.tolist())
    weights = _class_weights(labels, class_weight)
    if border_weight > 0 and labels.size:
        total = _two_distances(label_objects(labels), _reach(border_sigma), spacing)
        near = (labels == 0) & np.isfinite(total)
        term = border_weight * np.exp(-(total[near] ** 2) / (2 * border_sigma**2))
        weights[near] += term
    return weights


def _check(labels, border_weight, border_sigma, class_weight):
    labels = np.asarray(labels)
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


def _class_weights(labels, class_weight):
    weights = (labels >= 0).astype(np.float32)
    foreground = labels > 0
    known, inside = int(np.count_nonzero(weights)), int(np.count_nonzero(foreground))
    if class_weight is None or inside in (0, known):
        return weights
    weights[foreground] *= known / (2 * inside)
    weights[~foreground] *= known / (2 * (known - inside))
    return weights


def _reach(sigma):
    """The sum of distances from which on the border term is below the precision."""
    return sigma * math.sqrt(2 * math.log(1 / _PRECISION))


def _two_distances(objects, reach, spacing):
    """Distance to the nearest plus that to the second nearest object; infinite beyond `reach`."""
    first = np.full(objects.shape, np.inf, np.float32)
    second = first.copy()
    margins = [math.ceil(reach / step) for step in spacing]
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
