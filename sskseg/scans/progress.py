"""The progress bar of a scan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..training.prediction_callbacks import Prediction
from ..training.progress_bar import progress_bar

_WRITE_SHARE = 0.1  # of the time that a block takes, about


class Progress:
    """Show voxels, blocks, objects so far and the time that is left; report them to callbacks.

    Parameters
    ----------
    estimator : estimator
        For callbacks.
    sizes : list of int
        Voxels of each block.
    shown : bool
    count_elsewhere : callable
        Objects of a block that an earlier run or another process finished.
    """

    def __init__(
        self,
        estimator: Any,
        sizes: list[int],
        shown: bool,
        count_elsewhere: Callable[[int], int],
    ):
        self.sizes, self.count_elsewhere = sizes, count_elsewhere
        self.prediction = Prediction(estimator, sum(sizes) * (1 + _WRITE_SHARE))
        self.blocks = self.objects = 0
        self.bar = progress_bar(
            desc="scan", total=sum(sizes), unit="voxel", unit_scale=True, disable=not shown
        )

    def __call__(
        self, task: str, block: int, n_objects: int | None, *, is_earlier: bool = False
    ) -> None:
        """Add a finished block; `is_earlier`: an earlier run finished it.

        `n_objects` is that of *match*, in which each object is counted once; None if another
        process finished the block.
        """
        if task == "write":
            self.prediction.advance(_WRITE_SHARE * self.sizes[block], is_earlier=is_earlier)
        if task == "match" and not self.bar.disable:
            self.objects += self.count_elsewhere(block) if n_objects is None else n_objects
            self._show_counts()
        if task != "objects":
            return
        self.blocks += 1
        self._show_counts()
        if is_earlier and not self.bar.disable:
            self.bar.initial += self.sizes[block]  # it took no time of this run
        self.bar.update(self.sizes[block])
        self.prediction.advance(self.sizes[block], is_earlier=is_earlier)

    def _show_counts(self):
        counts = f"{self.blocks}/{len(self.sizes)} blocks, {self.objects} objects"
        self.bar.set_postfix_str(counts, refresh=False)

    def close(self) -> None:
        self.bar.close()
