"""Blocks that are ready to be done, in the order in which they are best done."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from .dependencies import Block


class BlockQueue:
    """Blocks whose needs are finished: those of later tasks first, then in their order.

    Parameters
    ----------
    needs : dict of (task, block) to list of (task, block)
        What must be finished before.
    todo : set of (task, block)
        Blocks that are not finished.
    rank : callable
        Whether others are to do a block of a task first, and its order among those of its task.
    """

    def __init__(
        self,
        needs: dict[Block, list[Block]],
        todo: set[Block],
        rank: Callable[[str, int], tuple[bool, int]],
    ):
        self.order = {task: -i for i, task in enumerate(dict.fromkeys(task for task, _ in needs))}
        self.rank = rank
        self.unfinished = set(todo)
        self.failures: list[tuple[str, int, Exception]] = []
        self.elsewhere: dict[Block, str] = {}  # blocks that other processes do, and which
        self.waiting = {block: sum(need in todo for need in needs[block]) for block in todo}
        self.followers: dict[Block, list[Block]] = {}
        for block in todo:
            for need in needs[block]:
                self.followers.setdefault(need, []).append(block)
        self.ready: list[Any] = []
        for block, n in self.waiting.items():
            if n == 0:
                self.push(*block)

    def push(self, task: str, block: int) -> None:
        """Make a block ready."""
        is_foreign, rank = self.rank(task, block)
        heapq.heappush(self.ready, (is_foreign, self.order[task], rank, block, task))

    def pop(self) -> Block:
        """Take the next block."""
        *_, block, task = heapq.heappop(self.ready)
        return task, block

    def has_own(self) -> bool:
        """Whether a block is ready that others are not to do first."""
        return bool(self.ready) and not self.ready[0][0]

    def waits_for_others(self) -> bool:
        """Whether other processes do blocks that this one needs.

        Who had a failure does not wait: it ends, so that others take over its block.
        """
        return bool(self.elsewhere) and not self.failures

    def finish(self, task: str, block: int) -> bool:
        """Make ready what waited for this block alone; return False if it was finished before."""
        if (task, block) not in self.unfinished:
            return False
        self.unfinished.remove((task, block))
        self.elsewhere.pop((task, block), None)
        for follower in self.followers.get((task, block), ()):
            self.waiting[follower] -= 1
            if self.waiting[follower] == 0 and follower in self.unfinished:
                self.push(*follower)
        return True

    def drop_finished(self) -> None:
        """Forget ready blocks that other processes have finished."""
        self.ready = [entry for entry in self.ready if entry[:-3:-1] in self.unfinished]
        heapq.heapify(self.ready)
