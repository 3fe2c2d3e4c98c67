"""Objects that lie close to others, and objects whose border is known."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage as ndi

from .cleaning import relabel

_WINDOW = 5  # pixels: holds pixels of two objects whose gap is at most three


def complete_objects(labels: np.ndarray) -> np.ndarray:
    """Remove objects that touch unlabeled pixels, so that their border is unknown.

    Discs of points are such objects, too (see `sskseg.images.draw_points`).

    Parameters
    ----------
    labels : ndarray of int, shape (*spatial)
        -1 unlabeled, 0 background; each value > 0 is an object.

    Returns
    -------
    ndarray of int, shape (*spatial)
        0 background and unlabeled; `labels` itself if nothing is unlabeled.
    """
    unlabeled = labels < 0
    if not unlabeled.any():
        return labels
    cut = np.unique(labels[ndi.binary_dilation(unlabeled)])
    return np.where(np.isin(labels, cut), 0, labels)


def share_with_neighbors(labels: Sequence[np.ndarray]) -> float:
    """Compute the share of the objects that have another one within three pixels.

    Parameters
    ----------
    labels : sequence of ndarray of int, shape (*spatial)
        Each value > 0 is an object; -1 is unlabeled. Only `complete_objects` count.

    Returns
    -------
    float
        0 without an object.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.morphology import share_with_neighbors
    >>> share_with_neighbors([np.array([[1, 1, 0, 0, 2, 2, 0, 0, 0, 0, 0, 3]])])
    0.6666666666666666
    """
    n_objects = n_close = 0
    for label in labels:
        objects = relabel(complete_objects(label))  # filters compute with double precision
        outside = int(objects.max(initial=0)) + 1
        highest = ndi.maximum_filter(objects, _WINDOW)
        lowest = ndi.minimum_filter(np.where(objects > 0, objects, outside), _WINDOW)
        both = (highest > 0) & (highest != lowest)
        is_close = np.zeros(outside + 1, bool)
        is_close[highest[both]] = is_close[lowest[both]] = True
        n_objects += outside - 1
        n_close += int(is_close.sum())
    return n_close / max(1, n_objects)
