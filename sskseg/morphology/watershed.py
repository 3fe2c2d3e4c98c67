"""Split touching objects of a foreground probability by a watershed."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from scipy import ndimage as ndi
from skimage.segmentation import watershed

from .cleaning import bridge_gaps
from .components import label_components
from .distance import border_distance
from .peaks import find_peaks

_MAX_PAIRS = 3  # of equally high seeds in one component, whose orders are all tried


def relief_of(
    probability: np.ndarray,
    threshold: float,
    *,
    seeds: str = "distance",
    smooth: float = 1.0,
    spacing: Sequence[float] | None = None,
    bridge: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute mask and relief of a watershed; the relief is high in the middle of objects.

    Parameters
    ----------
    probability : ndarray of shape (*spatial), in [0, 1]
    threshold : float
        The mask holds the pixels of greater probability.
    seeds : {"distance", "probability"}, default="distance"
        ``"distance"``: distance transform of the mask, divided by its maximum in each component.
        ``"probability"``: the probability itself.
    smooth : float, default=1.0
        Standard deviation of the Gaussian that smooths the relief, pixels.
    spacing : sequence of float, default=None
    bridge : float, default=0.0
        Maximum distance of components that are joined, see `bridge_gaps`; the pixels between them
        take the probability of the nearest foreground.

    Returns
    -------
    mask : ndarray of bool
    relief : ndarray of float32, in [0, 1]
    """
    foreground = probability > threshold
    mask = bridge_gaps(foreground, bridge, spacing)
    if seeds == "distance":
        relief = np.ascontiguousarray(border_distance(mask, spacing), np.float32)
        at, parts = np.flatnonzero(mask), label_components(mask)
        inside, part = relief.ravel()[at], parts.ravel()[at]
        inside[~np.isfinite(inside)] = 1
        largest = np.zeros(int(parts.max(initial=0)) + 1, np.float32)
        np.maximum.at(largest, part, inside)
        relief.ravel()[at] = inside / largest[part]
    else:
        relief = np.asarray(probability, np.float32)
        if mask is not foreground:
            nearest = ndi.distance_transform_edt(
                ~foreground, sampling=spacing, return_distances=False, return_indices=True
            )
            between = mask & ~foreground
            relief = relief.copy()
            relief[between] = relief[tuple(axis[between] for axis in nearest)]
    if smooth > 0:
        relief = ndi.gaussian_filter(relief, smooth)
    return mask, relief


def split_touching(mask: np.ndarray, relief: np.ndarray, seed_height: float) -> np.ndarray:
    """Split a mask into objects by the watershed of a relief from its peaks.

    Parameters
    ----------
    mask : ndarray of bool
    relief : ndarray of float32, in [0, 1], shape of `mask`
    seed_height : float in (0, 1]
        Minimum depth of the valley between the peaks of two objects.

    Returns
    -------
    labels : ndarray of int32
        1, 2, ...; each component of the mask holds at least one object.

    References
    ----------
    .. [1] Soille. Morphological Image Analysis. 2003 (h-maxima).
       :doi:`10.1007/978-3-662-05088-0`
    """
    if not mask.any():
        return np.zeros(mask.shape, np.int32)
    # Quantized to 1/255, plateaus are flat and the reconstruction is fast.
    steps = np.where(mask, np.clip(relief * 255, 1, 255), 0).astype(np.uint8)
    height = int(np.clip(round(seed_height * 255), 1, 254))
    seeds = label_components(find_peaks(steps, height) & mask, connectivity=mask.ndim)
    labels = _flood(steps, seeds, mask)
    seedless = label_components(mask & (labels == 0))
    return np.where(seedless > 0, seedless + labels.max(), labels).astype(np.int32)


def split_by_seeds(mask: np.ndarray, relief: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Split a mask into objects by the watershed of a relief from given seeds.

    Objects of a component of the mask do not depend on the rest of the image.

    Parameters
    ----------
    mask : ndarray of bool
    relief : ndarray of float32, in [0, 1], shape of `mask`
        High in the middle of objects.
    seeds : ndarray of bool, shape of `mask`
        Each component (pixels that share a corner are connected) inside the mask is a seed.

    Returns
    -------
    labels : ndarray of int32
        1, 2, ...; each component of the mask holds at least one object, those without a seed too.
    """
    seeds = label_components(seeds & mask, connectivity=mask.ndim)
    values = 255 - np.clip(relief * 255, 0, 255).astype(np.int32)
    at = np.flatnonzero(seeds)
    # Pixels of equal value are flooded in the order in which they are reached, except those of
    # seeds, which are reached together: they get values of their own.
    values.ravel()[at] = np.arange(len(at)) - len(at)
    labels = _watershed(values, seeds, mask)
    seedless = label_components(mask & (labels == 0))
    return np.where(seedless > 0, seedless + labels.max(initial=0), labels).astype(np.int32)


def _flood(steps, seeds, mask):
    """Watershed of the components that hold several seeds; the others are one object each."""
    parts = label_components(mask)
    within = _seeds_within(parts, seeds)
    several = np.bincount(within[:, 0], minlength=int(parts.max()) + 1) > 1
    only = np.zeros(len(several), np.int32)
    only[within[:, 0]] = within[:, 1]
    only[several] = 0
    crowded = np.take(several, parts)
    if not crowded.any():
        return np.take(only, parts)
    values = 255 - steps.astype(np.int16)
    flooded = _watershed(values, np.where(crowded, seeds, 0), crowded)
    if not _order_is_irrelevant(values, seeds, parts, within[several[within[:, 0]]]):
        return _watershed(values, seeds, mask)
    return np.take(only, parts) + flooded


def _watershed(values, seeds, mask):
    return watershed(values, seeds, mask=mask).astype(np.int32)


def _seeds_within(parts, seeds):
    """Unique pairs (component, seed), shape (n_pairs, 2)."""
    at = np.flatnonzero(seeds)
    n_seeds = int(seeds.max()) + 1
    pairs = np.unique(parts.ravel()[at].astype(np.int64) * n_seeds + seeds.ravel()[at])
    return np.stack(np.divmod(pairs, n_seeds), axis=1)


def _order_is_irrelevant(values, seeds, parts, within):
    """Whether the result does not depend on the order of equally high seeds of a component.

    The watershed processes these in an order that depends on the rest of the image. So components
    with pairs of such seeds are flooded in every order; False if there are too many orders.
    """
    heights = np.zeros(int(seeds.max()) + 1, values.dtype)
    at = np.flatnonzero(seeds)
    heights[seeds.ravel()[at]] = values.ravel()[at]
    rows = np.stack([within[:, 0], heights[within[:, 1]], within[:, 1]], axis=1)
    rows = rows[np.lexsort(rows.T[::-1])]
    second = np.flatnonzero((rows[1:, :2] == rows[:-1, :2]).all(axis=1)) + 1
    tied, n_pairs = np.unique(rows[second, 0], return_counts=True)
    if n_pairs.max(initial=0) > _MAX_PAIRS or (np.diff(second) == 1).any():
        return False
    if not len(tied):
        return True
    later = np.split(rows[second, 2], np.cumsum(n_pairs)[:-1])  # the second seed of each pair
    for part, pairs, box in zip(tied, later, _boxes(parts, tied), strict=True):
        inside = parts[box] == part
        both = np.where(inside, seeds[box], 0)
        first = None
        for signs in product((0.5, -0.5), repeat=len(pairs)):
            moved = sum(sign * (both == seed) for sign, seed in zip(signs, pairs, strict=True))
            flooded = _watershed(values[box] + moved, both, inside)
            first = flooded if first is None else first
            if not np.array_equal(first, flooded):
                return False
    return True


def _boxes(parts, wanted):
    """Bounding boxes of some components, sorted by id."""
    chosen = np.zeros(int(parts.max()) + 1, bool)
    chosen[wanted] = True
    at = np.flatnonzero(np.take(chosen, parts))
    index = np.searchsorted(wanted, parts.ravel()[at])
    low = np.full((parts.ndim, len(wanted)), max(parts.shape))
    high = np.zeros((parts.ndim, len(wanted)), np.int64)
    for axis, where in enumerate(np.unravel_index(at, parts.shape)):
        np.minimum.at(low[axis], index, where)
        np.maximum.at(high[axis], index, where + 1)
    return [tuple(map(slice, *ends)) for ends in zip(low.T.tolist(), high.T.tolist(), strict=True)]
