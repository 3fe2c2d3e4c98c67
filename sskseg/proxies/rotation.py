"""Predict the rotation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._base import Crop, Proxy


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
        if crop.shape[-1] != crop.shape[-2]:
            raise ValueError(
                f"The rotation proxy needs patches of equal last two sides, got {crop.shape}."
            )
        return crop.with_image(np.rot90(crop.image, target, axes=(-2, -1))), target
