"""Contours of objects as polygons and as elliptic Fourier descriptors."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage as ndi
from skimage.measure import find_contours


def trace_contours(labels: ArrayLike, points: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Trace the contours of the objects of a label image.

    Parameters
    ----------
    labels : ndarray of int, 2-D
        Values > 0 are objects. Of an object in several parts only the largest is traced; holes are
        ignored.
    points : int, default=64
        Vertices of each contour, equally spaced along it.

    Returns
    -------
    ids : ndarray of int, shape (n_objects,)
        Sorted.
    contours : ndarray of float64, shape (n_objects, points, 2)
        Row and column of closed polygons that pass midway between the pixels of the object and
        those around it; pixel centers count from 0.

    Raises
    ------
    ValueError
        If `labels` is not two-dimensional.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.morphology import trace_contours
    >>> labels = np.zeros((6, 6), int)
    >>> labels[1:4, 2:5] = 7
    >>> ids, contours = trace_contours(labels, points=8)
    >>> ids, contours.shape, contours[0].mean(axis=0)
    (array([7]), (1, 8, 2), array([2., 3.]))
    """
    labels = np.asarray(labels)
    if labels.ndim != 2:
        raise ValueError(
            f"Contours are of two-dimensional label images, got {labels.ndim} axes of shape "
            f"{labels.shape}."
        )
    ids, index = np.unique(labels, return_inverse=True)
    first = int((ids <= 0).sum())  # smaller indices are background
    numbers = np.maximum(index.reshape(labels.shape) - first + 1, 0)
    boxes = ndi.find_objects(numbers)
    traced = [_trace(numbers[box] == i, box) for i, box in enumerate(boxes, start=1)]
    return ids[first:], resample_contours(traced, points)


def _trace(mask, box):
    # Pixels of an object may be connected through corners only.
    polygons = find_contours(np.pad(mask, 1).astype(float), 0.5, fully_connected="high")
    polygon = max(polygons, key=lambda p: abs(contour_areas(p[None])[0]))[:-1]
    return polygon - 1 + [part.start for part in box]


def resample_contours(polygons: Sequence[ArrayLike], points: int) -> np.ndarray:
    """Resample polygons to the same number of vertices, equally spaced along each.

    Parameters
    ----------
    polygons : sequence of array-like of shape (k, 2)
        Closed; the first vertex is not repeated.
    points : int

    Returns
    -------
    ndarray of float64, shape (n_polygons, points, 2)

    Raises
    ------
    ValueError
        If a polygon is of another shape, or `points` is below 3.
    """
    if points < 3:
        raise ValueError(f"A polygon has at least 3 vertices, got points={points}.")
    contours = np.empty((len(polygons), points, 2))
    for contour, polygon in zip(contours, polygons, strict=True):
        polygon = np.asarray(polygon, float)
        if polygon.ndim != 2 or polygon.shape[1:] != (2,) or len(polygon) < 3:
            raise ValueError(f"A polygon must have shape (k, 2), k > 2, got {polygon.shape}.")
        closed = np.concatenate([polygon, polygon[:1]])
        along = np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))
        at = np.arange(points) / points * along[-1]
        for axis in (0, 1):
            contour[:, axis] = np.interp(at, np.concatenate([[0.0], along]), closed[:, axis])
    return contours


def fourier_descriptors(contours: ArrayLike, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Compute elliptic Fourier descriptors of closed polygons.

    Parameters
    ----------
    contours : ndarray of shape (n_contours, n_points, 2)
        Row and column.
    order : int
        Number of harmonics; the first is an ellipse.

    Returns
    -------
    locations : ndarray of shape (n_contours, 2)
        Mean positions along the contours.
    coefficients : ndarray of shape (n_contours, order, 2, 2)
        Cosine and sine coefficients (last axis) of row and column. The phase starts where the
        column of the first harmonic is greatest and runs toward greater rows, so that similar
        contours have similar descriptors, whatever their first vertex and direction.

    Raises
    ------
    ValueError
        If `order` is below 1.

    Notes
    -----
    Integrals over the length ``t`` of the polygon [1]_, exact for any spacing of its vertices:
    ``a_n = T / (2 n^2 pi^2) sum dx/dt (cos(2 pi n t_(k+1) / T) - cos(2 pi n t_k / T))``.

    References
    ----------
    .. [1] Kuhl, Giardina. Elliptic Fourier features of a closed contour. Computer Graphics and
       Image Processing 1982. :doi:`10.1016/0146-664X(82)90034-X`

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.morphology import fourier_descriptors
    >>> t = np.linspace(0, 2 * np.pi, 100, endpoint=False)
    >>> circle = np.stack([5 + 3 * np.sin(t), 7 + 3 * np.cos(t)], axis=-1)
    >>> location, coefficients = fourier_descriptors(circle[None], order=1)
    >>> location.round(1), (coefficients.round(1) + 0.0).tolist()
    (array([[5., 7.]]), [[[[0.0, 3.0], [3.0, 0.0]]]])
    """
    if order < 1:
        raise ValueError(f"order must be at least 1, got {order}.")
    contours = np.asarray(contours, float)
    steps = np.roll(contours, -1, axis=1) - contours
    lengths = np.linalg.norm(steps, axis=-1)
    total = np.maximum(lengths.sum(axis=1), 1e-12)[:, None]
    middles = (contours + np.roll(contours, -1, axis=1)) / 2
    locations = (middles * lengths[..., None]).sum(axis=1) / total
    locations = np.where(lengths.any(axis=1)[:, None], locations, contours.mean(axis=1))
    ends = 2 * np.pi * np.cumsum(lengths, axis=1) / total
    harmonics = np.arange(1, order + 1)[:, None]
    waves = np.exp(1j * harmonics * np.concatenate([np.zeros_like(total), ends], axis=1)[:, None])
    speeds = steps / np.maximum(lengths, 1e-12)[..., None]
    sums = np.einsum("chk,cka->cha", np.diff(waves), speeds)
    sums *= total[..., None] / (2 * (harmonics * np.pi) ** 2)
    return locations, _aligned(np.stack([sums.real, sums.imag], axis=-1))


def _aligned(coefficients):
    """The same curves, starting at their rightmost point and running toward greater rows."""
    (c, d), (a, b) = np.moveaxis(coefficients[:, 0], 0, -1)
    backwards = a * d - b * c < 0
    coefficients = coefficients.copy()
    coefficients[backwards, ..., 1] *= -1
    b = np.where(backwards, -b, b)
    phase = np.arange(1, coefficients.shape[1] + 1) * np.arctan2(b, a)[:, None]
    cosine, sine = np.cos(phase)[..., None], np.sin(phase)[..., None]
    real, imaginary = coefficients[..., 0], coefficients[..., 1]
    return np.stack(
        [real * cosine + imaginary * sine, imaginary * cosine - real * sine], axis=-1
    )  # fmt: skip


def contour_points(locations: np.ndarray, coefficients: np.ndarray, samples: int) -> np.ndarray:
    """Draw the polygons of elliptic Fourier descriptors.

    Parameters
    ----------
    locations : ndarray of shape (n_contours, 2)
    coefficients : ndarray of shape (n_contours, order, 2, 2)
        Coefficients, as returned by `fourier_descriptors`.
    samples : int
        Vertices of each polygon.

    Returns
    -------
    ndarray of shape (n_contours, samples, 2)
        Row and column.
    """
    t = 2 * np.pi * np.arange(samples) / samples
    phase = np.arange(1, coefficients.shape[1] + 1)[:, None] * t
    waves = np.stack([np.cos(phase), np.sin(phase)])
    return locations[:, None] + np.einsum("chaw,whs->csa", coefficients, waves)


def contour_areas(contours: np.ndarray) -> np.ndarray:
    """Measure signed areas of polygons, positive if they turn from columns to greater rows.

    Parameters
    ----------
    contours : ndarray of shape (n_contours, n_points, 2)

    Returns
    -------
    ndarray of shape (n_contours,)
    """
    after = np.roll(contours, -1, axis=-2)
    products = contours[..., 1] * after[..., 0] - after[..., 1] * contours[..., 0]
    return products.sum(axis=-1) / 2


def contour_perimeters(contours: np.ndarray) -> np.ndarray:
    """Measure the perimeters of polygons.

    Parameters
    ----------
    contours : ndarray of shape (n_contours, n_points, 2)

    Returns
    -------
    ndarray of shape (n_contours,)
    """
    steps = np.roll(contours, -1, axis=-2) - contours
    return np.linalg.norm(steps, axis=-1).sum(axis=-1)
