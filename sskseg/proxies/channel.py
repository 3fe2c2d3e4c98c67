"""Which channel is this?"""

from dataclasses import dataclass

from ._base import Proxy


@dataclass
class Channel(Proxy):
    """Tell which channel a patch shows: the signal, the autofluorescence background, ..."""

    name = "channel"

    def find_classes(self, n_channels, magnifications):
        """The channels by their number."""
        if n_channels < 2:
            raise ValueError(
                f"The channel proxy needs images of two channels or more, got {n_channels}."
            )
        return list(range(n_channels))

    def make(self, view, rng):
        """Show one channel."""
        target = int(rng.integers(len(self.classes)))
        return view.show(view.image[target : target + 1]), target
