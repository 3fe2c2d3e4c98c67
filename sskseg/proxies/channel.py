"""Predict the channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._base import Crop, Proxy
from ._batches import CropBatch


@dataclass
class Channel(Proxy):
    """Predict the channel of a patch: the signal, the autofluorescence background, ..."""

    name = "channel"

    def find_classes(self, n_channels: int, magnifications: np.ndarray | None) -> list[int]:
        """Return the channels by their number."""
        if n_channels < 2:
            raise ValueError(
                f"The channel proxy needs images of two channels or more, got {n_channels}."
            )
        return list(range(n_channels))

    def make(self, crop: Crop, rng: np.random.Generator) -> tuple[Crop, int]:
        """Select one channel."""
        target = int(rng.integers(len(self.classes)))
        return crop.with_image(crop.image[target : target + 1]), target

    def make_batch(
        self, crops: CropBatch, rng: np.random.Generator
    ) -> tuple[CropBatch, np.ndarray]:
        """Ask for the channels that the crops show."""
        return crops, crops.channels
