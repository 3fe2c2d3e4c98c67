"""Which images to label first, before there is a network."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from ..images import check_images
from ..images.annotation_checks import check_n_suggested
from ..images.annotations import Annotations
from ..images.appearance import measure_appearance

_MAX_DEVIATION = 3.0  # of a feature, in standard deviations: one odd image is not a kind of images


def suggest_samples(X: Any, n: int, *, y: Any = None, spatial_ndim: int = 2) -> np.ndarray:
    """Suggest images to label that represent all images.

    No network and no label is needed. Each image is described by the size of its objects, its
    intensities and its detail at several scales. Images are then chosen one after the other, each
    so that the distance of all images to the nearest chosen one decreases most [1]_.

    Parameters
    ----------
    X : array-like of shape (n_samples, *spatial) or (n_samples, *spatial, n_channels)
        Or a list of images of different sizes. Cut large images into crops first, and choose among
        the crops.
    n : int
        Number of images to suggest.
    y : label images, points or Annotations of n_samples, default=None
        Images with a label count as chosen, and are not suggested. None: nothing is labeled.
    spatial_ndim : {2, 3}, default=2
        Number of spatial axes of one image.

    Returns
    -------
    indices : ndarray of int, shape (n,)
        Images of `X`, the most representative one first. A larger `n` adds images, and keeps the
        first ones.

    Raises
    ------
    ValueError
        If `n` is not an integer from 1 to the number of unlabeled images.

    See Also
    --------
    sskseg.SemiSupervisedSegmenter.suggest_sections : Suggest by the disagreement of a network.

    Notes
    -----
    The time and the memory grow with the square of the number of images.

    References
    ----------
    .. [1] Kaufman, Rousseeuw. Partitioning around medoids. In: Finding groups in data. Wiley, 1990.
       The algorithm BUILD. :doi:`10.1002/9780470316801.ch2`

    Examples
    --------
    Twelve images, of which three have larger cells:

    >>> import numpy as np
    >>> from sskseg.datasets import make_cells
    >>> from sskseg import suggest_samples
    >>> small, _ = make_cells(n_samples=9, shape=(96, 96), radius=5, random_state=0)
    >>> large, _ = make_cells(n_samples=3, shape=(96, 96), radius=14, random_state=1)
    >>> indices = suggest_samples(np.concatenate([small, large]), 2)
    >>> [bool(i >= 9) for i in indices]
    [False, True]
    """
    images = check_images(X, spatial_ndim)
    annotations = Annotations([None] * len(images) if y is None else y, images)
    check_n_suggested(n, annotations)
    features = _standardized(np.stack([measure_appearance(image) for image in images]))
    return _build(cdist(features, features), list(annotations.labeled), int(n))


def _standardized(features):
    center, spread = features.mean(axis=0), features.std(axis=0)
    is_constant = features.min(axis=0) == features.max(axis=0)  # but for rounding of the mean
    scaled = (features - center) / np.where(is_constant, 1, spread)
    return np.clip(scaled, -_MAX_DEVIATION, _MAX_DEVIATION)


def _build(distance, labeled, n):
    """Choose medoids one after the other."""
    nearest = distance[:, labeled].min(axis=1, initial=np.inf)
    if not labeled:
        nearest = np.full(len(distance), distance.max())
    chosen: list[int] = []
    for _ in range(n):
        gains = np.maximum(nearest[:, None] - distance, 0).sum(axis=0)
        gains[[*labeled, *chosen]] = -1
        chosen.append(int(gains.argmax()))
        nearest = np.minimum(nearest, distance[:, chosen[-1]])
    return np.array(chosen)
