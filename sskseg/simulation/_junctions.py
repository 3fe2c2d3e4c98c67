"""Neuromuscular junctions: pretzel-shaped plaques on muscle fibers."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage as ndi


class Junction(NamedTuple):
    """A plaque in units of the tissue (pixels at magnification 1).

    Attributes
    ----------
    center : ndarray of shape (ndim,)
    gutters : ndarray of shape (n, ndim)
        Points, close together, along the gutters that hold the receptors, relative to the center.
    thickness : float
        Half the width of a gutter.
    brightness : float
    """

    center: np.ndarray
    gutters: np.ndarray
    thickness: float
    brightness: float


def sample_junction(rng, center, radius, direction, *, fragmentation=0.5):
    """Sample a plaque: lobed loops with holes, some cut into fragments.

    Parameters
    ----------
    rng : numpy.random.Generator
    center : sequence of float
    radius : float
        Half its length along the fiber.
    direction : ndarray of shape (ndim,)
        Unit vector along the fiber.
    fragmentation : float in [0, 1], default=0.5
        Share of the plaques that are cut.

    Returns
    -------
    Junction
    """
    ndim = len(center)
    across = np.zeros(ndim)
    across[-2:] = -direction[-1], direction[-2]
    along, wide = _loops(rng)
    if rng.random() < fragmentation:
        keep = np.ones(len(along), bool)
        for cut in rng.uniform(0, len(along), rng.integers(1, 4)):
            distance = np.abs(np.arange(len(along)) - cut)
            keep &= distance > 0.03 * len(along)
        along, wide = along[keep], wide[keep]
    gutters = radius * (
        along[:, None] * direction + rng.uniform(0.55, 0.8) * wide[:, None] * across
    )
    if ndim == 3:  # the plaque is wrapped around its fiber
        gutters[:, 0] += 0.4 * radius * (0.3 - wide**2)
    thickness = radius * rng.uniform(0.13, 0.21)
    return Junction(np.asarray(center, float), gutters, thickness, float(rng.lognormal(0, 0.25)))


def _loops(rng):
    """Points of a lobed closed curve and of branches that cross it, in the unit square."""
    t = np.linspace(0, 2 * np.pi, 160, endpoint=False)
    phases = rng.uniform(0, 2 * np.pi, (2, 3))
    heights = rng.uniform(0.04, 0.16, (2, 3)) / np.array([1, 1.5, 2])
    orders = np.array([2, 3, 4])
    along = np.cos(t) + np.cos(t[:, None] * orders + phases[0]) @ heights[0]
    wide = np.sin(t) + np.cos(t[:, None] * orders + phases[1]) @ heights[1]
    parts = [np.stack([along, wide])]
    for _ in range(rng.integers(1, 4)):
        a, b = rng.integers(0, 160), rng.integers(50, 110)
        ends = parts[0][:, [a, (a + b) % 160]]
        bend = rng.normal(0, 0.25, 2)
        s = np.linspace(0, 1, 60)
        parts.append(ends[:, :1] * (1 - s) + ends[:, 1:] * s + bend[:, None] * np.sin(np.pi * s))
    points = np.concatenate(parts, axis=1)
    return points / np.abs(points).max(axis=1, keepdims=True)


def draw_junction(junction, magnification):
    """Draw a plaque at a magnification.

    Parameters
    ----------
    junction : Junction
    magnification : float
        Pixels per unit of the tissue.

    Returns
    -------
    start : ndarray of int, shape (ndim,)
        First pixel of the box in the image (may lie outside).
    inside : ndarray of bool
        The plaque, with its holes.
    depth : ndarray of float32
        Distance to its outline in units of the gutter's half width, 0 outside.
    """
    points = (junction.center + junction.gutters) * magnification
    width = max(junction.thickness * magnification, 0.75)
    reach = width + 2
    start = np.floor(points.min(axis=0) - reach).astype(int)
    side = np.ceil(points.max(axis=0) + reach).astype(int) - start + 1
    # The curve is drawn finer than pixels where the magnification spreads its points.
    line = np.ones(side, bool)
    for t in np.linspace(0, 1, max(1, int(np.ceil(magnification))), endpoint=False):
        steps = np.roll(points, -1, axis=0) - points
        near = np.linalg.norm(steps, axis=1) < 0.2 * np.ptp(points, axis=0).max()
        between = points[near] + t * steps[near]
        line[tuple((np.rint(between) - start).astype(int).T)] = False
    distance = ndi.distance_transform_edt(line)
    inside = distance <= width
    depth = np.where(inside, 1 - distance / (width + 1), 0)
    return start, inside, depth.astype(np.float32)


def fiber_pattern(rng, shape, magnification, direction, width):
    """Muscle fibers: parallel bands of different brightness with dark gaps and faint striation.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the fibers, the same at every magnification.
    shape : tuple of int
        Pixels.
    magnification : float
    direction : ndarray of shape (ndim,)
        Unit vector along the fibers, in the plane of the last two axes.
    width : float
        Of a fiber, in units of the tissue.

    Returns
    -------
    ndarray of float32, in about [0, 1]
    """
    grid = np.meshgrid(
        *(np.arange(n, dtype=np.float32) / magnification for n in shape), indexing="ij"
    )
    across = (-direction[-1] * grid[-2] + direction[-2] * grid[-1]) / width
    along = (direction[-2] * grid[-2] + direction[-1] * grid[-1]) / width
    levels = rng.uniform(0.5, 1.0, 512)
    phase = rng.uniform(0, 1)
    across = across + phase + 0.15 * np.sin(0.35 * along + rng.uniform(0, 6))
    number = np.floor(across).astype(int)
    profile = np.abs(np.sin(np.pi * across)) ** 0.5
    if len(shape) == 3:
        layer = grid[0] / width + rng.uniform(0, 1) + 0.5 * (number % 2)
        number = number + 37 * np.floor(layer).astype(int)
        profile = profile * np.abs(np.sin(np.pi * layer)) ** 0.5
    striation = 1 + 0.05 * np.sin(12 * along + levels[(number + 7) % 512] * 60)
    return (levels[number % 512] * profile * striation).astype(np.float32)
