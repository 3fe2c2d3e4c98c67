"""Points as annotations, and label images drawn from them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def are_points(values: ArrayLike, shape: tuple[int, ...]) -> bool:
    """Return whether the annotation of a sample is points rather than a label image.

    Parameters
    ----------
    values : array-like
    shape : tuple of int
        Spatial shape of its image.

    Returns
    -------
    bool
        Whether `values` are of shape (k, spatial_ndim) or empty, and not of the image's shape.
    """
    given = np.shape(values)
    is_empty = 0 in given and len(given) <= 2
    return given != tuple(shape) and (is_empty or (len(given) == 2 and given[1] == len(shape)))


def check_points(points: ArrayLike, shape: tuple[int, ...], name: str = "y") -> np.ndarray:
    """Validate the points of one sample.

    Parameters
    ----------
    points : array-like of shape (k, spatial_ndim)
        Coordinates in pixels; (0, 0) is the center of the first pixel.
    shape : tuple of int
        Spatial shape of the image.
    name : str, default="y"

    Returns
    -------
    ndarray of float64, shape (k, spatial_ndim)

    Raises
    ------
    ValueError
        For anything but numbers, NaN, infinity, or points outside of the image.
    """
    try:
        points = np.asarray(points, dtype=np.float64).reshape(-1, len(shape))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold points, numbers, got {points!r}.") from error
    inside = (points > -0.5) & (points < np.array(shape) - 0.5)
    if not inside.all():
        wrong = points[~inside.all(axis=1)][0]
        raise ValueError(
            f"{name} must hold points inside of the image of shape {tuple(shape)}, got "
            f"{wrong.tolist()}."
        )
    return points


def draw_points(
    points: np.ndarray,
    shape: tuple[int, ...],
    radius: float,
    spacing: Sequence[float] | None = None,
) -> np.ndarray:
    """Draw a disc around each point, and an unlabeled ring around the disc.

    Parameters
    ----------
    points : ndarray of shape (k, ndim)
    shape : tuple of int
    radius : float
        Radius of the discs, in units of `spacing`. Rings extend to twice the radius.
    spacing : sequence of float, default=None
        Size of a pixel along each axis; None is 1.

    Returns
    -------
    ndarray of int32
        0 background, 1, 2, ... the discs in the order of the points (a pixel belongs to the
        nearest point), -1 the rings.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.images import draw_points
    >>> draw_points(np.array([[0, 1.0]]), (1, 7), 1.0)
    array([[ 1,  1,  1, -1,  0,  0,  0]], dtype=int32)
    """
    distance = np.full(shape, np.inf, np.float32)
    owner = np.zeros(shape, np.int32)
    outer = 2 * radius
    sizes = np.ones(len(shape)) if spacing is None else np.asarray(spacing, float)
    for number, point in enumerate(points, start=1):
        low = np.maximum(np.ceil(point - outer / sizes), 0).astype(int)
        high = np.minimum(np.floor(point + outer / sizes) + 1, shape).astype(int)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        axes = np.ogrid[box]
        offsets = zip(axes, point, sizes, strict=True)
        squares = sum(((axis - x) * size) ** 2 for axis, x, size in offsets)
        away = np.sqrt(squares).astype(np.float32)
        nearer = away < distance[box]
        distance[box] = np.where(nearer, away, distance[box])
        owner[box] = np.where(nearer, number, owner[box])
    return np.where(distance <= radius, owner, np.where(distance <= outer, -1, 0)).astype(np.int32)
