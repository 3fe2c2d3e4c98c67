"""Candidate values of the counter's parameters, from the sizes of objects."""

import numpy as np

MIN_OBJECTS = 50  # of which one knows how large a small one is, its 2nd percentile
_MIN_FRAGMENTED_SHARE = 0.1  # of the labeled objects
_GAP_SHARES = (0.2, 0.35, 0.5)  # of an object's diameter, between its fragments


def min_size_candidates(sizes: np.ndarray) -> list[int]:
    """Return minimum sizes to try: half of a small object's first, 0, and other fractions.

    Half of the size of a small object removes the debris that unlabeled images hold. With fewer
    than 50 objects, the first is a twentieth of the median at most: none of them may be small.
    Larger sizes than that of a small object, or a tenth of the median, are not tried: new images
    may hold smaller objects than those that are labeled.

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
    small, median = np.percentile(sizes, 2), np.median(sizes)
    fractions = [0, 0.25 * small, 0.5 * small, small, 0.1 * median]
    first = int(0.5 * small if len(sizes) >= MIN_OBJECTS else min(0.5 * small, 0.05 * median))
    return [first, *sorted({int(f) for f in fractions} - {first})]


def merge_distance_candidates(
    sizes: np.ndarray, parts: np.ndarray, ndim: int, pixel: float
) -> list[float]:
    """Return merge distances to try: 0 first, and fractions of an object's diameter.

    The fractions are left out if fewer than a tenth of the labeled objects are fragmented.

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
    if not parts.size or np.mean(parts > 1) < _MIN_FRAGMENTED_SHARE:
        return [0.0]
    volume = float(np.median(sizes)) * pixel**ndim
    diameter = 2 * (volume / np.pi) ** 0.5 if ndim == 2 else (6 * volume / np.pi) ** (1 / 3)
    return [0.0, *(share * diameter for share in _GAP_SHARES)]
