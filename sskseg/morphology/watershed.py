"""Objects from probabilities, touching ones told apart."""

import edt
import numpy as np
from scipy import ndimage as ndi
from skimage.segmentation import watershed

from .components import label_components
from .peaks import find_peaks


def relief_of(probability, threshold, *, seeds="distance", smooth=1.0, spacing=None):
    """Mask and relief of a watershed: the relief is high in the middle of objects.

    Parameters
    ----------
    probability : ndarray of shape (*spatial), in [0, 1]
    threshold : float
        The mask is where the probability exceeds this.
    seeds : {"distance", "probability"}, default="distance"
        ``"distance"``: the distance transform of the mask, each component's as a fraction of its
        largest. ``"probability"``: the probability itself.
    smooth : float, default=1.0
        Standard deviation, in pixels, of a Gaussian that smooths the relief.
    spacing : sequence of float, default=None

    Returns
    -------
    mask : ndarray of bool
    relief : ndarray of float32, in [0, 1]
    """
    mask = probability > threshold
    if seeds == "distance":
        spacing = (1.0,) * mask.ndim if spacing is None else tuple(float(s) for s in spacing)
        relief = edt.edt(np.ascontiguousarray(mask), anisotropy=spacing, black_border=False)
        relief = np.where(np.isfinite(relief), relief, 1).astype(np.float32)
        parts = label_components(mask)
        largest = np.zeros(int(parts.max(initial=0)) + 1, np.float32)
        np.maximum.at(largest, parts[mask], relief[mask])
        largest[0] = 1
        relief = relief / largest[parts]
    else:
        relief = np.asarray(probability, np.float32)
    if smooth > 0:
        relief = ndi.gaussian_filter(relief, smooth)
    return mask, relief


def split_touching(mask, relief, seed_height):
    """Watershed of a relief from its peaks.

    Parameters
    ----------
    mask : ndarray of bool
    relief : ndarray of float32, in [0, 1], shape of `mask`
    seed_height : float in (0, 1]
        How deep the valley between two peaks must be, at least, for them to be two objects.

    Returns
    -------
    labels : ndarray of int32
        1, 2, ...; every component of the mask holds at least one object.

    References
    ----------
    .. [1] Soille. Morphological Image Analysis. 2003 (h-maxima).
       :doi:`10.1007/978-3-662-05088-0`
    """
    if not mask.any():
        return np.zeros(mask.shape, np.int32)
    # In steps of 1/255 a plateau is a plateau, and the reconstruction is fast.
    steps = np.where(mask, np.clip(relief * 255, 1, 255), 0).astype(np.uint8)
    height = int(np.clip(round(seed_height * 255), 1, 254))
    seeds = label_components(find_peaks(steps, height) & mask, connectivity=mask.ndim)
    labels = _flood(steps, seeds, mask)
    missed = label_components(mask & (labels == 0))
    return np.where(missed > 0, missed + labels.max(), labels).astype(np.int32)


def _flood(steps, seeds, mask):
    """Watershed of a mask, of which only parts with several seeds need one."""
    parts = label_components(mask)
    within = _seeds_within(parts, seeds)
    several = np.bincount(within[:, 0], minlength=int(parts.max()) + 1) > 1
    only = np.zeros(len(several), np.int32)
    only[within[:, 0]] = within[:, 1]
    only[several] = 0
    crowded = several[parts]
    if not crowded.any():
        return only[parts]
    values = 255 - steps.astype(np.int16)
    flooded = _watershed(values, np.where(crowded, seeds, 0), crowded)
    if not _order_is_irrelevant(values, seeds, parts, within[several[within[:, 0]]]):
        return _watershed(values, seeds, mask)
    return only[parts] + flooded


def _watershed(values, seeds, mask):
    return watershed(values, seeds, mask=mask).astype(np.int32)


def _seeds_within(parts, seeds):
    """Which seeds lie in which parts of the mask: rows of part and seed, each once."""
    at = np.flatnonzero(seeds)
    n_seeds = int(seeds.max()) + 1
    pairs = np.unique(parts.ravel()[at].astype(np.int64) * n_seeds + seeds.ravel()[at])
    return np.stack(np.divmod(pairs, n_seeds), axis=1)


def _order_is_irrelevant(values, seeds, parts, within):
    """Whether it does not matter which one of equally high seeds of a part is taken first.

    The watershed takes these in an order that depends on the rest of the image. So the parts that
    have such seeds are flooded with the seeds in either order.
    """
    heights = np.zeros(int(seeds.max()) + 1, values.dtype)
    at = np.flatnonzero(seeds)
    heights[seeds.ravel()[at]] = values.ravel()[at]
    same = np.zeros(int(parts.max()) + 1, np.int64)  # seeds of a part at one height, at most
    _, index, counts = np.unique(
        np.stack([within[:, 0], heights[within[:, 1]]], axis=1),
        axis=0, return_inverse=True, return_counts=True,
    )  # fmt: skip
    np.maximum.at(same, within[:, 0], counts[index.ravel()])
    if same.max() < 2:
        return True
    if same.max() > 2:  # more orders than two
        return False
    boxes = ndi.find_objects(np.where((same == 2)[parts], parts, 0))
    for part, box in enumerate(boxes, 1):
        if box is not None:
            inside = parts[box] == part
            both = np.where(inside, seeds[box], 0)
            rank = (both == both.max()) / 2
            one, other = (_watershed(values[box] + sign * rank, both, inside) for sign in (1, -1))
            if not np.array_equal(one, other):
                return False
    return True
