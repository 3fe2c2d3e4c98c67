"""Which parts of the levels of a decoder a part of the output depends on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

Box = tuple[slice, ...]
_REACH = 2  # pixels on each side that the two convolutions of a level read


class LevelPart(NamedTuple):
    """Part of a level of a decoder.

    Parameters
    ----------
    read : tuple of slice
        What its convolutions read, of the whole level.
    upsampled : tuple of slice
        The same, of the coarser part after upsampling.
    exact : tuple of slice
        What is exact of their output, of `read`.
    """

    read: Box
    upsampled: Box
    exact: Box


def predict_part(network: Any, x: torch.Tensor, part: Box) -> torch.Tensor:
    """Compute a part of the output of a network, with less work if it has `predict_part`.

    Parameters
    ----------
    network : callable
        With an output of the size of the input.
    x : Tensor of shape (batch, in_channels, *spatial)
    part : tuple of slice
        Along each spatial axis.

    Returns
    -------
    Tensor of shape (batch, out_channels, *part)
    """
    is_whole = all(p == slice(0, size) for p, size in zip(part, x.shape[2:], strict=True))
    if is_whole:
        return network(x)
    if computes_parts(network):
        return network.predict_part(x, part)
    return network(x)[(..., *part)]


def computes_parts(network: Any) -> bool:
    """Return whether a network computes a part of its output with less work.

    Parameters
    ----------
    network : callable

    Returns
    -------
    bool
        Whether its class has `predict_part`, and no subclass changed what it computes a part of.
    """
    kind = type(network)
    owners = [
        next((parent for parent in kind.__mro__ if name in vars(parent)), None)
        for name in ("predict_part", "forward", "features", "read_out")
    ]
    own = owners[0]
    return own is not None and all(other is None or issubclass(own, other) for other in owners)


def decoder_parts(
    part: Box, shape: Sequence[int], factors: Sequence[Sequence[int]], up_reach: int
) -> tuple[list[LevelPart], Box]:
    """Find what a U-Net needs to compute for a part of its last features.

    Parameters
    ----------
    part : tuple of slice
        Of the finest level.
    shape : sequence of int
        Of the finest level, a multiple of all poolings.
    factors : sequence of sequence of int
        Factors of each pooling along each axis, the finest first.
    up_reach : int
        Pixels beyond its own that an upsampled pixel reads.

    Returns
    -------
    levels : list of LevelPart
        The finest first.
    coarsest : tuple of slice
        Of the coarsest level.
    """
    axes = [
        _along_axis(*axis, up_reach)
        for axis in zip(part, shape, zip(*factors, strict=True), strict=True)
    ]
    levels = [
        LevelPart(*zip(*level, strict=True))
        for level in zip(*(levels for levels, _ in axes), strict=True)
    ]
    return levels, tuple(coarsest for _, coarsest in axes)


def _along_axis(exact, size, factors, up_reach):
    levels = []
    for factor in factors:
        read = grown(exact, _REACH, size)
        size //= factor
        coarser = slice(read.start // factor, -(-read.stop // factor))
        coarser = grown(coarser, up_reach if factor > 1 else 0, size)
        levels.append((read, shifted(read, factor * coarser.start), shifted(exact, read.start)))
        exact = coarser
    return levels, exact


def grown(part: slice, margin: int, size: int) -> slice:
    """Extend a slice on both sides, as far as there are pixels."""
    return slice(max(0, part.start - margin), min(size, part.stop + margin))


def shifted(part: slice, start: int) -> slice:
    """Count a slice from another start."""
    return slice(part.start - start, part.stop - start)
