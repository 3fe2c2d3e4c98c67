"""Which sizes of images a network takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from ..inference.valid_padding import reflect
from ..nn import network_margin


class InputSizes(NamedTuple):
    """Sizes of the images that a graph takes: ``minimum + n * stride``, along each axis.

    Parameters
    ----------
    minimum, stride : tuple of int
        Pixels.
    margin : tuple of int
        Pixels that the output lacks on each side.
    reach : tuple of int or None
        Radius of the receptive field; None if it is unknown.
    """

    minimum: tuple[int, ...]
    stride: tuple[int, ...]
    margin: tuple[int, ...]
    reach: tuple[int, ...] | None

    def smallest(self, least: Sequence[int]) -> tuple[int, ...]:
        """Return the smallest valid size that is not smaller than `least`."""
        axes = zip(self.minimum, self.stride, least, strict=True)
        return tuple(m + -(-max(0, size - m) // step) * step for m, step, size in axes)

    def pad(self, images: np.ndarray) -> np.ndarray:
        """Extend images (batch, channels, *spatial) to a valid size.

        With same padding by edge values at the end, with valid padding by reflection, and by the
        margin at the beginning: as the library does in predictions.
        """
        sides = images.shape[2:]
        wanted = self.smallest([s + 2 * m for s, m in zip(sides, self.margin, strict=True)])
        after = [w - s - m for w, s, m in zip(wanted, sides, self.margin, strict=True)]
        if any(self.margin):
            return reflect(torch.from_numpy(images), self.margin, after).numpy()
        return np.pad(images, [(0, 0), (0, 0), *((0, n) for n in after)], mode="edge")


def input_sizes(network: Any, ndim: int) -> InputSizes:
    """Return the sizes that a network takes without padding inside of it.

    Parameters
    ----------
    network : DenseNetwork
    ndim : {2, 3}

    Returns
    -------
    InputSizes
    """
    stride, margin = tuple(network.stride), tuple(network_margin(network, ndim))
    minimum = stride
    if any(margin):
        minimum = tuple(network.valid_input_size(2 * m + 1) for m in margin)
    reach = getattr(network, "reach", None)
    return InputSizes(minimum, stride, margin, None if reach is None else tuple(reach))
