"""Masked autoencoding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._base import Crop, Proxy


@dataclass
class Masked(Proxy):
    """Fill hidden blocks of a patch: masked autoencoding for convolutional networks [1]_.

    Hidden pixels get the mean, and only they count in the loss.

    Parameters
    ----------
    share : float in (0, 1), default=0.6
        Of the blocks that are hidden.
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
        blocks = [-(-side // self.block) for side in crop.shape]
        n = int(np.prod(blocks))
        if n < 2:
            raise ValueError(
                f"block must be smaller than a patch, got block={self.block!r} and patches of "
                f"{crop.shape} pixels."
            )
        hidden = np.zeros(n, bool)
        hidden[rng.permutation(n)[: min(n - 1, max(1, round(self.share * n)))]] = True
        hidden = hidden.reshape(blocks)
        for axis, side in enumerate(crop.shape):
            hidden = np.repeat(hidden, self.block, axis).take(range(side), axis)
        image = np.where(hidden, crop.image.mean(), crop.image)
        return crop.with_image(image), hidden.astype(np.float32)
