"""Restore shuffled, distorted and missing parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ._base import Crop, Proxy
from ._batches import CropBatch
from ._damages import Painting, bend_batch, paint_batch, rearrange_batch


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
            image = _bend(image, _draw_curve(rng))
        if rng.random() < self.shuffling:
            _shuffle(image, rng)
        if rng.random() < self.painting:
            _paint(image, _draw_painting(image.shape, rng, rng.random() < self.outer))
        return crop.with_image(image[None]), np.ones(crop.shape, np.float32)

    def make_batch(self, crops: CropBatch, rng: np.random.Generator) -> tuple[CropBatch, Tensor]:
        """Damage the patch of each crop."""
        n = len(crops.images)
        curves = [_draw_curve(rng) if rng.random() < self.intensity else None for _ in range(n)]
        images = bend_batch(crops.images, curves)
        pixels = np.arange(np.prod(crops.shape), dtype=np.int32).reshape(crops.shape)
        sources = np.repeat(pixels[None], n, axis=0)
        for i in np.flatnonzero(rng.random(n) < self.shuffling):
            _shuffle(sources[i], rng)
        images = rearrange_batch(images, sources)
        paintings = [
            _draw_painting(crops.shape, rng, rng.random() < self.outer)
            if rng.random() < self.painting
            else Painting(None, [], [])
            for _ in range(n)
        ]
        return crops.with_images(paint_batch(images, paintings)), torch.ones_like(images)


def _draw_curve(rng):
    """Draw shares of the range of intensities that a third of it each is mapped to."""
    values = np.sort(rng.random(4))
    return values[::-1] if rng.random() < 0.5 else values


def _bend(image, values):
    low, high = float(image.min()), float(image.max())
    return np.interp(image, np.linspace(low, high, 4), low + (high - low) * values)


def _shuffle(image, rng):
    """Shuffle pixels inside windows of at most an eighth of the side, a quarter of the patch."""
    sides = [max(2, side // 8) for side in image.shape]
    for _ in range(round(0.25 * image.size / np.prod(sides))):
        window = image[_box(image.shape, [int(rng.integers(1, s + 1)) for s in sides], rng)]
        window[...] = rng.permuted(window.reshape(-1)).reshape(window.shape)


def _draw_painting(shape, rng, outer):
    """Draw up to five blocks to paint over, or to keep while all else is painted over."""
    background = rng.random() if outer else None
    boxes, values = [], []
    for _ in range(int(rng.integers(1, 6))):
        shares = rng.uniform(0.4, 0.6, len(shape)) if outer else rng.uniform(0.15, 0.3, len(shape))
        sizes = [max(1, round(a * side)) for a, side in zip(shares, shape, strict=True)]
        boxes.append(_box(shape, sizes, rng))
        values.append(None if outer else rng.random())
    return Painting(background, boxes, values)


def _paint(image, painting):
    kept, low, high = image.copy(), float(image.min()), float(image.max())
    if painting.background is not None:
        image[...] = low + (high - low) * painting.background
    for box, value in zip(painting.boxes, painting.values, strict=True):
        image[box] = kept[box] if value is None else low + (high - low) * value


def _box(shape, sizes, rng):
    first = [int(rng.integers(side - size + 1)) for side, size in zip(shape, sizes, strict=True)]
    return tuple(slice(a, a + size) for a, size in zip(first, sizes, strict=True))
