"""Neuromuscular junctions: pretzel-shaped plaques on muscle fibers."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage as ndi

_RIPPLE = 0.35  # maximum relative deviation of width and brightness along gutters


class Junction(NamedTuple):
    """A plaque in units of the tissue (pixels at magnification 1).

    Parameters
    ----------
    center : ndarray of shape (ndim,)
        Center of the plaque.
    gutters : ndarray of shape (n, ndim)
        Dense points along the gutters that hold the receptors, relative to the center.
    thickness : float
        Half the mean width of a gutter.
    brightness : float
        About 1.
    waves : ndarray of shape (2, 3, ndim)
        Wave vectors of the deviations of the gutters in width and in brightness.
    """

    center: np.ndarray
    gutters: np.ndarray
    thickness: float
    brightness: float
    waves: np.ndarray


def sample_junction(
    rng: np.random.Generator,
    center: Sequence[float],
    radius: float,
    direction: np.ndarray,
    *,
    fragmentation: float = 0.5,
) -> Junction:
    """Sample a plaque: lobed loops with holes, possibly in fragments.

    Parameters
    ----------
    rng : numpy.random.Generator
    center : sequence of float
    radius : float
        Half the length of the plaque along the fiber.
    direction : ndarray of shape (ndim,)
        Unit vector along the fiber.
    fragmentation : float in [0, 1], default=0.5
        Probability that the plaque is cut into fragments, by one or two gaps.

    Returns
    -------
    Junction
    """
    ndim = len(center)
    across = np.zeros(ndim)
    across[-2:] = -direction[-1], direction[-2]
    thickness = rng.uniform(0.11, 0.19)
    along, wide = _loops(rng)
    wide = rng.uniform(0.5, 0.75) * wide
    if rng.random() < fragmentation:
        keep = _cut(rng, along, wide, thickness)
        along, wide = along[keep], wide[keep]
    gutters = radius * (along[:, None] * direction + wide[:, None] * across)
    if ndim == 3:  # the plaque is wrapped around its fiber
        gutters[:, 0] += radius * (0.1 - 0.8 * wide**2)
    waves = rng.normal(0, 1, (2, 3, ndim)) * 2.5 / radius
    return Junction(
        np.asarray(center, float), gutters, radius * thickness, float(rng.lognormal(0, 0.3)), waves
    )


def _cut(rng, along, wide, thickness):
    """Whether points remain after one or two slanted gaps, wider than a gutter, cut a plaque."""
    gap = 1.15 * thickness + rng.uniform(0.04, 0.09)
    positions = (
        rng.uniform(-0.3, 0.3, 1) if rng.random() < 0.6 else rng.uniform(0.3, 0.5, 2) * [-1, 1]
    )
    keep = np.ones(len(along), bool)
    for position in positions:
        slant = rng.normal(0, 0.4)
        keep &= np.abs(along - position - slant * wide) > gap * np.hypot(1, slant)
    return keep


def _loops(rng):
    """Points of a lobed closed curve and of branches that cross it, in the unit square."""
    t = np.linspace(0, 2 * np.pi, 160, endpoint=False)
    phases = rng.uniform(0, 2 * np.pi, (2, 4))
    heights = rng.uniform(0.05, 0.16, (2, 4)) / np.array([1, 1.2, 1.6, 2])
    orders = np.array([2, 3, 4, 5])
    along = np.cos(t) + np.cos(t[:, None] * orders + phases[0]) @ heights[0]
    wide = np.sin(t) + np.cos(t[:, None] * orders + phases[1]) @ heights[1]
    parts = [np.stack([along, wide])]
    # Branches start at points spread around the curve, so that holes remain between them.
    first = rng.integers(160)
    for k in range(rng.integers(1, 4)):
        ends = parts[0][:, [(first + 45 * k) % 160, (first + 45 * k + rng.integers(55, 105)) % 160]]
        bend = rng.normal(0, 0.2, 2)
        s = np.linspace(0, 1, 60)
        parts.append(ends[:, :1] * (1 - s) + ends[:, 1:] * s + bend[:, None] * np.sin(np.pi * s))
    points = np.concatenate(parts, axis=1)
    return points / np.abs(points).max(axis=1, keepdims=True)


def draw_junction(
    junction: Junction, magnification: float, *, margin: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw a plaque at a magnification.

    Parameters
    ----------
    junction : Junction
    magnification : float
        Pixels per unit of the tissue.
    margin : int, default=0
        Empty pixels around the plaque, for a blur.

    Returns
    -------
    start : ndarray of int, shape (ndim,)
        First pixel of the box in the image (may lie outside).
    inside : ndarray of bool
        The plaque, with its holes.
    light : ndarray of float32
        Brightness relative to that of the junction, at most 1 in the middle of a gutter, 0
        outside.
    """
    points = (junction.center + junction.gutters) * magnification
    width = max(junction.thickness * magnification, 0.75)
    radius = width * (1 + _RIPPLE) + 2 + margin
    start = np.floor(points.min(axis=0) - radius).astype(int)
    side = np.ceil(points.max(axis=0) + radius).astype(int) - start + 1
    distance = ndi.distance_transform_edt(_outline(points, start, side, magnification))
    ripples = [_ripple(waves, junction.center, start, side, magnification)
               for waves in junction.waves]  # fmt: skip
    width = np.maximum(width * (1 + _RIPPLE * ripples[0]), 0.75)
    inside = distance <= width
    light = (1 - 0.5 * distance / width) * (1 + _RIPPLE * ripples[1]) / (1 + _RIPPLE)
    return start, inside, np.where(inside, light, 0).astype(np.float32)


def _outline(points, start, side, magnification):
    """Rasterize the curves as False, with interpolated points where pixels are finer."""
    outline = np.ones(side, bool)
    steps = np.roll(points, -1, axis=0) - points
    near = np.linalg.norm(steps, axis=1) < 0.1 * np.ptp(points, axis=0).max()
    for t in np.linspace(0, 1, max(1, int(np.ceil(magnification))), endpoint=False):
        between = np.concatenate([points, points[near] + t * steps[near]]) if t else points
        outline[tuple((np.rint(between) - start).astype(int).T)] = False
    return outline


def _ripple(waves, center, start, side, magnification):
    """Evaluate a smooth random field in [-1, 1], equal in the tissue at every magnification."""
    grid = np.meshgrid(
        *((np.arange(n, dtype=np.float32) + s) / np.float32(magnification) - c
          for n, s, c in zip(side, start, center.astype(np.float32), strict=True)),
        indexing="ij", sparse=True,
    )  # fmt: skip
    fields = [np.cos(sum(np.float32(k) * x for k, x in zip(wave, grid)) + i)
              for i, wave in enumerate(waves)]  # fmt: skip
    return sum(fields) / np.float32(len(waves))
