"""Peaks that stand out by some height."""

import numpy as np
from skimage.morphology import h_maxima

_ROUNDS = 200


def find_peaks(steps, height):
    """Find the maxima from which every way to a higher or other peak leads down by `height`.

    Parameters
    ----------
    steps : ndarray of uint8
        Heights.
    height : int in [1, 254]

    Returns
    -------
    ndarray of bool
        What `skimage.morphology.h_maxima` finds.

    Notes
    -----
    The reconstruction by dilation [1]_ is done in rounds over the whole image, each a few vector
    operations on bytes, and not by sorting pixels. Light has to travel from a peak to where it is
    `height` lower only, which takes few rounds in reliefs of cells; where it takes many, in long
    flat ridges, scikit-image goes on.

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
    for _ in range(_ROUNDS):
        np.copyto(before, level)
        for stride in strides:
            # the larger of both neighbors, then of the pixel itself
            spare[:stride] = spare[-stride:] = 0
            np.maximum(level[2 * stride :], level[: -2 * stride], out=spare[stride:-stride])
            np.maximum(level, spare, out=level)
        np.minimum(level, flat, out=level)
        if np.array_equal(level, before):
            inner = (slice(1, -1),) * steps.ndim
            return (ceiling - level.reshape(ceiling.shape))[inner] >= height
    return h_maxima(steps, height) > 0
