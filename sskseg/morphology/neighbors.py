"""Objects that lie close to others."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage as ndi

_WINDOW = 5  # pixels: holds pixels of two objects whose gap is at most three


def share_with_neighbors(labels: Sequence[np.ndarray]) -> float:
    """Compute the share of the objects that have another one within three pixels.

    Parameters
    ----------
    labels : sequence of ndarray of int, shape (*spatial)
        Each value > 0 is an object.

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
        objects = np.maximum(label, 0)
        outside = int(objects.max(initial=0)) + 1
        highest = ndi.maximum_filter(objects, _WINDOW)
        lowest = ndi.minimum_filter(np.where(objects > 0, objects, outside), _WINDOW)
        both = (highest > 0) & (highest != lowest)
        n_objects += len(np.unique(objects[objects > 0]))
        n_close += len(np.unique(np.concatenate([highest[both], lowest[both]])))
    return n_close / max(1, n_objects)
