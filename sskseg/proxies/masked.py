"""Masked autoencoding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..images.tensors import array_to_device
from ._base import Crop, Proxy
from ._batches import CropBatch


@dataclass
class Masked(Proxy):
    """Fill hidden blocks of a patch: masked autoencoding for convolutional networks [1]_.

    Hidden pixels get the mean, and only they count in the loss.

    Parameters
    ----------
    share : float in (0, 1), default=0.6
        Share of the blocks that are hidden.
    block : int, default=8
        Side of a block, pixels.

    References
    ----------
    .. [1] He, Chen, Xie, Li, Dollar, Girshick. Masked autoencoders are scalable vision learners.
       CVPR 2022. :doi:`10.1109/CVPR52688.2022.01553`
    """

    share: float = 0.6
    block: int = 8

    name = "masked"
    restores = True

    def __post_init__(self):
        if not 0 < self.share < 1 or self.block < 1:
            raise ValueError(
                "share must be between 0 and 1 and block at least 1, got "
                f"share={self.share!r}, block={self.block!r}."
            )

    def make(self, crop: Crop, rng: np.random.Generator) -> tuple[Crop, np.ndarray]:
        """Hide blocks."""
        hidden = self._draw(crop.shape, rng)
        for axis, side in enumerate(crop.shape):
            hidden = np.repeat(hidden, self.block, axis).take(range(side), axis)
        image = np.where(hidden, crop.image.mean(), crop.image)
        return crop.with_image(image), hidden.astype(np.float32)

    def make_batch(self, crops: CropBatch, rng: np.random.Generator) -> tuple[CropBatch, Tensor]:
        """Hide blocks of each crop."""
        drawn = np.stack([self._draw(crops.shape, rng) for _ in range(len(crops.images))])
        hidden = array_to_device(drawn[:, None], crops.images.device)
        for axis, side in enumerate(crops.shape, start=2):
            hidden = hidden.repeat_interleave(self.block, axis).narrow(axis, 0, side)
        axes = tuple(range(1, crops.images.ndim))
        images = torch.where(hidden, crops.images.mean(axes, keepdim=True), crops.images)
        return crops.with_images(images), hidden.float()

    def _draw(self, shape, rng):
        """Draw which blocks of a patch are hidden."""
        blocks = [-(-side // self.block) for side in shape]
        n = int(np.prod(blocks))
        if n < 2:
            raise ValueError(
                f"block must be smaller than a patch, got block={self.block!r} and patches of "
                f"{shape} pixels."
            )
        hidden = np.zeros(n, bool)
        hidden[rng.permutation(n)[: min(n - 1, max(1, round(self.share * n)))]] = True
        return hidden.reshape(blocks)
