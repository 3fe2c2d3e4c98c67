"""Cell-like shapes in two and three dimensions, and their position in an image."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Blob(NamedTuple):
    """A shape in its bounding box.

    Parameters
    ----------
    start : tuple of int
        First pixel of the box in the image (may lie outside).
    depth : ndarray of float32
        Positive inside: 1 in the middle, 0 on the outline, negative outside.
    """

    start: tuple[int, ...]
    depth: np.ndarray


def draw_blob(
    rng: np.random.Generator,
    center: ArrayLike,
    radius: float,
    *,
    elongation: float = 1.4,
    roughness: float = 0.08,
    waves: int = 6,
) -> Blob:
    """Draw an ellipse or ellipsoid with a smoothly irregular outline.

    The outline is star-shaped, so that it never crosses itself.

    Parameters
    ----------
    rng : numpy.random.Generator
    center : sequence of float
        Pixels; its length is the number of dimensions.
    radius : float
        Geometric mean of the half axes, pixels.
    elongation : float, default=1.4
        Maximum ratio of half axes; the ratio is drawn between 1 and this.
    roughness : float, default=0.08
        Standard deviation of the outline, in units of the radius.
    waves : int, default=6
        Number of waves of the irregular outline.

    Returns
    -------
    Blob
    """
    center = np.asarray(center, float)
    ndim = len(center)
    axes = np.exp(rng.uniform(-0.5, 0.5, ndim) * np.log(elongation))
    axes /= axes.prod() ** (1 / ndim)
    rotation, _ = np.linalg.qr(rng.normal(size=(ndim, ndim)))
    longest = radius * axes.max() * (1 + 4 * roughness) + 1
    start = np.floor(center - longest).astype(int)
    side = np.ceil(center + longest).astype(int) - start + 1
    grid = [np.arange(n) + s - c for n, s, c in zip(side, start, center, strict=True)]
    offset = np.stack(np.meshgrid(*grid, indexing="ij"), axis=-1) @ rotation / (radius * axes)
    distance = np.linalg.norm(offset, axis=-1)
    direction = offset / np.maximum(distance, 1e-6)[..., None]
    directions = rng.normal(size=(ndim, waves)) * np.arange(1, waves + 1) / np.sqrt(ndim)
    phases = rng.uniform(0, 2 * np.pi, waves)
    heights = roughness * np.sqrt(2 / waves) * rng.normal(size=waves)
    outline = 1 + np.cos(direction @ directions + phases) @ heights
    depth = 1 - distance / np.maximum(outline, 0.2)
    return Blob(tuple(int(s) for s in start), depth.astype(np.float32))


def brightness_at(depth: ArrayLike) -> np.ndarray:
    """Compute the brightness of a cell, in units of that in its middle; 0.7 on the outline.

    Parameters
    ----------
    depth : ndarray
        1 in the middle, 0 on the outline, as in `Blob`.

    Returns
    -------
    ndarray of the same shape
    """
    return 0.7 + 0.3 * np.sqrt(depth)


def overlap_slices(
    start: Iterable[int], side: Iterable[int], shape: Iterable[int]
) -> tuple[tuple[slice, ...], tuple[slice, ...]] | tuple[None, None]:
    """Find the overlap of a box and an image.

    Parameters
    ----------
    start : sequence of int
        First pixel of the box in the image; may lie outside.
    side, shape : sequence of int
        Shapes of the box and of the image.

    Returns
    -------
    in_image, in_box : tuple of slice
        None for both if the box lies outside.

    Examples
    --------
    >>> from sskseg.simulation import overlap_slices
    >>> overlap_slices((-2,), (5,), (10,))
    ((slice(0, 3, None),), (slice(2, 5, None),))
    """
    low = [max(int(a), 0) for a in start]
    high = [min(int(a + n), size) for a, n, size in zip(start, side, shape, strict=True)]
    if any(a >= b for a, b in zip(low, high)):
        return None, None
    in_image = tuple(slice(a, b) for a, b in zip(low, high))
    in_box = tuple(slice(a - int(s), b - int(s)) for a, b, s in zip(low, high, start))
    return in_image, in_box
