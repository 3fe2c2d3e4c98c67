"""Shards: processes that count one scan together, without a scheduler."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import defaultdict
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from ..checkpoints import GROUP_SIZE, Ledger
from ..dependencies import Block
from ..plan import Plan
from ..store import Store
from .claims import Claims
from .heartbeats import Heartbeat, Pulse

_GROUP = "shards of "  # how the owner of a ledger begins
_AFTER_JOIN = {"join", "rows", "write", "downsample", "table", "finish"}


@dataclass(frozen=True)
class Shard:
    """One of several processes that count a scan.

    Parameters
    ----------
    index : int
        From 0.
    count : int
    """

    index: int
    count: int

    def rank(self, block: int, n_blocks: int) -> tuple[bool, int]:
        """Order the blocks of a task: its own range first, then those of others from the end on.

        Others begin at the start of their ranges, so that they and this shard meet late.

        Returns
        -------
        is_foreign : bool
        rank : int
        """
        first, last = (n_blocks * i // self.count for i in (self.index, self.index + 1))
        if first <= block < last:
            return False, block - first
        return True, (first - 1 - block) % n_blocks


def check_shard(shard: Any, client: Any, resume: bool) -> Shard | None:
    """Parse the `shard` of `count_scan`.

    Raises
    ------
    ValueError
        If it is not two integers, out of range, or given with a client or with ``resume=False``.
    """
    if shard is None:
        return None
    try:
        index, count = shard
        wrong = not all(isinstance(n, int) and not isinstance(n, bool) for n in (index, count))
    except (TypeError, ValueError):
        wrong = True
    if wrong:
        raise ValueError(
            f"shard must be two integers, the index from 0 and how many there are, got {shard!r}."
        )
    if not 0 <= index < count:
        raise ValueError(
            f"shard must have an index from 0 to {count - 1} for {count} shards, got {index}."
            if count > 0
            else f"shard must be one of at least 1, got one of {count}."
        )
    if client is not None:
        raise ValueError(
            f"client must be None with a shard, got shard={shard!r}: shards need no scheduler."
        )
    if not resume:
        raise ValueError(
            "resume=False with a shard would remove what other shards have finished: give another "
            "destination, or remove it before the shards start."
        )
    return Shard(index, count)


class ShardGroup:
    """The shards of a run, as one of them meets them in the ledger; a context manager.

    Parameters
    ----------
    store : Store
    shard : Shard

    Attributes
    ----------
    owner : str
        Of the ledger, the same for all shards of a run.
    is_alone : bool
        Whether no other shard runs, so that this one verifies what is finished.

    Raises
    ------
    ValueError
        From the ``with`` statement, if another process is this shard, or runs one of another number
        of shards.
    """

    def __init__(self, store: Store, shard: Shard):
        self.store, self.shard = store, shard
        self.run_id = f"{shard.index}-{uuid.uuid4().hex}"
        self.pulse = Pulse(store.storage)
        self.claims = Claims(store.storage, self.run_id, self.pulse)

    def __enter__(self) -> ShardGroup:
        with ExitStack() as stack:
            stack.enter_context(Heartbeat(self.store.storage, self.run_id))
            self._claim_index()
            self._join()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def _claim_index(self):
        """Become the only process of this index."""
        while holder := self.claims.take("shard", self.shard.index):
            if self.pulse.wait_for_any([holder]):
                raise ValueError(
                    f"Shard {self.shard.index} of {self.shard.count} already runs on "
                    f"{self.store.storage.place}: give each process another index."
                )

    def _join(self):
        """Join the group that owns the ledger, or found one."""
        ledger = self.store.ledger
        self.is_alone = not self.pulse.wait_for_any(self.pulse.others(self.run_id))
        owner = ledger.read_owner()
        count = _group_count(owner)
        if count == self.shard.count:
            self.owner = owner
            return
        if count is not None and not self.is_alone:
            raise ValueError(
                f"{self.store.storage.place} is counted by {count} shards, which still run, got "
                f"shard {self.shard.index} of {self.shard.count}: give all the same number of "
                "shards, or wait until the others have ended."
            )
        # Shards that start at the same time write the same owner.
        summary = json.dumps([owner, ledger.run()], sort_keys=True)
        digest = hashlib.sha256(summary.encode()).hexdigest()
        self.owner = f"{_GROUP}{self.shard.count} {digest}"
        ledger.take_over(self.owner)
        self.is_alone = True

    def finished(self, plan: Plan, blocks: Iterable[Block]) -> list[Block]:
        """List those of some blocks that are recorded as finished, without reading them."""
        blocks = set(blocks)
        if self.store.ledger.has("done", 0):  # other entries may be removed
            return list(blocks)
        if ("join", 0) in blocks and not self.store.finished(plan, "join", 0):
            blocks = {block for block in blocks if block[0] not in _AFTER_JOIN}
        groups, found = defaultdict(list), []
        for task, block in blocks:
            if task in plan.n_blocks:
                groups[task, block // GROUP_SIZE].append(block)
            elif self.store.finished(plan, task, block):
                found.append((task, block))
        for (task, group), indices in groups.items():
            recorded = self.store.ledger.recorded(task, group)
            found += [(task, i) for i in indices if i in recorded]
        return found


def shard_status(ledger: Ledger) -> tuple[int | None, tuple[int, ...]]:
    """Read which shards count a scan.

    Returns
    -------
    count : int or None
        How many there are; None where a run has no shards, or has ended.
    beating : tuple of int
        Indices of those that have a heartbeat; a process that was killed leaves its last one.
    """
    names = Pulse(ledger.storage).others("")
    beating = tuple(sorted({int(name.partition("-")[0]) for name in names}))
    return _group_count(ledger.read_owner()), beating


def _group_count(owner):
    if owner is None or not owner.startswith(_GROUP):
        return None
    return int(owner.removeprefix(_GROUP).split()[0])
