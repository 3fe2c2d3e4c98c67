"""Outlines of cells, ellipses with Fourier contours, vectorized over cells."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

_MIN_RADIUS = 0.2  # minimum distance of an outline from its center, of the ellipse's half axis


class Outlines(NamedTuple):
    """Star-shaped outlines of m cells in two dimensions, around ellipses.

    Parameters
    ----------
    centers : ndarray of shape (m, 2)
        Row and column, pixels.
    frames : ndarray of shape (m, 2, 2)
        Matrices that map the unit circle to the ellipse around its center.
    waves : ndarray of complex, shape (m, n_waves)
        Fourier coefficients, of orders 2, 3, ..., of the distance from the center relative to the
        ellipse; all 0 for an ellipse.
    """

    centers: np.ndarray
    frames: np.ndarray
    waves: np.ndarray


class Filling(NamedTuple):
    """Pixels of cells, ordered by cell; a pixel of several cells occurs once for each.

    Parameters
    ----------
    cell, pixel : ndarray of int, shape (n,)
        Index in `Outlines`, and index in the flattened image.
    depth : ndarray of float32, shape (n,)
        1 in the middle of the cell, 0 on its outline.
    """

    cell: np.ndarray
    pixel: np.ndarray
    depth: np.ndarray


def sample_outlines(
    rng: np.random.Generator,
    centers: ArrayLike,
    radii: np.ndarray,
    *,
    elongation: float = 1.6,
    roughness: float = 0.06,
    waves: int = 6,
) -> Outlines:
    """Sample outlines.

    Parameters
    ----------
    rng : numpy.random.Generator
    centers : ndarray of shape (m, 2)
    radii : ndarray of shape (m,)
        Geometric means of the half axes, pixels.
    elongation : float, default=1.6
        Maximum ratio of half axes; ratios are drawn between 1 and this.
    roughness : float, default=0.06
        Standard deviation of the outline, in units of the radius; 0 gives ellipses.
    waves : int, default=6
        Number of orders of the Fourier contour; amplitudes fall with the square of the order.

    Returns
    -------
    Outlines
    """
    m = len(radii)
    ratio = np.exp(0.5 * np.log(elongation) * rng.uniform(0, 1, m))
    axes = np.asarray(radii)[:, None] * np.stack([ratio, 1 / ratio], axis=1)
    turn = rng.uniform(0, np.pi, m)
    rotation = np.stack([np.cos(turn), -np.sin(turn), np.sin(turn), np.cos(turn)], axis=1)
    frames = rotation.reshape(m, 2, 2) * axes[:, None, :]
    falls = np.arange(2, 2 + waves) ** -2.0
    falls *= roughness / max(np.sqrt((falls**2).sum()), 1e-12)
    draws = rng.standard_normal((m, waves, 2)) @ np.array([1, 1j])
    return Outlines(np.asarray(centers, float), frames, draws * falls)


def trace_outlines(outlines: Outlines, points: int = 64) -> np.ndarray:
    """Turn outlines into polygons.

    Parameters
    ----------
    outlines : Outlines
    points : int, default=64
        Vertices of each polygon.

    Returns
    -------
    ndarray of shape (m, points, 2)
        Row and column, also beyond the image. Pixels are points: those inside belong to the cell.
    """
    z = np.exp(2j * np.pi * np.arange(points) / points)[None]
    z = z * _distance(outlines.waves[:, None], z)
    return outlines.centers[:, None] + z[..., None].view(float) @ outlines.frames.swapaxes(1, 2)


def fill_outlines(outlines: Outlines, shape: Sequence[int]) -> Filling:
    """Find the pixels inside of outlines.

    Parameters
    ----------
    outlines : Outlines
    shape : tuple of 2 ints
        Size of the image in pixels.

    Returns
    -------
    Filling
    """
    cell, row, column = _boxes(trace_outlines(outlines, 32), shape)
    centers = outlines.centers.astype(np.float32)
    inverse = np.linalg.inv(outlines.frames).astype(np.float32).reshape(-1, 4)
    row_from, column_from = row - centers[:, 0][cell], column - centers[:, 1][cell]
    a, b, c, d = inverse.T
    z = np.empty(len(cell), np.complex64)
    z.real = a[cell] * row_from + b[cell] * column_from
    z.imag = c[cell] * row_from + d[cell] * column_from
    distance = np.abs(z)
    z /= np.maximum(distance, 1e-6)
    depth = 1 - distance / _distance(outlines.waves.astype(np.complex64)[cell], z)
    inside = depth > 0
    pixel = row[inside] * shape[1] + column[inside]
    return Filling(cell[inside], pixel, depth[inside].astype(np.float32))


def _distance(waves, z):
    """Distance of the outline from the center in direction z, by Horner's rule."""
    total = np.zeros_like(z)
    for order in range(waves.shape[-1])[::-1]:
        total = (total + waves[..., order]) * z
    return np.maximum(1 + (total * z).real, _MIN_RADIUS)


def _boxes(polygons, shape):
    """Pixels of the bounding boxes of polygons: cell, row, column."""
    limit = np.array(shape)
    low = np.clip(np.floor(polygons.min(axis=1, initial=np.inf)), 0, limit).astype(int)
    high = np.clip(np.ceil(polygons.max(axis=1, initial=-np.inf)) + 1, low, limit).astype(int)
    sides = high - low
    areas = sides.prod(axis=1)
    cell = np.repeat(np.arange(len(polygons)), areas)
    within = np.arange(len(cell)) - (np.cumsum(areas) - areas)[cell]
    row, column = np.divmod(within, sides[cell, 1])
    return cell, row + low[cell, 0], column + low[cell, 1]
