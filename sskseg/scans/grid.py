"""Grids of blocks over a scan."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .boxes import Box, aligned, grown


@dataclass(frozen=True)
class Grid:
    """Blocks that cover a scan, and what each reads beyond itself.

    Parameters
    ----------
    shape : tuple of int
        Size of the scan in pixels.
    core : tuple of int
        Pixels of a block along each axis; blocks at the end may have others.
    halo : tuple of int
        Pixels that a block reads beyond itself on each side, as far as the scan reaches.
    boxes : list of tuple of slice
        The blocks, row by row.
    stride : tuple of int
        What a block reads starts and ends at multiples of it, or with the scan.
    """

    shape: tuple[int, ...]
    core: tuple[int, ...]
    halo: tuple[int, ...]
    boxes: list[Box]
    stride: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.boxes)

    def input_box(self, i: int) -> Box:
        """What block i reads."""
        return aligned(grown(self.boxes[i], self.halo, self.shape), self.stride, self.shape)

    def find(self, start: tuple[int, ...]) -> int | None:
        """Index of the block that starts at a pixel, or None."""
        return self._indices.get(start)

    def overlapping(self, box: Box) -> list[int]:
        """Indices of the blocks that share a pixel with a box."""
        ranges = [
            range(max(0, int(np.searchsorted(starts, part.start, "right")) - 1),
                  int(np.searchsorted(starts, part.stop, "left")))
            for starts, part in zip(self._starts, box, strict=True)
        ]  # fmt: skip
        lengths = [len(starts) for starts in self._starts]
        places = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, len(lengths))
        return np.ravel_multi_index(tuple(places.T), lengths).tolist()

    @cached_property
    def _indices(self):
        return {tuple(part.start for part in box): i for i, box in enumerate(self.boxes)}

    @cached_property
    def _starts(self):
        """Where blocks start along each axis."""
        return [sorted({box[a].start for box in self.boxes}) for a in range(len(self.shape))]
