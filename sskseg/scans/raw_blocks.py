"""Blocks of arrays as plain files of a folder, for what is soon removed: Zarr takes longer."""

from __future__ import annotations

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
        """Write block i of an array, and return its checksum."""
        values = np.ascontiguousarray(values, _DTYPE)
        content: Any = values.reshape(-1).view(np.uint8).data  # without a copy
        self.storage.put(_key(name, i), content)
        return checksum(values)

    def read(self, name: str, region: Box) -> np.ndarray:
        """Read a region of an array."""
        values = np.empty(box_shape(region), np.float32)
        for i in self.grid.overlapping(region):
            box = self.grid.boxes[i]
            part = intersection(box, region)
            values[relative(part, region)] = self._map(name, i)[relative(part, box)]
        return values

    def has_checksum(self, name: str, i: int, crc: np.ndarray | None) -> bool:
        """Whether the file of block i exists and has a checksum."""
        try:
            return bool(checksum(self._map(name, i)) == crc)
        except (FileNotFoundError, ValueError):  # or it is too short
            return False

    def _map(self, name, i):
        shape = box_shape(self.grid.boxes[i])
        return np.memmap(self.storage.folder / _key(name, i), _DTYPE, mode="r", shape=shape)


def _key(name, i):
    return f"{name}/{i:09d}"
