"""Muscle fibers: parallel, slightly wavy bands on which junctions lie."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ._optics import magnified


class Fibers(NamedTuple):
    """Parallel fibers in units of the tissue (pixels at magnification 1).

    Parameters
    ----------
    direction : ndarray of shape (ndim,)
        Unit vector along the fibers, in the plane of the last two axes.
    width : float
        Width of a fiber.
    levels : ndarray of shape (512,)
        Brightness of each fiber.
    phases : ndarray of shape (3,)
        Offsets across the image, along the wave and, in 3-D, in depth.
    """

    direction: np.ndarray
    width: float
    levels: np.ndarray
    phases: np.ndarray


def sample_fibers(rng: np.random.Generator, ndim: int, width: float) -> Fibers:
    """Sample fibers in a random direction.

    Parameters
    ----------
    rng : numpy.random.Generator
    ndim : {2, 3}
    width : float
        Width of a fiber, in units of the tissue.

    Returns
    -------
    Fibers
    """
    angle = rng.uniform(0, np.pi)
    direction = np.zeros(ndim)
    direction[-2:] = np.sin(angle), np.cos(angle)
    return Fibers(direction, width, rng.uniform(0.5, 1.0, 512), rng.uniform(0, 1, 3))


def snap_to_fibers(fibers: Fibers, points: np.ndarray) -> np.ndarray:
    """Move points to the middle of their fiber; in 3-D, near its upper surface.

    Parameters
    ----------
    fibers : Fibers
    points : ndarray of shape (n, ndim)
        Coordinates in units of the tissue.

    Returns
    -------
    ndarray of shape (n, ndim)
    """
    moved = np.array(points, float)
    y, x = moved[:, -2], moved[:, -1]
    across, _ = _coordinates(fibers, y, x)
    shift = (np.floor(across) + 0.5 - across) * fibers.width
    y -= fibers.direction[-1] * shift
    x += fibers.direction[-2] * shift
    if moved.shape[1] == 3:
        layer = _layers(fibers, moved[:, 0], np.floor(across))
        moved[:, 0] += (np.floor(layer) + 0.75 - layer) * fibers.width
    return moved


def fiber_pattern(fibers: Fibers, shape: Sequence[int], magnification: float = 1.0) -> np.ndarray:
    """Draw fibers with dark gaps between them and faint striation.

    Parameters
    ----------
    fibers : Fibers
    shape : tuple of int
        Shape of the field of view, pixels at magnification 1.
    magnification : float, default=1.0

    Returns
    -------
    ndarray of float32, shape ``round(magnification * shape)``
        In about [0, 1].
    """
    *z, y, x = np.meshgrid(
        *(np.arange(n, dtype=np.float32) / np.float32(magnification)
          for n in magnified(shape, magnification)),
        indexing="ij", sparse=True,
    )  # fmt: skip
    across, along = _coordinates(fibers, y, x)
    number = np.floor(across).astype(int)
    profile = _bands(across)
    if z:
        layer = _layers(fibers, z[0], number)
        profile = profile * _bands(layer)
        number = number + 37 * np.floor(layer).astype(int)
    striation = 1 + 0.05 * np.sin(12 * along + 60 * fibers.levels[(number + 7) % 512])
    return (fibers.levels[number % 512] * profile * striation).astype(np.float32)


def _coordinates(fibers, y, x):
    """Coordinates across and along the fibers in units of their width: one fiber per unit."""
    dy, dx = fibers.direction[-2:] / fibers.width
    along = dy * y + dx * x
    wave = 0.15 * np.sin(0.35 * along + 6 * fibers.phases[1])
    return -dx * y + dy * x + fibers.phases[0] + wave, along


def _layers(fibers, z, number):
    """Depth in units of the width; every other fiber is half a fiber deeper."""
    return z / fibers.width + fibers.phases[2] + 0.5 * (number % 2)


def _bands(position):
    return np.sqrt(np.abs(np.sin(np.pi * position)))
