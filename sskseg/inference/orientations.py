"""Flips and quarter turns of images in prediction (test-time augmentation)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import torch

from ..nn import pad_to_multiple
from ..training import memory_format

Forward = Callable[[torch.Tensor], torch.Tensor]


def n_orientations(ndim: int) -> int:
    """Return the number of flips and quarter turns: 8 of a plane, 16 of a volume."""
    return 2 ** (ndim + 1)


def section_orientations(positions: np.ndarray, ndim: int) -> np.ndarray:
    """Choose one orientation for each section.

    By its position, and not by its place among others: in blocks of a scan as in the whole.
    """
    return positions % n_orientations(ndim)


def dihedral_orientations(forward: Forward, stride: tuple[int, ...]) -> list[Forward]:
    """Wrap `forward` for each of the flips and quarter turns of an image.

    Parameters
    ----------
    forward : callable
        (batch, channels, *spatial) to (batch, n_outputs, *spatial).
    stride : tuple of int
        Of the network, pixels, each axis. An image is extended to a multiple of it before it is
        flipped, so that its poolings begin at the same pixels in a part of it as in the whole.

    Returns
    -------
    list of callable
        8 for a plane, 16 for a volume (turned in the plane of its last two axes); their outputs
        are turned back.
    """
    return [
        _oriented(forward, stride, *turn) for turn in product((False, True), repeat=len(stride) + 1)
    ]


def _oriented(forward, stride, swap, *flips):
    axes = [2 + axis for axis, flip in enumerate(flips) if flip]

    def oriented(x):
        inside = (..., *(slice(size) for size in x.shape[2:]))
        x = pad_to_multiple(x, stride)
        x = (x.transpose(-1, -2) if swap else x).flip(axes)
        result = forward(x.contiguous(memory_format=memory_format(len(stride)))).float().flip(axes)
        return (result.transpose(-1, -2) if swap else result)[inside]

    return oriented


def dihedral_mean(forward: Forward, stride: tuple[int, ...]) -> Forward:
    """Average `forward` over flips and quarter turns (8 of a plane, 16 of a volume)."""
    orientations = dihedral_orientations(forward, stride)

    def mean(x):
        return sum(oriented(x) for oriented in orientations) / len(orientations)

    return mean
