"""Running all tasks of a scan, in one process, on a cluster or in shards."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

from .boxes import n_pixels
from .checkpoints import TakenOver
from .dependencies import scaling_tasks, task_graph
from .plan import Plan
from .progress import Progress
from .scaling import freeze_scaling
from .scheduler import Workers
from .shards import Shard, ShardGroup, ShardWorkers
from .store import Store
from .tasks import count_ending


def run_tasks(
    estimator: Any,
    plan: Plan,
    store: Store,
    *,
    client: Any = None,
    n_workers: int | None = None,
    shard: Shard | None = None,
    verbose: bool = False,
) -> None:
    """Run the tasks of a scan that are not finished.

    Parameters
    ----------
    estimator : Pipeline
        For callbacks.
    plan : Plan
    store : Store
    client, n_workers, verbose
        As `count_scan` takes them.
    shard : Shard, default=None
        None: take over the run from all others.
    """
    if shard is not None:
        _run_shard(estimator, plan, store, shard, n_workers, verbose)
        return
    store = replace(store, owner=store.ledger.take_over())
    plan = freeze_scaling(plan, store.ledger)
    _run(estimator, Workers(plan, store, client, n_workers), verbose)


def _run_shard(estimator, plan, store, shard, n_workers, verbose):
    with ShardGroup(store, shard) as group:
        store = replace(store, owner=group.owner)
        try:
            ShardWorkers(plan, store, group, n_workers).run(scaling_tasks(plan))
            if not store.ledger.has("done", 0):
                plan = freeze_scaling(plan, store.ledger)
                _run(estimator, ShardWorkers(plan, store, group, n_workers), verbose)
        except TakenOver:
            if not store.ledger.has("done", 0):  # by another shard
                raise


def _run(estimator, workers, verbose):
    plan, ledger = workers.plan, workers.store.ledger

    def count_elsewhere(i):
        with suppress(KeyError):  # removed by another shard, at the end
            return count_ending(ledger.read("match", i))
        return 0

    sizes = [n_pixels(box) for box in plan.grid.boxes]
    with closing(Progress(estimator, sizes, verbose, count_elsewhere)) as progress:
        workers.run(task_graph(plan), progress)
