"""Grids of blocks over a scan."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property

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
        indices = [0]
        for starts, part in zip(self._starts, box, strict=True):
            first = max(0, bisect_right(starts, part.start) - 1)
            found = range(first, bisect_left(starts, part.stop))
            indices = [i * len(starts) + j for i in indices for j in found]
        return indices

    @cached_property
    def _indices(self):
        return {tuple(part.start for part in box): i for i, box in enumerate(self.boxes)}

    @cached_property
    def _starts(self):
        """Where blocks start along each axis."""
        return [sorted({box[a].start for box in self.boxes}) for a in range(len(self.shape))]
