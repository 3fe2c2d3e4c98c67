"""Compare images before and after refinement: do labels still match?"""

import numpy as np
from scipy import ndimage as ndi

_MAX_SHIFT = 6.0  # pixels on each side of an outline
_STEP = 0.5
_RING = 4  # width of the ring around an object, pixels
_MIN_CONTRAST = 0.5  # of the contrast before


def label_conditioning(labels: np.ndarray) -> np.ndarray:
    """Compute the conditioning of a refiner from labels.

    Parameters
    ----------
    labels : ndarray of int, shape (*spatial)

    Returns
    -------
    ndarray of float32, shape (3, *spatial)
        Foreground, outlines, and the distance to the outline as a fraction of the largest in the
        image, negative outside.
    """
    mask = labels > 0
    edges = np.zeros(labels.shape, bool)
    for axis in range(labels.ndim):
        each, other = np.moveaxis(edges, axis, 0), np.moveaxis(labels, axis, 0)
        each[1:] |= other[1:] != other[:-1]
    for axis in range(labels.ndim):
        each = np.moveaxis(edges, axis, 0)
        each[:-1] |= each[1:]
    inside = ndi.distance_transform_edt(mask & ~edges)
    outside = ndi.distance_transform_edt(~mask)
    depth = inside / max(inside.max(), 1.0) - outside / max(outside.max(), 1.0)
    return np.stack([mask, edges, depth]).astype(np.float32)


def boundary_shifts(
    before: np.ndarray,
    after: np.ndarray,
    labels: np.ndarray,
    *,
    max_points: int = 500,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """Measure how far outlines moved between two images.

    Gradient profiles are sampled along normals, every half pixel up to 6 pixels on each side of the
    outline. The shift is the distance of their maxima, refined by a parabola.

    Parameters
    ----------
    before, after : ndarray of shape (*spatial)
    labels : ndarray of int, shape (*spatial)
    max_points : int, default=500
        Maximum number of points on outlines.
    rng : numpy.random.Generator, default=None
        Samples the points; None: evenly spaced.

    Returns
    -------
    ndarray of shape (n,)
        Pixels, positive where objects grew. Their median is the bias of all outlines, the median of
        the absolute values the typical error of one.
    """
    mask = labels > 0
    signed = ndi.distance_transform_edt(mask) - ndi.distance_transform_edt(~mask)
    smooth = ndi.gaussian_filter(signed, 1.0)
    at = np.argwhere(mask & ~ndi.binary_erosion(mask, border_value=1))
    if not len(at):
        return np.empty(0)
    if len(at) > max_points:
        step = np.arange(max_points) * len(at) // max_points
        at = at[step if rng is None else rng.choice(len(at), max_points, replace=False)]
    normals = np.stack([g[tuple(at.T)] for g in np.gradient(smooth)], axis=1)
    length = np.linalg.norm(normals, axis=1)
    at, normals = at[length > 0.3], (normals / np.maximum(length, 1e-9)[:, None])[length > 0.3]
    offsets = np.arange(-_MAX_SHIFT, _MAX_SHIFT + _STEP / 2, _STEP)
    points = at[:, None] + offsets[None, :, None] * normals[:, None]
    weight = np.exp(-0.5 * (offsets / (_MAX_SHIFT / 2)) ** 2)  # prefer the nearest outline
    steepest = [
        _peak(ndi.map_coordinates(ndi.gaussian_gradient_magnitude(image, 1.0),
                                    points.reshape(-1, labels.ndim).T, order=3, mode="nearest")
                .reshape(points.shape[:2]), weight)
        for image in (before, after)
    ]  # fmt: skip
    return _STEP * (steepest[0] - steepest[1])


def _peak(profiles, weight):
    """Subpixel position of the maximum of each weighted profile."""
    top = np.clip((profiles * weight).argmax(axis=1), 1, profiles.shape[1] - 2)
    left, middle, right = (np.take_along_axis(profiles, (top + k)[:, None], 1)[:, 0]
                           for k in (-1, 0, 1))  # fmt: skip
    bend = left - 2 * middle + right
    off = np.where(bend < 0, 0.5 * (left - right) / np.minimum(bend, -1e-12), 0.0)
    return top + np.clip(off, -1, 1)


def surviving(before: np.ndarray, after: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Find the objects that still differ from their surroundings.

    Parameters
    ----------
    before, after : ndarray of shape (*spatial)
    labels : ndarray of int, shape (*spatial)

    Returns
    -------
    ndarray of bool, shape (n_objects,)
        Whether the contrast to a ring of 4 pixels is at least half of that before, with its sign.
    """
    ids = np.unique(labels[labels > 0])
    if not len(ids):
        return np.empty(0, bool)
    around = labels == 0
    away, nearest = ndi.distance_transform_edt(around, return_indices=True)
    owner = np.where((away <= _RING) & around, labels[tuple(nearest)], 0)
    contrasts = []
    for image in (before, after):
        everywhere = float(image[around].mean()) if around.any() else 0.0
        contrasts.append(ndi.mean(image, labels, ids) - _means_or(image, owner, ids, everywhere))
    return contrasts[1] * np.sign(contrasts[0]) >= _MIN_CONTRAST * np.abs(contrasts[0])


def hallucinated(before: np.ndarray, after: np.ndarray, labels: np.ndarray) -> int:
    """Count new objects in the background.

    Parameters
    ----------
    before, after : ndarray of shape (*spatial)
    labels : ndarray of int, shape (*spatial)

    Returns
    -------
    int
        Number of components of the background in `after` minus that in `before`. Components are at
        least 3 pixels from any object, closer to objects than to background in intensity, and at
        least a quarter of the median object in size.
    """
    mask = labels > 0
    if not mask.any() or mask.all():
        return 0
    clear = ndi.distance_transform_edt(~mask) > 3
    min_size = 0.25 * np.median(np.unique(labels[mask], return_counts=True)[1])
    counts = []
    for image in (before, after):
        low, high = np.median(image[~mask]), np.median(image[mask])
        like = (image - low) * np.sign(high - low) > 0.5 * abs(high - low)
        components, n = ndi.label(ndi.binary_opening(like & clear))
        sizes = np.bincount(components.ravel(), minlength=n + 1)[1:]
        counts.append(int((sizes >= min_size).sum()))
    return max(0, counts[1] - counts[0])


def _means_or(image, owner, ids, default):
    sizes = ndi.sum_labels(np.ones(image.shape), owner, ids)
    sums = ndi.sum_labels(image, owner, ids)
    return np.where(sizes > 0, sums / np.maximum(sizes, 1), default)
