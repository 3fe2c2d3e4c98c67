"""Levels of a resolution pyramid, and the pixels of the finer level that a coarser one has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_MAX_LAST_LEVEL = 256  # pixels of a side; the pyramid ends where a level fits in that


def pyramid_levels(shape: tuple[int, ...]) -> list[tuple[tuple[int, ...], np.ndarray]]:
    """List the shape of each level, and by what factor its pixels are larger than the finest.

    Parameters
    ----------
    shape : tuple of int
        Of the finest level.

    Returns
    -------
    list of (tuple of int, ndarray of int)
    """
    factor = np.ones(len(shape), int)
    levels = [(shape, factor)]
    while max(shape) > _MAX_LAST_LEVEL:
        steps = [2 if size > _MAX_LAST_LEVEL // 2 else 1 for size in shape]
        shape = tuple(-(-size // step) for size, step in zip(shape, steps, strict=True))
        factor = factor * steps
        levels.append((shape, factor))
    return levels


def nearest_pixels(
    sizes: Sequence[int], scales: Sequence[float], translations: Sequence[float]
) -> list[np.ndarray]:
    """Find the pixels of each level that lie nearest to those of the next one, along an axis.

    Where pixels are as near to each other, it is the first. So it is every second pixel from the
    first one on, or, after some levels, from near the center of the coarse pixel on, if the image
    has its coarse pixels there.

    Parameters
    ----------
    sizes : sequence of int
        Pixels along the axis at each level.
    scales, translations : sequence of float
        Size of a pixel, and position of the center of the first one, at each level.

    Returns
    -------
    list of ndarray of int
        For each level but the finest, indices of pixels of the level before.
    """
    positions = np.arange(sizes[0], dtype=float)  # of pixels, in those of the finest level
    indices = []
    for size, scale, translation in zip(sizes[1:], scales[1:], translations[1:], strict=True):
        step, offset = scale / scales[0], (translation - translations[0]) / scales[0]
        if not (abs(size * step - sizes[0]) < step and 0 <= offset < step):
            step, offset = sizes[0] / size, 0.0  # metadata that contradict the shapes
        wanted = np.round(np.arange(size) * step + offset, 6)  # of 0.65 * 2, say, the exact half
        indices.append(np.searchsorted((positions[1:] + positions[:-1]) / 2, wanted))
        positions = positions[indices[-1]]
    return indices
