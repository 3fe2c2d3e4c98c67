"""The progress bar of a scan."""

from __future__ import annotations

from collections.abc import Callable

from tqdm import tqdm


class Progress:
    """Show voxels, blocks, objects so far and the time that is left.

    Parameters
    ----------
    sizes : list of int
        Voxels of each block.
    shown : bool
    count_earlier : callable
        Objects of a block that an earlier run finished.
    """

    def __init__(self, sizes: list[int], shown: bool, count_earlier: Callable[[int], int]):
        self.sizes, self.count_earlier = sizes, count_earlier
        self.blocks = self.objects = 0
        self.bar = tqdm(total=sum(sizes), unit="voxel", unit_scale=True, disable=not shown)

    def __call__(self, task: str, block: int, n_objects: int | None) -> None:
        """Add a finished block; `n_objects` is None if an earlier run finished it."""
        if task != "objects":
            return
        self.blocks += 1
        self.objects += self.count_earlier(block) if n_objects is None else n_objects
        if n_objects is None and not self.bar.disable:  # it took no time of this run
            self.bar.initial += self.sizes[block]
        self.bar.set_postfix_str(
            f"{self.blocks}/{len(self.sizes)} blocks, {self.objects} objects", refresh=False
        )
        self.bar.update(self.sizes[block])

    def close(self) -> None:
        self.bar.close()
