"""Blocks of arrays as plain files of a folder, for what is soon removed: Zarr takes longer."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..io.storage import FileStorage
from .boxes import Box, box_shape, intersection, relative
from .checkpoints import checksum
from .grid import Grid

_DTYPE = np.dtype("<f4")


@dataclass(frozen=True)
class RawBlocks:
    """Arrays of float32, each block of a grid in a file of its own.

    Parameters
    ----------
    storage : FileStorage
    grid : Grid
    """

    storage: FileStorage
    grid: Grid

    def write(self, name: str, i: int, values: np.ndarray) -> np.ndarray:
        """Write block i of an array, and return its checksum.

        The file of zeros is empty: much of a scan may be masked.
        """
        values = np.ascontiguousarray(values, _DTYPE)
        content: Any = values.reshape(-1).view(np.uint8).data  # without a copy
        self.storage.put(_key(name, i), content if values.any() else b"")
        return checksum(values)

    def read(self, name: str, region: Box) -> np.ndarray:
        """Read a region of an array."""
        values = np.empty(box_shape(region), np.float32)
        for i in self.grid.overlapping(region):
            part = intersection(self.grid.boxes[i], region)
            first, *others = relative(part, self.grid.boxes[i])
            values[relative(part, region)] = self._read_part(name, i, first)[:, *others]
        return values

    def has_checksum(self, name: str, i: int, crc: np.ndarray | None) -> bool:
        """Whether the file of block i exists and has a checksum."""
        try:
            values = self._read_part(name, i, slice(0, box_shape(self.grid.boxes[i])[0]))
        except (FileNotFoundError, EOFError):
            return False
        return bool(checksum(values) == crc)

    def _read_part(self, name, i, part):
        """Read a part of the first axis of a block.

        A file that is mapped into memory would end the process where the disk fails.
        """
        shape = (part.stop - part.start, *box_shape(self.grid.boxes[i])[1:])
        values = np.empty(shape, _DTYPE)
        with (self.storage.folder / _key(name, i)).open("rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return np.zeros(shape, _DTYPE)
            file.seek(part.start * math.prod(shape[1:]) * _DTYPE.itemsize)
            if file.readinto(values) < values.nbytes:
                raise EOFError(f"{file.name} is too short.")
        return values


def _key(name, i):
    return f"{name}/{i:09d}"
