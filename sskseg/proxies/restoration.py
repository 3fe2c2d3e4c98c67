"""Restore shuffled, distorted and missing parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._base import Crop, Proxy


@dataclass
class Restoration(Proxy):
    """Restore a patch that was damaged in several ways, after Models Genesis [1]_.

    Intensities go through a random monotonic curve that falls or rises; pixels of small windows are
    shuffled; and either a few blocks are painted over, or all but a few.

    Parameters
    ----------
    intensity, shuffling, painting, outer : float in [0, 1], default=0.9, 0.5, 0.9 and 0.2
        Probabilities of the curve, of the shuffling and of painting over; and, where it is painted,
        of keeping only the blocks.

    References
    ----------
    .. [1] Zhou, Sodha, Pang, Gotway, Liang. Models Genesis. Medical Image Analysis 2021.
       :doi:`10.1016/j.media.2020.101840`
    """

    intensity: float = 0.9
    shuffling: float = 0.5
    painting: float = 0.9
    outer: float = 0.2

    name = "restoration"
    restores = True

    def __post_init__(self):
        for field in ("intensity", "shuffling", "painting", "outer"):
            if not 0 <= getattr(self, field) <= 1:
                raise ValueError(f"{field} must be between 0 and 1, got {getattr(self, field)!r}.")

    def make(self, crop: Crop, rng: np.random.Generator) -> tuple[Crop, np.ndarray]:
        """Damage the patch."""
        image = crop.image[0].copy()
        if rng.random() < self.intensity:
            image = _bend(image, rng)
        if rng.random() < self.shuffling:
            _shuffle(image, rng)
        if rng.random() < self.painting:
            _paint(image, rng, outer=rng.random() < self.outer)
        return crop.with_image(image[None]), np.ones(crop.shape, np.float32)


def _bend(image, rng):
    low, high = float(image.min()), float(image.max())
    values = np.sort(rng.random(4))
    if rng.random() < 0.5:
        values = values[::-1]
    return np.interp(image, np.linspace(low, high, 4), low + (high - low) * values)


def _shuffle(image, rng):
    """Shuffle pixels inside windows of at most an eighth of the side, a quarter of the patch."""
    sides = [max(2, side // 8) for side in image.shape]
    for _ in range(round(0.25 * image.size / np.prod(sides))):
        window = image[_box(image.shape, [int(rng.integers(1, s + 1)) for s in sides], rng)]
        window[...] = rng.permuted(window.reshape(-1)).reshape(window.shape)


def _paint(image, rng, outer):
    """Paint over up to five blocks, or all but these."""
    kept = image.copy()
    low, high = image.min(), image.max()
    if outer:
        image[...] = rng.uniform(low, high)
    for _ in range(int(rng.integers(1, 6))):
        shares = rng.uniform(0.4, 0.6, image.ndim) if outer else rng.uniform(0.15, 0.3, image.ndim)
        sizes = [max(1, round(a * side)) for a, side in zip(shares, image.shape, strict=True)]
        box = _box(image.shape, sizes, rng)
        image[box] = kept[box] if outer else rng.uniform(low, high)


def _box(shape, sizes, rng):
    first = [int(rng.integers(side - size + 1)) for side, size in zip(shape, sizes, strict=True)]
    return tuple(slice(a, a + size) for a, size in zip(first, sizes, strict=True))
