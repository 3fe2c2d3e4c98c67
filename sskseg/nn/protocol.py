"""What the library asks of a network.

A network maps (batch, in_channels, *spatial) to (batch, out_channels, *spatial). That is enough:
without further attributes it is trained on patches and run on whole images. `DenseNetwork` lists
the attributes by which it is tiled, and `FeatureNetwork` those of a network that is pretrained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import nn


class DenseNetwork(Protocol):
    """A network that is run in tiles, with the result of the whole image.

    Attributes
    ----------
    stride : tuple of int
        Pixels, each axis: the network is equivariant to shifts by multiples of it.
    reach : tuple of int
        Radius of the receptive field in pixels: an output does not depend on input further away.
    margin : tuple of int
        Pixels that the output lacks on each side of each axis; of networks with valid padding
        only, which have `valid_input_size` and `check_size`, too.
    """

    stride: tuple[int, ...]
    reach: tuple[int, ...]
    margin: tuple[int, ...]

    def __call__(self, x: torch.Tensor) -> torch.Tensor: ...

    def valid_input_size(self, size: int) -> int:
        """Return the smallest input size along an axis, at least `size`, that the network takes."""

    def check_size(self, shape: Sequence[int]) -> None:
        """Raise a ValueError for an input size that the network does not take."""

    def predict_part(self, x: torch.Tensor, part: tuple[slice, ...]) -> torch.Tensor:
        """Compute a part of the output, up to rounding, with less work; optional.

        Predictions in memory, by tiles, with dask and of scans compute the same parts: they agree
        to the bit.
        """


class FeatureNetwork(DenseNetwork, Protocol):
    """A network with same padding that can be pretrained and fine-tuned."""

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, in_channels, *spatial) to the last features of the decoder."""

    def read_out(self, features: torch.Tensor) -> torch.Tensor:
        """Map the features to (batch, out_channels, *spatial)."""

    def last_layers(self) -> list[nn.Module]:
        """Return the last level of the decoder, and at the end the head."""


def network_margin(network: nn.Module, ndim: int) -> tuple[int, ...]:
    """Return the pixels that the output of a network lacks on each side of each axis.

    Parameters
    ----------
    network : DenseNetwork or torch.nn.Module
        One without ``margin`` lacks none.
    ndim : {2, 3}

    Returns
    -------
    tuple of int
    """
    return getattr(network, "margin", (0,) * ndim)


def check_network(network: Any, in_channels: int, out_channels: int, ndim: int) -> None:
    """Check a network of a user.

    Parameters
    ----------
    network : torch.nn.Module
    in_channels, out_channels : int
    ndim : {2, 3}

    Raises
    ------
    ValueError
        If attributes are missing, or the output is not what is required.
    """
    _check_attributes(network)
    size = network.valid_input_size(64) if hasattr(network, "valid_input_size") else 64
    example = torch.zeros(1, in_channels, *(size,) * ndim)
    training = network.training
    try:
        with torch.no_grad():
            shape = tuple(network.eval()(example).shape)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ValueError(
            f"network must take float32 tensors of shape {tuple(example.shape)}, got: {error}"
        ) from error
    finally:
        network.train(training)
    expected = (1, out_channels, *(size - 2 * m for m in network_margin(network, ndim)))
    if shape != expected:
        raise ValueError(
            f"network must map {tuple(example.shape)} to {expected}, {out_channels} output "
            f"channel(s) of the same spatial shape (less its margin), got {shape}."
        )


def _check_attributes(network):
    required = ["valid_input_size", "check_size", "reach"] if hasattr(network, "margin") else []
    required += ["stride"] if hasattr(network, "reach") else []
    missing = [name for name in required if not hasattr(network, name)]
    if missing:
        raise ValueError(f"network has a margin or a reach, so it must have {missing}, too.")
