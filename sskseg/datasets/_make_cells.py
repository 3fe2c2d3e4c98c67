"""`make_cells`: simulated images of cells with label images."""

import numpy as np

from ..images import check_generator
from ..simulation import add_camera_noise, blur, draw_cells, smooth_noise
from ._arguments import check_count, check_range, check_shape


def make_cells(
    n_samples=4, shape=(64, 64), *, n_cells=None, radius=None, separation=0.9, contrast=0.6,
    noise=0.05, random_state=None,
):  # fmt: skip
    """Simulate bright cells on a dark, uneven background.

    Parameters
    ----------
    n_samples : int, default=4
    shape : tuple of 2 or 3 ints, default=(64, 64)
        Of one image, pixels.
    n_cells : int, default=None
        Cells in an image, fewer where they do not fit at the wanted `separation`; None is as many
        as cover about 30 % of its area (10 % of its volume).
    radius : float, default=None
        Mean radius, pixels; None is 6, or less where the image is small.
    separation : float, default=0.9
        Least distance of two centers in units of the sum of the radii; below 1 cells touch, and
        a pixel where two overlap belongs to the one that it lies deeper in.
    contrast : float, default=0.6
        Mean brightness of the cells above the background.
    noise : float, default=0.05
        Standard deviation of the noise where the image is bright.
    random_state : int, RandomState, Generator or None, default=None
        Image i is the same however many are made.

    Returns
    -------
    X : ndarray of float32, shape (n_samples, *shape)
        About 0 to 1.
    y : ndarray of int32, shape (n_samples, *shape)
        0 background; 1, 2, ... cells.

    Raises
    ------
    ValueError
        For a shape that is not 2-D or 3-D, or numbers out of their range.
    TypeError
        For counts that are not integers, or other numbers that are not real.

    Examples
    --------
    >>> from sskseg.datasets import make_cells
    >>> X, y = make_cells(n_samples=2, shape=(32, 48), random_state=0)
    >>> X.shape, y.dtype
    ((2, 32, 48), dtype('int32'))
    """
    n_samples, shape = check_count("n_samples", n_samples, least=1), check_shape(shape)
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
