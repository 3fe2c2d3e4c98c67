"""Split touching objects of a foreground probability by a watershed."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage as ndi
from skimage.segmentation import watershed

from .cleaning import bridge_gaps
from .components import label_components
from .distance import border_distance
from .peaks import find_peaks

_UNSURE = 2.0  # edges of a pixel; differences of distances below it mean little
_HIGHEST = 2**16 - 1


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

    The relief of a pixel depends on pixels nearby alone.

    Parameters
    ----------
    probability : ndarray of shape (*spatial), in [0, 1]
    threshold : float
        The mask holds the pixels of greater probability.
    seeds : {"distance", "probability"}, default="distance"
        ``"distance"``: ``log(1 + d / 2)``, where d is the distance to the border of the mask in
        the shortest edges of a pixel. ``"probability"``: the probability itself.
    smooth : float, default=1.0
        Standard deviation of the Gaussian that smooths distances or probabilities, in pixels of the
        axis with the smallest spacing. It has the same length along all axes.
    spacing : sequence of float, default=None
        Size of a pixel along each axis; None is 1.
    bridge : float, default=0.0
        Maximum distance of components that are joined, see `bridge_gaps`; the pixels between them
        take the probability of the nearest foreground.

    Returns
    -------
    mask : ndarray of bool
    relief : ndarray of float32, not negative
    """
    foreground = probability > threshold
    mask = bridge_gaps(foreground, bridge, spacing)
    if seeds == "distance":
        relief = np.ascontiguousarray(border_distance(mask, spacing), np.float32)
        relief[~np.isfinite(relief)] = 1
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
        relief = ndi.gaussian_filter(relief, isotropic_sigma(smooth, relief.ndim, spacing))
    if seeds == "distance":
        # A logarithm, so that depths are relative to the size of the two objects, not to that of
        # the largest one that touches them, which may be far away.
        edge = 1.0 if spacing is None else float(min(spacing))
        relief = np.log1p(relief / np.float32(_UNSURE * edge))
    return mask, relief


def isotropic_sigma(
    sigma: float, ndim: int, spacing: Sequence[float] | None = None
) -> tuple[float, ...]:
    """Return the standard deviation of a Gaussian along each axis, pixels.

    Parameters
    ----------
    sigma : float
        Standard deviation in pixels of the axis with the smallest spacing.
    ndim : int
    spacing : sequence of float, default=None
        Size of a pixel along each axis; None is 1.

    Returns
    -------
    tuple of float, of length `ndim`
    """
    steps = np.ones(ndim) if spacing is None else np.asarray(spacing, float)
    return tuple((sigma * steps.min() / steps).tolist())


def split_touching(mask: np.ndarray, relief: np.ndarray, seed_height: float) -> np.ndarray:
    """Split a mask into objects by the watershed of a relief from its peaks.

    Objects of a component of the mask do not depend on the rest of the image. Pixels that share a
    corner are connected: an object may have parts that touch in corners only.

    Parameters
    ----------
    mask : ndarray of bool
    relief : ndarray of float32, not negative, shape of `mask`
    seed_height : float > 0
        Minimum depth of the valley between the peaks of two objects, in units of the relief.

    Returns
    -------
    labels : ndarray of int32
        1, 2, ...; each component of the mask holds at least one object.

    References
    ----------
    .. [1] Soille. Morphological Image Analysis. 2003 (extended maxima).
       :doi:`10.1007/978-3-662-05088-0`
    """
    if not mask.any():
        return np.zeros(mask.shape, np.int32)
    # Quantized to 1/255, plateaus are flat and the reconstruction is fast.
    steps = np.where(mask, np.clip(relief * 255, 1, _HIGHEST), 0).astype(np.uint16)
    seeds = find_peaks(steps, max(1, round(seed_height * 255)))
    values, at = float(_HIGHEST) - steps, np.flatnonzero(seeds > 0)  # faster than of integers
    # Between what is higher and the other pixels of this height, and in the order of the image.
    values.ravel()[at] -= np.arange(len(at), 0, -1) / (len(at) + 1)
    return _flood(values, seeds, mask)


def split_by_seeds(mask: np.ndarray, relief: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Split a mask into objects by the watershed of a relief from given seeds.

    Objects of a component of the mask do not depend on the rest of the image. Pixels that share a
    corner are connected: an object may have parts that touch in corners only.

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
    values, at = 255.0 - np.clip(relief * 255, 0, 255).astype(np.uint8), np.flatnonzero(seeds > 0)
    values.ravel()[at] = np.arange(len(at)) - len(at)  # before all others
    return _flood(values, seeds, mask)


def _flood(values, seeds, mask):
    """Watershed of the components that hold several seeds; the others are one object each.

    Pixels of equal value are flooded in the order in which they are reached. Those of seeds are
    reached together, in an order that depends on the rest of the image: they need values of their
    own. `values` is modified.
    """
    parts = label_components(mask)
    n_parts, n_seeds = int(parts.max(initial=0)), int(seeds.max(initial=0))
    within = _seeds_within(parts, seeds, n_seeds)
    several = np.bincount(within[:, 0], minlength=n_parts + 1) > 1
    label = np.zeros(n_parts + 1, np.int32)
    label[within[:, 0]] = within[:, 1]
    seedless = np.flatnonzero(label == 0)[1:]  # without the background
    label[seedless] = n_seeds + np.arange(1, len(seedless) + 1)
    label[several] = 0
    labels = np.take(label, parts)
    if several.any():
        # One component after the other: what the watershed reads and writes stays in the cache.
        turn = np.take((np.cumsum(several) * several).astype(np.int32), parts)
        crowded = turn > 0
        values += turn * (np.ptp(values) + 1)
        labels += watershed(values, np.where(crowded, seeds, 0), mask=crowded)
    return labels


def _seeds_within(parts, seeds, n_seeds):
    """Unique pairs (component, seed), shape (n_pairs, 2)."""
    at = np.flatnonzero(seeds > 0)
    pairs = np.unique(parts.ravel()[at].astype(np.int64) * (n_seeds + 1) + seeds.ravel()[at])
    return np.stack(np.divmod(pairs, n_seeds + 1), axis=1)
