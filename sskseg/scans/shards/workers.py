"""Running the tasks of a scan in one of several processes that share its blocks."""

from __future__ import annotations

import time
from functools import partial

from ..plan import Plan
from ..scheduler import Threads, Workers, attempt, outcome
from ..store import Store
from .group import ShardGroup

_PAUSE = 0.1  # seconds between two requests for what others have finished, at least
_MAX_PAUSE = 1.0  # seconds, after many requests that found nothing new
_SHARE = 5  # requests take at most about this part of the time


class _Elsewhere(Exception):
    """Another process does the block: its id."""


class ShardWorkers(Workers):
    """Run the blocks that no other shard does; see `Workers`.

    Own blocks come first. Then this shard does blocks of others that nobody has begun, or whose
    process is dead, and waits for the rest.

    Parameters
    ----------
    plan : Plan
    store : Store
        With the owner of the group.
    group : ShardGroup
    n_workers : int or None
        Threads; None is one for each core.
    """

    def __init__(self, plan: Plan, store: Store, group: ShardGroup, n_workers: int | None = None):
        super().__init__(plan, store, None, n_workers)
        self.group = group
        self._next_look, self._pause = 0.0, _PAUSE

    def _rank(self, task, block):
        return self.group.shard.rank(block, self.plan.n_blocks.get(task, 1))

    def _pool(self):
        work = self.plan, self.store
        return Threads(partial(_attempt_claimed, self.group, work), self.plan, self.n_workers)

    def _outcome(self, queue, task, block, future):
        error, value = outcome(future)
        if not isinstance(error, _Elsewhere):
            yield task, block, error, value
        elif (task, block) in queue.unfinished:
            queue.elsewhere[task, block] = str(error)

    def _finished_elsewhere(self, queue):
        start = time.monotonic()
        if queue.has_own() or start < self._next_look:
            return
        found = self.group.finished(self.plan, queue.unfinished)
        for task, block in found:
            yield task, block, None, None
        queue.drop_finished()
        for block, holder in list(queue.elsewhere.items()):
            if not self.group.pulse.is_alive(holder):
                del queue.elsewhere[block]
                queue.push(*block)
        end = time.monotonic()
        # Others are about to finish what this process waits for, or busy for long.
        self._pause = _PAUSE if found else min(1.5 * self._pause, _MAX_PAUSE)
        self._next_look = end + max(self._pause, _SHARE * (end - start))

    def _is_done_elsewhere(self):
        return self.store.ledger.has("done", 0)

    def _unfinished(self, needs, missing=frozenset()):
        """Trust what other shards that run have recorded; verify what earlier runs have."""
        recorded = set(self.group.finished(self.plan, needs))
        missing = {block for block in needs if block not in recorded}
        if not self.group.is_alone:
            return missing, [block for block in needs if block in recorded]
        todo, finished = super()._unfinished(needs, missing)
        for task, block in todo & recorded:
            self.store.ledger.discard(task, block)  # so that no other shard trusts it
        return todo, finished


def _attempt_claimed(group, work, task, block):
    """Run a block as `attempt` does, unless another process does it."""
    holder = group.claims.take(task, block)
    if holder is None and group.store.ledger.has("done", 0):  # and its claims are removed
        holder = "nobody"
    return attempt(work, task, block) if holder is None else (_Elsewhere(holder), None)
