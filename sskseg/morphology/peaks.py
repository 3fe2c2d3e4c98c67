"""Maxima of a minimum height above their surroundings."""

import numpy as np
from skimage.morphology import reconstruction

from .components import label_components

_MAX_ITERATIONS = 200


def find_peaks(steps: np.ndarray, height: int) -> np.ndarray:
    """Label the peaks from which every path to a higher pixel descends by `height` at least.

    A peak is the pixels that are connected to its top by a path that descends by less. It may have
    several tops of the same height.

    Parameters
    ----------
    steps : ndarray of uint8 or uint16
        Heights.
    height : int, at least 1

    Returns
    -------
    ndarray of int32, shape of `steps`
        1, 2, ... in the order of the first pixels; 0 elsewhere. Pixels that share a corner are
        connected.

    Notes
    -----
    These are the extended maxima [1]_ without the pixels exactly `height` below the top: a valley
    of that depth separates. `skimage.morphology.h_maxima` returns the tops only, in which two
    equally high pixels of one peak are apart.

    The reconstruction by dilation [2]_ iterates over the whole image, each iteration a few vector
    operations on integers, instead of sorting pixels. A peak propagates only as far as the relief
    is within `height` of it, which takes few iterations for cells. After too many, in long flat
    ridges, scikit-image takes over.

    References
    ----------
    .. [1] Soille. Morphological Image Analysis. 2003. :doi:`10.1007/978-3-662-05088-0`
    .. [2] Vincent. Morphological grayscale reconstruction in image analysis. IEEE Transactions on
       Image Processing 1993. :doi:`10.1109/83.217222`
    """
    if height > int(steps.max(initial=0)) - int(steps.min(initial=np.iinfo(steps.dtype).max)):
        return np.zeros(steps.shape, np.int32)
    above = steps - _lowered(steps, height)
    parts = label_components(above > 0, connectivity=steps.ndim)
    is_peak = np.zeros(int(parts.max(initial=0)) + 1, bool)
    is_peak[parts[above >= height]] = True
    return np.take((np.cumsum(is_peak) * is_peak).astype(np.int32), parts)


def _lowered(steps, height):
    """Reconstruction of `steps` from below: all peaks are lowered by `height`."""
    # A frame of zeros, so that neighbors are at fixed distances in memory.
    ceiling = np.pad(steps, 1)
    flat = ceiling.ravel()
    level = np.maximum(flat, height) - steps.dtype.type(height)
    spare, before = np.empty_like(level), np.empty_like(level)
    strides = np.array(ceiling.strides) // ceiling.itemsize
    inner = (slice(1, -1),) * steps.ndim
    for _ in range(_MAX_ITERATIONS):
        np.copyto(before, level)
        for stride in strides:
            # The larger of both neighbors, then of the pixel itself.
            spare[:stride] = spare[-stride:] = 0
            np.maximum(level[2 * stride :], level[: -2 * stride], out=spare[stride:-stride])
            np.maximum(level, spare, out=level)
        np.minimum(level, flat, out=level)
        if np.array_equal(level, before):
            break
    else:
        level = reconstruction(level.reshape(ceiling.shape), ceiling).astype(steps.dtype)
    return level.reshape(ceiling.shape)[inner]
