"""A network that reads and predicts images at another magnification."""

from __future__ import annotations

import math
from functools import reduce
from typing import Any

import torch
from torch import nn

from ._layers import pad_to_multiple
from .parts import grown, predict_part, shifted

_STEP = 4  # of the stride in pixels of the image
_MIN_STRIDE = 32  # of the network's pixels: magnifications up to 3 then differ by 16 % at most


class ResampledNetwork(nn.Module):
    """Resample images, predict them with a network, and resample its outputs back.

    The whole is a network of its own with `stride` and `reach`: predictions in memory, by tiles,
    with dask and of scans compute the same parts, and agree to the bit. A part equals that of the
    whole output up to rounding. For that, `stride` pixels of the image become exactly one stride of
    the network, or several short ones. Each phase within `stride` has its own weights.

    Parameters
    ----------
    network : DenseNetwork
        With same padding.
    factor : float
        Magnification of the image. The nearest one is used at which the stride is a multiple of
        four pixels.

    Attributes
    ----------
    stride, reach : tuple of int
        In pixels of the image, see `sskseg.nn.protocol.DenseNetwork`.
    factor : float
        As given.
    """

    def __init__(self, network: Any, factor: float):
        super().__init__()
        self.network, self.factor = network, factor
        strides = [s * math.ceil(_MIN_STRIDE / s) for s in network.stride]
        self.stride = tuple(max(_STEP, _STEP * round(s / factor / _STEP)) for s in strides)
        pairs = list(zip(self.stride, strides, strict=True))
        self._inside = [_Taps(ours, theirs) for ours, theirs in pairs]
        self._outside = [_Taps(theirs, ours) for ours, theirs in pairs]
        # Outputs near the end of a stride read one more stride of the network.
        self.reach = tuple(
            math.ceil((reach + theirs) * ours / theirs) + taps.width
            for reach, (ours, theirs), taps in zip(network.reach, pairs, self._inside, strict=True)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, in_channels, *spatial) to (batch, out_channels, *spatial)."""
        inside: Any = (..., *(slice(size) for size in x.shape[2:]))
        x = pad_to_multiple(x, self.stride)
        return _resampled(self.network(_resampled(x, self._inside)), self._outside)[inside]

    def predict_part(self, x: torch.Tensor, part: tuple[slice, ...]) -> torch.Tensor:
        """Compute a part of `forward`, see `sskseg.nn.predict_part`."""
        x = pad_to_multiple(x, self.stride)
        # In strides of the image; pixels near the end of one read the next one, too.
        axes = zip(part, self.stride, x.shape[2:], strict=True)
        strides = [
            grown(slice(p.start // step, -(-p.stop // step)), 1, size // step)
            for p, step, size in axes
        ]
        theirs = [taps.before for taps in self._outside]
        inner = tuple(slice(p.start * n, p.stop * n) for p, n in zip(strides, theirs, strict=True))
        result = _resampled(predict_part(self.network, _resampled(x, self._inside), inner),
                            self._outside)  # fmt: skip
        starts = [p.start * step for p, step in zip(strides, self.stride, strict=True)]
        return result[(..., *map(shifted, part, starts))]


class _Taps:
    """Pixels, and their weights, from which the pixels of one stride are interpolated.

    Linear interpolation, with a kernel that is as wide as a pixel of the result if that is larger.
    """

    def __init__(self, before: int, after: int):
        self.before, self.after = before, after
        step = before / after
        half = max(1.0, step)
        centers = [(i + 0.5) * step - 0.5 for i in range(after)]
        first = [math.floor(center - half) + 1 for center in centers]
        n_taps = math.ceil(2 * half)
        self.indices = torch.tensor([[i + k for k in range(n_taps)] for i in first])
        distance = (self.indices - torch.tensor(centers, dtype=torch.float64)[:, None]).abs()
        weights = (1 - distance / half).clamp(min=0)
        self.weights = (weights / weights.sum(dim=1, keepdim=True)).float()
        self.width = n_taps

    def __call__(self, x: torch.Tensor, axis: int) -> torch.Tensor:
        """Resample an axis whose size is a multiple of `before`; its edge values continue."""
        n_strides, size = x.shape[axis] // self.before, x.shape[axis]
        starts = torch.arange(n_strides)[:, None] * self.before
        shape = [1] * x.ndim
        shape[axis] = n_strides * self.after

        def term(indices, weights):
            index = (starts + indices).flatten().clamp(0, size - 1).to(x.device)
            return x.index_select(axis, index) * weights.repeat(n_strides).reshape(shape).to(
                x.device
            )

        # One operation for each tap: a matrix product would round differently in other tiles.
        return reduce(torch.add, map(term, self.indices.T, self.weights.T))


def _resampled(x, taps):
    dtype, x = x.dtype, x.float()
    for axis, each in enumerate(taps, 2):
        if each.before != each.after:
            x = each(x, axis)
    return x.to(dtype)
