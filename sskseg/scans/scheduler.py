"""Running the tasks of a scan, in threads or on a cluster."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from contextvars import copy_context
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

import torch
from joblib import cpu_count

from ..io.storage import AccessRefused
from ..training.prediction_callbacks import PredictionStopped, check_stop, stoppable
from .block_queue import BlockQueue
from .checkpoints import TakenOver
from .dependencies import Block
from .devices import torch_threads
from .output import finish, write_table
from .plan import Plan
from .scaling import fit_scaling
from .store import Store
from .tasks import (
    downsample_labels,
    find_objects,
    join_scan,
    make_rows,
    match_objects,
    predict_block,
    write_labels,
)

_RETRIES = 2
_POLL = 0.2  # seconds between two checks for a request to stop
_MAX_SUBMITTED = 10_000  # blocks that a cluster holds at a time
_FATAL = (AccessRefused, PredictionStopped, TakenOver)  # end a run: each block would raise them
TASKS: dict[str, Callable[[Plan, Store, int], int | None]] = {
    "scaling": fit_scaling,
    "predict": predict_block,
    "objects": find_objects,
    "match": match_objects,
    "join": join_scan,
    "rows": make_rows,
    "write": write_labels,
    "downsample": downsample_labels,
    "table": write_table,
    "finish": finish,
}
_LEADING = {"join", "table", "finish"}  # of the whole scan: in the process that leads a cluster


class ScanError(RuntimeError):
    """Blocks failed; all others are finished, and another call resumes with these.

    Parameters
    ----------
    failures : list of (str, int, Exception)
        Task, block and reason; an attribute too.
    """

    def __init__(self, failures: list[tuple[str, int, Exception]]):
        self.failures = failures
        task, block, error = failures[0]
        notes = " ".join(["", *getattr(error, "__notes__", ())])
        super().__init__(
            f"{len(failures)} block(s) failed after {1 + _RETRIES} tries, the first in task "
            f"{task!r}, block {block}: {error!r}.{notes} All others are finished: call count_scan "
            "again when the cause is gone."
        )


class Workers:
    """Run blocks of all tasks, each as soon as those that it needs are finished.

    A failed block is tried again; what needs it is left out, and all others are done.

    Parameters
    ----------
    plan : Plan
    store : Store
    client : distributed.Client or None
        None: threads.
    n_workers : int or None
        Threads; None is one for each core.
    """

    def __init__(self, plan: Plan, store: Store, client: Any = None, n_workers: int | None = None):
        self.plan, self.store, self.client = plan, store, client
        self.n_workers = n_workers or cpu_count()
        # The result of a task: a cluster without workers starts one for it, and if all that hold it
        # are lost another one computes it again. Workers fetch it from each other, once.
        self.remote = (
            None if client is None else client.submit(_identity, (plan, store), pure=False)
        )

    def run(
        self, needs: dict[Block, list[Block]], progress: Callable[..., None] | None = None
    ) -> None:
        """Run all blocks that are not finished.

        Parameters
        ----------
        needs : dict of (task, block) to list of (task, block)
            What must be finished before; later tasks have priority.
        progress : callable, default=None
            Called with task, block, what the task returned, and ``is_earlier=True`` for blocks that
            an earlier run finished.

        Raises
        ------
        ScanError
            If blocks failed for good.
        AccessRefused
            If an object store refuses the credentials.
        TakenOver
            If another run has taken over the destination.
        PredictionStopped
            If a callback asked to stop.
        """
        progress = progress or (lambda *_, **__: None)
        todo, finished = self._unfinished(needs)
        for task, block in finished:
            progress(task, block, None, is_earlier=True)
        queue = BlockQueue(needs, todo, self._rank)
        with closing(self._results(queue)) as results:
            for task, block, error, value in results:
                if error is not None and self._is_done_elsewhere():
                    return
                if isinstance(error, _FATAL):
                    raise error
                if error is not None:
                    queue.failures.append((task, block, error))
                elif queue.finish(task, block):
                    progress(task, block, value)
        if queue.failures:
            raise ScanError(sorted(queue.failures, key=lambda f: (queue.order[f[0]], f[1])))

    def _results(self, queue):
        """Submit what is ready, and yield what is done: task, block, error and value."""
        done: SimpleQueue = SimpleQueue()
        n_running = 0
        largest = self.n_workers if self.client is None else _MAX_SUBMITTED
        with self._pool() as submit:
            while queue.ready or n_running or queue.waits_for_others():
                yield from self._finished_elsewhere(queue)
                while queue.ready and n_running < largest:
                    task, block = queue.pop()
                    future = submit(task, block)
                    future.add_done_callback(partial(_put, done, task, block))
                    n_running += 1
                check_stop()
                with suppress(Empty):
                    task, block, future = done.get(timeout=_POLL)
                    n_running -= 1
                    yield from self._outcome(queue, task, block, future)

    def _outcome(self, queue, task, block, future):
        yield task, block, *outcome(future)

    def _rank(self, task, block):
        return False, block

    def _finished_elsewhere(self, queue):
        """Yield what other processes have finished, as `_results` does."""
        return ()

    def _is_done_elsewhere(self):
        """Whether another process has finished the whole run."""
        return False

    def _pool(self):
        if self.client is not None:
            return _Cluster(self.client, (self.plan, self.store), self.remote)
        return Threads(partial(attempt, (self.plan, self.store)), self.plan, self.n_workers)

    def _unfinished(self, needs, missing=frozenset()):
        """Blocks that are not finished, and those that are; checked in threads but for `missing`.

        What was finished stays right if something that it needed is damaged later. So temporary
        results are checked only where an unfinished block needs them.
        """
        temporary = set() if self.plan.keep_probabilities else {"predict"}
        lasting = [block for block in needs if block[0] not in temporary]
        rest = [block for block in needs if block[0] in temporary]
        with ThreadPoolExecutor(self.n_workers if self.client is None else 2) as pool:
            todo, finished = self._check(pool, lasting, missing)
            needed = {need for block in todo for need in needs[block]}
            more, intact = self._check(pool, [block for block in rest if block in needed], missing)
        return todo | more, finished + intact + [block for block in rest if block not in needed]

    def _check(self, pool, blocks, missing):
        todo, finished = {block for block in blocks if block in missing}, []
        blocks = [block for block in blocks if block not in missing]
        for start in range(0, len(blocks), _MAX_SUBMITTED):
            part = blocks[start : start + _MAX_SUBMITTED]
            checks = pool.map(lambda block: self.store.finished(self.plan, *block), part)
            for block, done in zip(part, checks, strict=True):
                finished.append(block) if done else todo.add(block)
        return todo, finished


class Threads:
    """Threads of this process that run blocks.

    Parameters
    ----------
    run : callable
        Called with task and block.
    plan : Plan
    n_workers : int
    """

    def __init__(self, run: Callable[[str, int], Any], plan: Plan, n_workers: int):
        n_threads, self.n_threads = torch_threads(plan, n_workers), torch.get_num_threads()
        self.run = run
        self.pool = ThreadPoolExecutor(n_workers, "blocks", torch.set_num_threads, (n_threads,))

    def __enter__(self) -> Callable[[str, int], Future]:
        # Threads have the callbacks of this one, so that a request to stop ends a block.
        return lambda task, block: self.pool.submit(copy_context().run, self.run, task, block)

    def __exit__(self, *_: Any) -> None:
        # Wait for running blocks: another call may begin with another model.
        self.pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(self.n_threads)  # also those of threads that begin later


class _Cluster:
    def __init__(self, client, work, remote):
        self.client, self.work, self.remote = client, work, remote
        self.running, self.lock = set(), threading.Lock()
        self.leading = ThreadPoolExecutor(1)

    def __enter__(self):
        return self._submit

    def __exit__(self, *_):
        with self.lock:
            left = list(self.running)
        self.client.cancel(left)  # where the run was interrupted
        self.leading.shutdown(wait=True, cancel_futures=True)

    def _submit(self, task, block):
        if task in _LEADING:
            return self.leading.submit(copy_context().run, attempt, self.work, task, block)
        future = self.client.submit(attempt, self.remote, task, block, pure=False)
        with self.lock:
            self.running.add(future)
        future.add_done_callback(self._forget)
        return future

    def _forget(self, future):
        with self.lock:
            self.running.discard(future)


def _identity(work):
    return work


def _put(queue, task, block, future):
    queue.put((task, block, future))


def outcome(future: Future) -> tuple[Exception | None, Any]:
    """Error and value of a finished block; also the error of a worker that died."""
    try:
        return future.result()
    except Exception as error:  # `ScanError` reports it
        return error, None


def attempt(work: tuple[Plan, Store], task: str, block: int) -> tuple[Exception | None, Any]:
    """Run a block, again if it fails; return the last error or None, and the task's value."""
    plan, store = work
    for _ in range(1 + _RETRIES):
        try:
            store.ledger.check_owner()
            with stoppable():
                return None, TASKS[task](plan, store, block)
        except _FATAL as error:
            return error, None
        except Exception as error:  # `ScanError` reports it
            last = error
    return last, None
