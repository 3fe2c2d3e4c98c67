"""Values that the parameter search of the counter tries."""

import numpy as np

_FRAGMENTED = 0.1  # share of the labeled objects
_GAPS = (0.2, 0.35, 0.5)  # of an object's diameter, between its fragments


def smallest_sizes(sizes):
    """Sizes to try as the smallest of an object: half of what is small first, for the debris that
    images without a label have; nothing, and other fractions.

    Parameters
    ----------
    sizes : ndarray of int
        Pixels of objects.

    Returns
    -------
    list of int
    """
    if not sizes.size:
        return [0]
    small, middle = np.percentile(sizes, 2), np.median(sizes)
    fractions = [0, 0.25 * small, small, 0.1 * middle, 0.2 * middle, 0.3 * middle]
    first = int(0.5 * small)
    return [first, *sorted({int(f) for f in fractions} - {first})]


def merge_distances(sizes, parts, ndim, pixel):
    """Distances to try up to which fragments are merged: 0 first, and where a tenth of the
    labeled objects or more are in fragments parts of an object's diameter.

    Parameters
    ----------
    sizes, parts : ndarray of int
        Pixels and connected parts of labeled objects.
    ndim : {2, 3}
    pixel : float
        Side of a pixel, in the unit of the distances.

    Returns
    -------
    list of float
    """
    if not parts.size or np.mean(parts > 1) < _FRAGMENTED:
        return [0.0]
    volume = float(np.median(sizes)) * pixel**ndim
    diameter = 2 * (volume / np.pi) ** 0.5 if ndim == 2 else (6 * volume / np.pi) ** (1 / 3)
    return [0.0, *(share * diameter for share in _GAPS)]
