"""Maxima of a minimum height above their surroundings."""

import numpy as np
from skimage.morphology import h_maxima

_MAX_ITERATIONS = 200


def find_peaks(steps: np.ndarray, height: int) -> np.ndarray:
    """Find the h-maxima: every path to another or higher peak descends by `height` at least.

    Parameters
    ----------
    steps : ndarray of uint8
        Heights.
    height : int in [1, 254]

    Returns
    -------
    ndarray of bool
        As `skimage.morphology.h_maxima`.

    Notes
    -----
    The reconstruction by dilation [1]_ iterates over the whole image, each iteration a few vector
    operations on bytes, instead of sorting pixels. A peak propagates only as far as the relief is
    within `height` of it, which takes few iterations for cells. After too many, in long flat
    ridges, scikit-image takes over.

    References
    ----------
    .. [1] Vincent. Morphological grayscale reconstruction in image analysis. IEEE Transactions on
       Image Processing 1993. :doi:`10.1109/83.217222`
    """
    if height > int(steps.max(initial=0)) - int(steps.min(initial=255)):
        return np.zeros(steps.shape, bool)
    # A frame of zeros, so that neighbors are at fixed distances in memory.
    ceiling = np.pad(steps, 1)
    flat = ceiling.ravel()
    level = np.maximum(flat, height) - np.uint8(height)
    spare, before = np.empty_like(level), np.empty_like(level)
    strides = np.array(ceiling.strides) // ceiling.itemsize
    for _ in range(_MAX_ITERATIONS):
        np.copyto(before, level)
        for stride in strides:
            # The larger of both neighbors, then of the pixel itself.
            spare[:stride] = spare[-stride:] = 0
            np.maximum(level[2 * stride :], level[: -2 * stride], out=spare[stride:-stride])
            np.maximum(level, spare, out=level)
        np.minimum(level, flat, out=level)
        if np.array_equal(level, before):
            inner = (slice(1, -1),) * steps.ndim
            return (ceiling - level.reshape(ceiling.shape))[inner] >= height
    return h_maxima(steps, height) > 0
