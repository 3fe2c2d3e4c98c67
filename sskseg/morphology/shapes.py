"""Shapes of objects, as `skimage.measure.regionprops` defines them, for all objects at once."""

from __future__ import annotations

from itertools import combinations_with_replacement, product

import numpy as np
from scipy import ndimage as ndi
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist
from skimage.morphology import convex_hull_image

_MAX_POINTS = 1000  # whose distances are computed without reducing them to their convex hull
# Length of the outline around a border pixel, by 1 + 2 * neighbors + 10 * diagonal neighbors.
_STEPS = np.zeros(50)
_STEPS[[5, 7, 15, 17, 25, 27]] = 1
_STEPS[[21, 33]] = np.sqrt(2)
_STEPS[[13, 23]] = (1 + np.sqrt(2)) / 2


def pairs_of_axes(ndim: int) -> list[tuple[int, int]]:
    """List the pairs of axes of second moments, (0, 0), (0, 1), ..."""
    return list(combinations_with_replacement(range(ndim), 2))


def covariances(sums: dict[str, np.ndarray], spacing: np.ndarray) -> np.ndarray:
    """Compute the covariance of the pixels of each object.

    Parameters
    ----------
    sums : dict
        Result of `object_sums` or `merge_sums`.
    spacing : ndarray of shape (ndim,)

    Returns
    -------
    ndarray of shape (n_objects, ndim, ndim)
        In squared units of `spacing`.
    """
    n, ndim = sums["low"].shape
    size = sums["size"].astype(float)
    mean = (sums["position"] - sums["low"] * sums["size"][:, None]) / size[:, None]
    result = np.empty((n, ndim, ndim))
    for moment, (i, j) in zip(sums["moments"].T, pairs_of_axes(ndim), strict=True):
        central = (moment / size - mean[:, i] * mean[:, j]) * spacing[i] * spacing[j]
        result[:, i, j] = result[:, j, i] = central
    return result


def ellipse_columns(sums: dict[str, np.ndarray], spacing: np.ndarray) -> dict[str, np.ndarray]:
    """Compute the ellipse, or ellipsoid, with the second moments of each object.

    Parameters
    ----------
    sums, spacing
        As in `covariances`.

    Returns
    -------
    dict of str to ndarray of shape (n_objects,)
        ``major_axis_length, minor_axis_length``; of planes also ``eccentricity, orientation``.
    """
    matrices = covariances(sums, spacing)
    ndim = len(spacing)
    if ndim == 3:  # variance of a solid ellipsoid of half axis a: a^2 / 5
        variances = np.maximum(np.linalg.eigvalsh(matrices), 0)
        axes = np.sqrt(20 * variances)
        return {"major_axis_length": axes[:, 2], "minor_axis_length": axes[:, 0]}
    yy, xx, yx = matrices[:, 0, 0], matrices[:, 1, 1], matrices[:, 0, 1]
    middle, radius = (yy + xx) / 2, np.hypot((yy - xx) / 2, yx)
    major, minor = np.maximum(middle + radius, 0), np.maximum(middle - radius, 0)
    ratio = np.divide(minor, major, out=np.ones_like(major), where=major > 0)
    is_round = yy == xx
    angle = 0.5 * np.arctan2(2 * yx, yy - xx)
    return {
        "major_axis_length": 4 * np.sqrt(major),
        "minor_axis_length": 4 * np.sqrt(minor),
        "eccentricity": np.sqrt(1 - ratio),
        "orientation": np.where(is_round, np.where(yx > 0, np.pi / 4, -np.pi / 4), angle),
    }


def perimeters(numbers: np.ndarray, n: int) -> np.ndarray:
    """Compute the length of the outline of each object.

    Parameters
    ----------
    numbers : ndarray of int, shape (height, width)
        0 background, 1 to n objects.
    n : int

    Returns
    -------
    ndarray of float64, shape (n,)
        Pixels.

    Notes
    -----
    Each border pixel adds the length of the line through it and its neighbors in the border [1]_.

    References
    ----------
    .. [1] Benkrid, Crookes, Benkrid. Design and FPGA implementation of a perimeter estimator.
       Proceedings of the Irish Machine Vision and Image Processing Conference 2000.
    """
    padded = np.pad(numbers, 1)
    inside = padded[1:-1, 1:-1]
    is_border = np.zeros(inside.shape, bool)
    for y, x in ((0, 1), (1, 0), (1, 2), (2, 1)):
        is_border |= padded[y : y + inside.shape[0], x : x + inside.shape[1]] != inside
    rows, cols = np.nonzero(is_border & (inside > 0))
    border = np.zeros_like(padded)
    border[rows + 1, cols + 1] = own = inside[rows, cols]
    pattern = np.ones(len(own), np.int64)
    for y, x in product((-1, 0, 1), repeat=2):
        if y or x:
            pattern += (border[rows + 1 + y, cols + 1 + x] == own) * (10 if y and x else 2)
    return np.bincount(own, _STEPS[pattern], n + 1)[1:]


def hull_columns(
    numbers: np.ndarray, n: int, spacing: np.ndarray, *, feret: bool = True
) -> dict[str, np.ndarray]:
    """Compute what derives from the convex hull of each object, one object after the other.

    Parameters
    ----------
    numbers : ndarray of int, shape (height, width)
        0 background, 1 to n objects.
    n : int
    spacing : ndarray of shape (2,)
    feret : bool, default=True
        Whether to compute ``feret_diameter``.

    Returns
    -------
    dict of str to ndarray of shape (n,)
        ``solidity`` and ``feret_diameter``.
    """
    solidity, diameters = np.empty(n), np.empty(n)
    for i, box in enumerate(ndi.find_objects(numbers, n) if n else []):
        mask = numbers[box] == i + 1
        hull = convex_hull_image(mask)
        solidity[i] = np.count_nonzero(mask) / np.count_nonzero(hull)
        if feret:
            diameters[i] = _diameter(_extreme_points(hull) * spacing)
    return {"solidity": solidity, "feret_diameter": diameters} if feret else {"solidity": solidity}


def _extreme_points(hull):
    """Middles of the outer sides of the first and last pixels of each row and column."""
    points = []
    for mask, order in ((hull, slice(None)), (hull.T, slice(None, None, -1))):
        lines = np.arange(len(mask))
        first = mask.argmax(axis=1) - 0.5
        last = mask.shape[1] - mask[:, ::-1].argmax(axis=1) - 0.5
        points += [np.stack([lines, end], axis=1)[:, order] for end in (first, last)]
    return np.concatenate(points)


def _diameter(points):
    """Largest distance of two points."""
    if len(points) > _MAX_POINTS:  # distances grow with the square
        points = points[ConvexHull(points).vertices]
    return np.sqrt(pdist(points, "sqeuclidean").max())
