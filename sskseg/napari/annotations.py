"""What is painted and clicked, as annotations: 0 unpainted, 1 background, 2 objects, 3 and above
one each."""

from __future__ import annotations

import numpy as np

from ..images.points import draw_points
from ..morphology import label_components

UNPAINTED, BACKGROUND, OBJECTS = 0, 1, 2


def annotations_of(
    painted: np.ndarray, complete: np.ndarray, points: np.ndarray | None = None,
    radius: float = 3.0, *, sections: bool = False,
) -> np.ndarray:  # fmt: skip
    """Return annotations: -1 unlabeled, 0 background, > 0 objects.

    Parameters
    ----------
    painted : ndarray of int, shape (*spatial)
        0 unpainted, 1 background, 2 objects, each connected patch of which is one, and 3 and above
        one object each.
    complete : ndarray of bool, shape (*spatial)
        Where everything that is an object is painted or clicked, so that other pixels are
        background.
    points : ndarray of float, shape (k, spatial_ndim), default=None
        Pixels, one for each object. A disc around each is its foreground, and a ring around that is
        unlabeled, as `sskseg.Annotations` draws them. A point on something painted adds nothing.
    radius : float, default=3.0
        Of the discs, pixels.
    sections : bool, default=False
        Whether the first axis counts sections, in each of which points are discs.

    Returns
    -------
    y : ndarray of int32, shape (*spatial)
    """
    y = painted.astype(np.int32) - 1
    patches = label_components(painted == OBJECTS)
    several = patches > 0
    y[several] = patches[several] + max(int(y.max()), 1)
    unpainted = painted == UNPAINTED
    y[complete & unpainted] = 0
    if points is not None and len(points):
        discs = _discs(points[unpainted[pixels_of(points)]], y.shape, radius, sections)
        y[unpainted & (discs < 0)] = -1
        is_disc = unpainted & (discs > 0)
        y[is_disc] = discs[is_disc] + max(int(y.max()), 1)
    return y


def pixels_of(points: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the pixels that points lie in, as an index."""
    return tuple(np.rint(points).astype(int).T)


def next_object(painted: np.ndarray) -> int:
    """Return the number of the next object that is painted by itself."""
    return max(int(painted.max()), OBJECTS) + 1


def painted_of(y: np.ndarray, *, is_mask: bool) -> np.ndarray:
    """Return what to paint for label images: the inverse of `annotations_of`.

    Parameters
    ----------
    y : ndarray of int, shape (*spatial)
        -1 unlabeled, 0 background, > 0 objects.
    is_mask : bool
        Whether connected components are the objects.

    Returns
    -------
    painted : ndarray of int32, shape (*spatial)
    """
    objects = np.where(y > 0, OBJECTS, 0) if is_mask else np.where(y > 0, y + OBJECTS, 0)
    return np.where(y == 0, BACKGROUND, objects).astype(np.int32)


def _discs(points, shape, radius, sections):
    if not sections:
        return draw_points(points, shape, radius)
    discs = np.zeros(shape, np.int32)
    planes = pixels_of(points)[0]
    for plane in np.unique(planes):
        drawn = draw_points(points[planes == plane][:, 1:], shape[1:], radius)
        discs[plane] = np.where(drawn > 0, drawn + discs.max(), drawn)
    return discs
