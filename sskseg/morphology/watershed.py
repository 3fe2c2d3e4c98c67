"""Objects from probabilities, touching ones told apart."""

import edt
import numpy as np
from scipy import ndimage as ndi
from skimage.morphology import h_maxima
from skimage.segmentation import watershed

from .components import label_components


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
        largest = np.ones(int(parts.max(initial=0)) + 1, np.float32)
        if len(largest) > 1:
            largest[1:] = ndi.maximum(relief, parts, np.arange(1, len(largest)))
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
    peaks = h_maxima(steps, height) > 0
    peaks &= mask
    seeds = label_components(peaks, connectivity=mask.ndim)
    labels = watershed(255 - steps.astype(np.int16), seeds, mask=mask).astype(np.int32)
    missed = label_components(mask & (labels == 0))
    return np.where(missed > 0, missed + labels.max(), labels).astype(np.int32)
