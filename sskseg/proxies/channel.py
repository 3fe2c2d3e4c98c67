"""Predict the channel."""

from dataclasses import dataclass

from ._base import Proxy


@dataclass
class Channel(Proxy):
    """Predict the channel of a patch: the signal, the autofluorescence background, ..."""

    name = "channel"

    def find_classes(self, n_channels, magnifications):
        """Return the channels by their number."""
        if n_channels < 2:
            raise ValueError(
                f"The channel proxy needs images of two channels or more, got {n_channels}."
            )
        return list(range(n_channels))

    def make(self, crop, rng):
        """Select one channel."""
        target = int(rng.integers(len(self.classes)))
        return crop.with_image(crop.image[target : target + 1]), target
