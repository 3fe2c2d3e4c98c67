"""Predict the rotation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..images.augmentation import turn_batch
from ._base import Crop, Proxy
from ._batches import CropBatch


@dataclass
class Rotation(Proxy):
    """Predict by how many degrees a patch was rotated in the plane of its last two axes [1]_.

    Of little use where objects have no upright position.

    References
    ----------
    .. [1] Gidaris, Singh, Komodakis. Unsupervised representation learning by predicting image
       rotations. ICLR 2018. :doi:`10.48550/arXiv.1803.07728`
    """

    name = "rotation"

    def find_classes(self, n_channels: int, magnifications: np.ndarray | None) -> list[int]:
        """Return the angles, in degrees."""
        return [0, 90, 180, 270]

    def make(self, crop: Crop, rng: np.random.Generator) -> tuple[Crop, int]:
        """Rotate the crop."""
        target = int(rng.integers(4))
        _check_square(crop.shape)
        return crop.with_image(np.rot90(crop.image, target, axes=(-2, -1))), target

    def make_batch(
        self, crops: CropBatch, rng: np.random.Generator
    ) -> tuple[CropBatch, np.ndarray]:
        """Rotate the crops."""
        targets = rng.integers(4, size=len(crops.images))
        _check_square(crops.shape)
        unflipped = np.zeros((len(targets), len(crops.shape)), bool)
        return crops.with_images(turn_batch(crops.images, targets, unflipped)), targets


def _check_square(shape):
    if shape[-1] != shape[-2]:
        raise ValueError(f"The rotation proxy needs patches of equal last two sides, got {shape}.")
