"""Cuts between touching objects: which objects touch, and how the cut between two of them looks."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .cleaning import relabel
from .distance import border_distance


class Cuts(NamedTuple):
    """Cuts between touching objects.

    Parameters
    ----------
    pairs : ndarray of int, shape (n_cuts, 2)
        Labels of the two objects, the smaller first.
    features : ndarray of float, shape (n_cuts, 6)
        Values of `CUT_FEATURES`.
    """

    pairs: np.ndarray
    features: np.ndarray


CUT_FEATURES = ("core", "foreground", "neck", "length", "size_ratio", "distance")


def find_cuts(
    labels: np.ndarray,
    foreground: np.ndarray,
    core: np.ndarray,
    spacing: Sequence[float] | None = None,
) -> Cuts:
    """Find the cuts between touching objects, and measure them.

    Parameters
    ----------
    labels : ndarray of int, shape (*spatial)
        0 background; each value > 0 is an object. Objects touch if they share a face of a pixel.
    foreground, core : ndarray of float, shape (*spatial), in [0, 1]
        Probabilities of the foreground, and of the core of an object.
    spacing : sequence of float, default=None
        Size of a pixel along each axis; None is 1.

    Returns
    -------
    Cuts
        Features do not depend on the size of the objects: mean probability of the core and of the
        foreground on the cut; its half-width (largest distance to the background on it) as a
        fraction of that of the slimmer object; its length (in volumes the root of its area) as a
        fraction of the diameter of the smaller object; the ratio of the sizes; and the distance of
        the centroids as a fraction of the diameter of both together. Diameters are roots of sizes.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.morphology import find_cuts
    >>> labels = np.array([[1, 1, 0, 0], [1, 1, 2, 2], [0, 0, 2, 2]])
    >>> core = np.where(labels > 0, 0.8, 0.0)
    >>> cuts = find_cuts(labels, core, core)
    >>> cuts.pairs.tolist(), cuts.features.round(1).tolist()
    ([[1, 2]], [[0.8, 0.8, 0.5, 0.5, 1.0, 0.8]])
    """
    pairs, faces, cut_of, axis_of = _faces(labels)
    if not len(pairs):
        return Cuts(pairs, np.zeros((0, len(CUT_FEATURES))))
    distance = border_distance(labels > 0, spacing)
    distance[~np.isfinite(distance)] = 1.0  # no background at all
    unit = np.ones(labels.ndim) if spacing is None else np.asarray(spacing, float)
    sizes, half_widths, centroids = _measure(labels, distance, unit)
    n_faces, widest = np.bincount(cut_of), np.zeros(len(pairs))
    np.maximum.at(widest, cut_of, distance.ravel()[faces].min(axis=1))
    mean_core, mean_foreground = (
        np.bincount(cut_of, values.ravel()[faces].min(axis=1)) / n_faces
        for values in (core, foreground)
    )
    first, second = pairs.T
    smaller, larger = (f(sizes[first], sizes[second]) for f in (np.minimum, np.maximum))
    root = 1 / labels.ndim
    area = np.bincount(cut_of, (unit.prod() / unit)[axis_of])
    apart = np.linalg.norm(centroids[first] - centroids[second], axis=1)
    features = [
        mean_core,
        mean_foreground,
        widest / np.minimum(half_widths[first], half_widths[second]),
        area ** (1 / max(labels.ndim - 1, 1)) / smaller**root,
        smaller / larger,
        apart / (smaller + larger) ** root,
    ]
    return Cuts(pairs, np.stack(features, axis=1))


def _measure(labels, distance, unit):
    """Size, half-width and centroid of each object, by label."""
    n_objects, at = int(labels.max()) + 1, np.flatnonzero(labels)
    objects = labels.ravel()[at]
    n_pixels = np.bincount(objects, minlength=n_objects)
    half_widths = np.zeros(n_objects)
    np.maximum.at(half_widths, objects, distance.ravel()[at])
    sums = [
        np.bincount(objects, index * step, n_objects)
        for index, step in zip(np.unravel_index(at, labels.shape), unit, strict=True)
    ]
    centroids = np.stack(sums, axis=1) / np.maximum(n_pixels, 1)[:, None]
    return n_pixels * unit.prod(), half_widths, centroids


def _faces(labels):
    """Pairs of touching objects, flat indices of both pixels of each face, its pair and axis."""
    flat = np.arange(labels.size).reshape(labels.shape)
    sides = []
    for axis in range(labels.ndim):
        before, after = (
            (*(slice(None),) * axis, part) for part in (slice(None, -1), slice(1, None))
        )
        touch = (labels[before] != labels[after]) & (labels[before] > 0) & (labels[after] > 0)
        sides.append(np.stack([flat[before][touch], flat[after][touch]], axis=1))
    faces = np.concatenate(sides)
    n = int(labels.max(initial=0)) + 1
    ends = np.sort(labels.ravel()[faces].astype(np.int64), axis=1)
    codes, cut_of = np.unique(ends[:, 0] * n + ends[:, 1], return_inverse=True)
    axis_of = np.repeat(np.arange(labels.ndim), [len(side) for side in sides])
    return np.stack(np.divmod(codes, n), axis=1), faces, cut_of, axis_of


def merge_objects(labels: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Merge pairs of objects.

    Parameters
    ----------
    labels : ndarray of int, shape (*spatial)
        0 background; each value > 0 is an object.
    pairs : ndarray of int, shape (n, 2)
        Labels of objects that become one, in any order; a chain of pairs becomes one object.

    Returns
    -------
    ndarray of int32, shape (*spatial)
        1, 2, ...

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.morphology import merge_objects
    >>> merge_objects(np.array([1, 1, 2, 3, 0, 4]), np.array([[3, 2], [1, 2]]))
    array([1, 1, 1, 1, 0, 2], dtype=int32)
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(pairs):
        return relabel(labels)
    n = int(labels.max()) + 1
    graph = coo_array((np.ones(len(pairs), bool), np.transpose(pairs)), shape=(n, n))
    _, merged = connected_components(graph, directed=False)
    return relabel(np.where(labels > 0, merged[labels] + 1, 0))
