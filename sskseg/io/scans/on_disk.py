"""Arrays in files that are opened for each read, so that they travel to other processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

_CHUNK_BYTES = 2**26  # where the file has no chunks of its own


@dataclass(frozen=True)
class ArrayOnDisk:
    """Base of the arrays in files: a subclass reads a region in ``__getitem__``.

    Parameters
    ----------
    path : str
    inside : object
        Where the array is in the file.
    shape : tuple of int
    dtype : dtype
    own_chunks : tuple of int or None
        Chunks of the file along its last axes.
    """

    path: str
    inside: Any
    shape: tuple[int, ...]
    dtype: np.dtype
    own_chunks: tuple[int, ...] | None

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __getitem__(self, region: Any) -> np.ndarray:
        raise NotImplementedError

    def to_dask(self, chunks: Any) -> Any:
        """Return a lazy array; `chunks` as `dask.array.from_array` takes them."""
        import dask.array as da

        chunks = self.choose_chunks() if chunks == "auto" else chunks
        return da.from_array(self, chunks=chunks, name=False)

    def choose_chunks(self) -> tuple[int, ...]:
        """Choose chunks of about 64 MB that are multiples of those of the file."""
        own = [1] * self.ndim
        if self.own_chunks:
            own[self.ndim - len(self.own_chunks) :] = self.own_chunks
        sides = list(self.shape)
        item = np.dtype(self.dtype).itemsize
        for axis in range(self.ndim):  # the slowest axis is cut first
            while np.prod(sides) * item > _CHUNK_BYTES and sides[axis] > own[axis]:
                half = -(-sides[axis] // 2)
                sides[axis] = max(own[axis], -(-half // own[axis]) * own[axis])
                if sides[axis] <= own[axis] or half <= own[axis]:
                    break
        return tuple(sides)


def as_box(
    region: Any, shape: tuple[int, ...]
) -> tuple[tuple[slice, ...], tuple[slice | int, ...]]:
    """Return the box around a region of integers and slices, and where the region is in it."""
    region = region if isinstance(region, tuple) else (region,)
    region += (slice(None),) * (len(shape) - len(region))
    box: list[slice] = []
    part: list[slice | int] = []
    for index, n in zip(region, shape, strict=True):
        if isinstance(index, slice):
            steps = range(n)[index]
            low, high = sorted((steps[0], steps[-1])) if steps else (0, -1)
            part.append(slice(None, None, steps.step))
        else:
            low = high = range(n)[index]
            part.append(0)
        box.append(slice(low, high + 1))
    return tuple(box), tuple(part)
