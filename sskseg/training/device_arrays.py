"""Arrays of which parts are cut for a device: there, where they fit, or on the CPU."""

from __future__ import annotations

import math
from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np
import torch

from ..images.patches import read_region, reflect
from ..images.tensors import array_to_device

_MAX_SHARE = 1 / 8  # of the free memory of a GPU, for the arrays of one list
_MAX_BYTES = 2**30  # on other devices, whose free memory is not known
_MAX_READ = 2**22  # values that are read at once: their indices take eight bytes each
_OUTSIDE = -(2**60)  # index of a pixel outside of an array, whatever is added for other axes


class HostArrays(Sequence):
    """Arrays in the memory of the CPU, of which parts are cut there and moved to a device.

    Parameters
    ----------
    arrays : sequence of ndarray of shape (*spatial) or (*spatial, n_channels)
        Or None for an array that is never read.
    shapes : sequence of tuple of int
        Of the arrays, which are read only where they are cut: they may be made then.
    device : torch.device
    dtype : dtype
        In which they are moved.
    """

    def __init__(
        self,
        arrays: Sequence[Any],
        shapes: Sequence[tuple[int, ...]],
        device: torch.device,
        dtype: np.dtype,
    ):
        self._arrays, self._shapes, self.device, self.dtype = arrays, shapes, device, dtype

    def __len__(self):
        return len(self._arrays)

    def __getitem__(self, index: Any) -> Any:
        return self._arrays[index]

    def cut(
        self,
        indices: np.ndarray,
        starts: np.ndarray,
        shape: Sequence[int],
        *,
        outside: float | str = "reflect",
        channels: np.ndarray | None = None,
    ) -> torch.Tensor:
        """Cut a box of each of some arrays, which may extend beyond them.

        Parameters
        ----------
        indices : ndarray of int, shape (n,)
            Of the arrays.
        starts : ndarray of int, shape (n, ndim)
            First pixels; may be negative.
        shape : sequence of int
            Of all boxes.
        outside : "reflect" or a number
            As for `sskseg.images.read_region`.
        channels : ndarray of int, shape (n,), default=None
            Of which one is cut; None: all are.

        Returns
        -------
        Tensor of shape (n, n_channels, *shape)
            On the device.
        """
        parts = []
        for row, (index, start) in enumerate(zip(indices, starts, strict=True)):
            part = read_region(self[index], start, shape, outside=outside).astype(self.dtype)
            part = part.reshape(*shape, -1)
            parts.append(part if channels is None else part[..., channels[row], None])
        return array_to_device(np.moveaxis(np.stack(parts), -1, 1), self.device)


class DeviceArrays(HostArrays):
    """Arrays that are moved to a device when they are first read, and are cut there.

    They lie one after the other in one block of memory, whatever their shapes: parts of several are
    read by one operation.

    Parameters
    ----------
    arrays, shapes, device, dtype
        As for `HostArrays`.
    """

    def __init__(
        self,
        arrays: Sequence[Any],
        shapes: Sequence[tuple[int, ...]],
        device: torch.device,
        dtype: np.dtype,
    ):
        super().__init__(arrays, shapes, device, dtype)
        self._sizes = np.array([math.prod(shape) for shape in shapes])
        self._offsets = np.concatenate([[0], np.cumsum(self._sizes)[:-1]])
        # Torch computes little with unsigned integers of 16 bits.
        self._stored = np.dtype(np.int16) if dtype == np.uint16 else dtype
        like = torch.from_numpy(np.empty(0, self._stored))
        self._block = torch.empty(int(self._sizes.sum()), dtype=like.dtype, device=device)
        self._is_there = np.zeros(len(shapes), bool)
        self._lock = Lock()

    def cut(
        self,
        indices: np.ndarray,
        starts: np.ndarray,
        shape: Sequence[int],
        *,
        outside: float | str = "reflect",
        channels: np.ndarray | None = None,
    ) -> torch.Tensor:
        """Cut boxes as `HostArrays.cut` does."""
        self._move(indices)
        steps, is_outside = self._steps(np.asarray(indices), np.asarray(starts), shape, outside)
        n_channels = self._n_channels(indices, len(shape))
        if channels is not None:
            steps[:, : shape[0]] += channels[:, None]
            n_channels = 1
        n = max(1, _MAX_READ // (n_channels * math.prod(shape)))
        parts = [
            self._read(some, shape, n_channels, outside if is_outside else None)
            for some in array_to_device(steps, self.device).split(n)
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _read(self, steps, shape, n_channels, outside):
        """Read boxes from memory; outside of arrays `outside`, None: no pixel is."""
        ndim = len(shape)
        at: Any = torch.arange(n_channels, device=self.device).view(1, -1, *(1,) * ndim)
        for axis, step in enumerate(steps.split(list(shape), dim=1)):
            at = at + step.view(-1, 1, *(side if k == axis else 1 for k, side in enumerate(shape)))
        values = torch.take(self._block, at if outside is None else at.clamp_min(0))
        if self.dtype == np.uint16:
            values = values.int().bitwise_and(0xFFFF)
        return values if outside is None else values.masked_fill(at < 0, outside)

    def _n_channels(self, indices, ndim):
        shape = self._shapes[int(indices[0])]
        return shape[ndim] if len(shape) > ndim else 1

    def _steps(self, indices, starts, shape, outside):
        """Indices of pixels along each axis, (n, sum of sides), which add up to those in memory;
        and whether some are outside of the arrays."""
        ndim = len(shape)
        strides = np.full(len(indices), self._n_channels(indices, ndim))
        sides = np.array([self._shapes[index][:ndim] for index in indices])
        along, is_outside = [], False
        for axis in reversed(range(ndim)):
            at, size = starts[:, axis, None] + np.arange(shape[axis]), sides[:, axis, None]
            beyond = (at < 0) | (at >= size)
            step = reflect(at, size) * strides[:, None]
            if outside != "reflect" and beyond.any():
                step, is_outside = np.where(beyond, _OUTSIDE, step), True
            along.append(step)
            strides = strides * size[:, 0]
        along[-1] = along[-1] + self._offsets[indices][:, None]
        return np.concatenate(along[::-1], axis=1).astype(np.int64), is_outside

    def _move(self, indices):
        """Move arrays to the device that are not there yet."""
        with self._lock:
            for index in {*map(int, indices)}:
                if not self._is_there[index]:
                    array = np.asarray(self[index], self.dtype).ravel().view(self._stored)
                    start, size = int(self._offsets[index]), int(self._sizes[index])
                    part = self._block.narrow(0, start, size)
                    part.copy_(array_to_device(array, self.device))
                    self._is_there[index] = True


def hold_arrays(
    arrays: Sequence[Any],
    device: torch.device,
    dtype: Any,
    *,
    shapes: Sequence[tuple[int, ...]] | None = None,
) -> HostArrays:
    """Return arrays of which parts are cut on a device, if an eighth of its free memory holds them.

    Parameters
    ----------
    arrays : sequence of ndarray, or None for one that is never read
    device : torch.device
    dtype : dtype
    shapes : sequence of tuple of int, default=None
        Of the arrays; None: they are there already.

    Returns
    -------
    DeviceArrays or HostArrays
    """
    if shapes is None:
        shapes = [(0,) if array is None else array.shape for array in arrays]
    n_bytes = np.dtype(dtype).itemsize * sum(math.prod(shape) for shape in shapes)
    kind = DeviceArrays if n_bytes <= _max_bytes(device) else HostArrays
    return kind(arrays, shapes, device, np.dtype(dtype))


def _max_bytes(device):
    if device.type != "cuda":
        return _MAX_BYTES
    return int(_MAX_SHARE * torch.cuda.mem_get_info(device)[0])
