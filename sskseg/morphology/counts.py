"""Count each object once."""

from collections.abc import Sequence

import numpy as np

from ..images.extents import check_margin


def object_centroids(label):
    """Compute the centroid of each object, in the order of their values.

    Parameters
    ----------
    label : ndarray of int
        0 or less is background.

    Returns
    -------
    ndarray of float64, shape (n_objects, ndim)
        Pixels.
    """
    where = np.nonzero(label > 0)
    _, index = np.unique(label[where], return_inverse=True)
    sizes = np.bincount(index)
    return np.stack([np.bincount(index, at) / sizes for at in where], axis=1)


def count_objects(labels: np.ndarray, margin: int = 0) -> int:
    """Count the objects whose centroid lies inside a frame.

    Parameters
    ----------
    labels : ndarray of int
        0 or less is background.
    margin : int, default=0
        Width of the frame, pixels; 0 counts all objects.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If the frame covers the image.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.morphology import count_objects
    >>> labels = np.array([[3, 0, 0, 0], [0, 0, 0, 0], [0, 0, 8, 0], [0, 0, 0, 0]])
    >>> count_objects(labels), count_objects(labels, margin=1)
    (2, 1)
    """
    if margin == 0:
        ids = np.unique(labels)
        return int((ids > 0).sum())
    return int(inside_frame(object_centroids(labels), labels.shape, margin).sum())


def inside_frame(points: np.ndarray, shape: Sequence[int], margin: int) -> np.ndarray:
    """Whether points (k, ndim) of an image lie inside a frame of `margin` pixels.

    Half-open, so that a point on the line between two tiles is counted in one of them.
    """
    check_margin(margin, shape)
    last = np.array(shape) - margin
    return np.all((points >= margin - 0.5) & (points < last - 0.5), axis=1)


def count_over_sections(
    labels: Sequence[np.ndarray], positions: np.ndarray, margin: int = 0
) -> np.ndarray:
    """Count objects that span sections, each in the section nearest to its centroid.

    Parameters
    ----------
    labels : sequence of ndarray of int, each 2-D and of one shape
        One id per object over all sections, as returned by `join_sections`.
    positions : ndarray of shape (n_sections,), int
        With gaps between stacks; each stack is counted as if it were alone.
    margin : int, default=0
        As in `count_objects`, in the plane.

    Returns
    -------
    ndarray of int64, shape (n_sections,)
        In the order of `labels`; the sum is the number of objects.
    """
    order = np.argsort(positions)
    stack = np.stack([labels[i] for i in order])
    if not (stack > 0).any():
        return np.zeros(len(labels), np.int64)
    centroids = object_centroids(stack)
    z = centroids[inside_frame(centroids[:, 1:], stack.shape[1:], margin), 0]
    # From the start of its stack: a center between two sections is nearest to the even one.
    starts = np.append(0, np.flatnonzero(np.diff(positions[order]) != 1) + 1)
    start = starts[np.searchsorted(starts, z, side="right") - 1]
    nearest = start + np.rint(z - start).astype(int)
    counts = np.zeros(len(labels), np.int64)
    counts[order] = np.bincount(nearest, minlength=len(labels))
    return counts
