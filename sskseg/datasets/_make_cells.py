"""`make_cells`: simulated images of cells with label images."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..images import check_generator
from ..simulation import add_camera_noise, blur, draw_cells, smooth_noise
from ._arguments import check_count, check_range, check_shape


def make_cells(
    n_samples: int = 4,
    shape: Sequence[int] = (64, 64),
    *,
    n_cells: int | None = None,
    radius: float | None = None,
    separation: float = 0.9,
    contrast: float = 0.6,
    noise: float = 0.05,
    random_state: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Simulate bright cells on a dark, uneven background.

    Parameters
    ----------
    n_samples : int, default=4
    shape : tuple of 2 or 3 ints, default=(64, 64)
        Shape of an image, pixels.
    n_cells : int, default=None
        Number of cells in an image, fewer if they do not fit with this `separation`; None: as many
        as cover about 30 % of its area (10 % of its volume).
    radius : float, default=None
        Mean radius, pixels; None is 6, or less in small images.
    separation : float, default=0.9
        Minimum distance of two centers in units of the sum of the radii; below 1 cells overlap, and
        a pixel of two cells belongs to the one it is deeper in.
    contrast : float, default=0.6
        Mean contrast of the cells to the background.
    noise : float, default=0.05
        Standard deviation of the noise in bright pixels.
    random_state : int, RandomState, Generator or None, default=None
        Image i does not depend on `n_samples`.

    Returns
    -------
    X : ndarray of float32, shape (n_samples, *shape)
        About 0 to 1.
    y : ndarray of int32, shape (n_samples, *shape)
        0 background; 1, 2, ... cells.

    Raises
    ------
    ValueError
        If the shape is not 2-D or 3-D, or a number is out of range.
    TypeError
        If a count is not an integer, or another number is not real.

    Examples
    --------
    >>> from sskseg.datasets import make_cells
    >>> X, y = make_cells(n_samples=2, shape=(32, 48), random_state=0)
    >>> X.shape, y.dtype
    ((2, 32, 48), dtype('int32'))
    """
    n_samples, shape = check_count("n_samples", n_samples, minimum=1), check_shape(shape)
    if radius is None:
        radius = min(6.0, min(shape) / 4)
    check_range("radius", radius, positive=True)
    check_range("separation", separation)
    check_range("contrast", contrast, positive=True)
    check_range("noise", noise)
    generators = check_generator(random_state).spawn(n_samples)
    if n_cells is None:
        ball = np.pi * radius**2 if len(shape) == 2 else 4 / 3 * np.pi * radius**3
        n_cells = max(1, round((0.3 if len(shape) == 2 else 0.1) * np.prod(shape) / ball))
    n_cells = check_count("n_cells", n_cells)
    samples = [
        _one_image(rng, shape, (n_cells, radius, separation), contrast, noise) for rng in generators
    ]
    X, y = zip(*samples, strict=True)
    return np.stack(X), np.stack(y)


def _one_image(rng, shape, cells, contrast, noise):
    n_cells, radius, separation = cells
    radii = radius * np.exp(rng.normal(0, 0.2, n_cells))
    labels, light = draw_cells(
        rng, radii, shape, separation=separation,
        brightness=lambda: contrast * rng.lognormal(0, 0.2),
    )  # fmt: skip
    light *= 1 + 0.15 * smooth_noise(rng, shape, max(2.0, radius / 2))
    background = 0.15 + 0.04 * smooth_noise(rng, shape, max(4.0, min(shape) / 3))
    image = blur(np.maximum(light, 0), max(0.7, radius / 8)) + np.maximum(background, 0)
    return add_camera_noise(rng, image, photons=1 / max(noise, 1e-3) ** 2), labels
