"""Running the stages over blocks, in threads or on a cluster."""

import heapq
import os
import re
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue

from tqdm import tqdm

from .checkpoints import TakenOver

_RETRIES = 2
_IN_FLIGHT = 10_000  # blocks that a cluster is given at a time


class ScanError(RuntimeError):
    """Blocks failed; all others are finished, and another call goes on with these.

    Parameters
    ----------
    failures : list of (str, int, Exception)
        Stage, block and reason; an attribute too.
    """

    def __init__(self, failures):
        self.failures = failures
        stage, block, error = failures[0]
        super().__init__(
            f"{len(failures)} block(s) failed after {1 + _RETRIES} tries, the first in stage "
            f"{stage!r}, block {block}: {error!r}. All others are finished: call count_scan again "
            "when the cause is gone."
        )


class Workers:
    """Does blocks of all stages, each as soon as those that it needs are done.

    A failed block is tried again; what needs it is left, and all others are done.

    Parameters
    ----------
    job : Job
    client : distributed.Client or None
        None: threads.
    n_workers : int or None
        Threads; None is one for each core.
    """

    def __init__(self, job, client, n_workers):
        self.job, self.client = job, client
        self.n_workers = n_workers or os.cpu_count() or 1
        # The result of a task: a cluster without workers starts one for it, and if all that hold it
        # are lost another one gets it anew. Workers fetch it from each other, once.
        self.remote = None if client is None else client.submit(_itself, job, pure=False)

    def run(self, needs, progress=None):
        """Do blocks.

        Parameters
        ----------
        needs : dict of (stage, block) to list of (stage, block)
            What must be done before; later stages are done first.
        progress : callable, default=None
            Called with stage, block and what the stage returned, None of earlier runs.

        Raises
        ------
        ScanError
            If blocks failed for good.
        """
        todo, finished = _unfinished(self.job, needs, self.n_workers if self.client is None else 2)
        for stage, block in finished:
            if progress is not None:
                progress(stage, block, None)
        rank = {stage: -i for i, stage in enumerate(dict.fromkeys(stage for stage, _ in needs))}
        waiting = {task: sum(n in todo for n in needs[task]) for task in todo}
        followers = {}
        for task in todo:
            for need in needs[task]:
                followers.setdefault(need, []).append(task)
        ready = [(rank[s], b, s) for (s, b), n in waiting.items() if n == 0]
        heapq.heapify(ready)
        failures = []
        with self._pool() as submit:
            done, running = SimpleQueue(), 0
            most = self.n_workers if self.client is None else _IN_FLIGHT
            while ready or running:
                while ready and running < most:
                    _, block, stage = heapq.heappop(ready)
                    future = submit(stage, block)
                    future.add_done_callback(partial(_put, done, stage, block))
                    running += 1
                stage, block, future = done.get()
                running -= 1
                error, value = _outcome(future)
                if isinstance(error, TakenOver):
                    raise error
                if error is not None:
                    failures.append((stage, block, error))
                    continue
                if progress is not None:
                    progress(stage, block, value)
                for task in followers.get((stage, block), ()):
                    waiting[task] -= 1
                    if waiting[task] == 0:
                        heapq.heappush(ready, (rank[task[0]], task[1], task[0]))
        if failures:
            raise ScanError(sorted(failures, key=lambda f: (-rank[f[0]], f[1])))

    def _pool(self):
        if self.client is not None:
            return _Cluster(self.client, self.remote)
        return _Threads(self.job, self.n_workers)


class _Threads:
    def __init__(self, job, n_workers):
        self.job, self.pool = job, ThreadPoolExecutor(n_workers)

    def __enter__(self):
        return partial(self.pool.submit, attempt, self.job)

    def __exit__(self, *_):
        # Blocks that are being done are waited for: another call may begin with another model.
        self.pool.shutdown(wait=True, cancel_futures=True)


class _Cluster:
    def __init__(self, client, job):
        self.client, self.job = client, job
        self.running, self.lock = set(), threading.Lock()

    def __enter__(self):
        return self._submit

    def __exit__(self, *_):
        with self.lock:
            left = list(self.running)
        self.client.cancel(left)  # where the run was interrupted

    def _submit(self, stage, block):
        future = self.client.submit(attempt, self.job, stage, block, pure=False)
        with self.lock:
            self.running.add(future)
        future.add_done_callback(self._forget)
        return future

    def _forget(self, future):
        with self.lock:
            self.running.discard(future)


def _itself(job):
    return job


def _unfinished(job, needs, n_threads):
    """Tasks that are not finished, and those that are; looked at in threads.

    What was finished before something that it needed was damaged, is still right.
    """
    todo, finished = set(), []
    tasks = list(needs)

    def check(part):
        for start in range(0, len(part), _IN_FLIGHT):
            some = part[start : start + _IN_FLIGHT]
            for task, done in zip(some, pool.map(lambda t: job.finished(*t), some), strict=True):
                finished.append(task) if done else todo.add(task)

    with ThreadPoolExecutor(n_threads) as pool:
        check([task for task in tasks if job.lasts(task[0])])
        needed = {need for task in todo for need in needs[task]}
        rest = [task for task in tasks if not job.lasts(task[0])]
        check([task for task in rest if task in needed])
        finished += [task for task in rest if task not in needed]
    return todo, finished


def _put(queue, stage, block, future):
    queue.put((stage, block, future))


def _outcome(future):
    """Error and value of a finished block; the error of a worker that died, too."""
    try:
        return future.result()
    except Exception as error:  # told by `ScanError`
        return error, None


def attempt(job, stage, block):
    """Do a block, again if it fails; returns the last error or None, and what it returned."""
    for _ in range(1 + _RETRIES):
        try:
            job.ledger.check_owner()
            return None, getattr(job, stage)(block)
        except TakenOver as error:
            return error, None
        except Exception as error:  # told by `ScanError`
            last = error
    return last, None


class Progress:
    """A progress bar: voxels, blocks, objects so far, time left.

    Parameters
    ----------
    sizes : list of int
        Voxels of each block.
    shown : bool
    counted : callable
        Objects of a block that an earlier run finished.
    """

    def __init__(self, sizes, shown, counted):
        self.sizes, self.counted, self.blocks, self.objects = sizes, counted, 0, 0
        self.bar = tqdm(total=sum(sizes), unit="voxel", unit_scale=True, disable=not shown)

    def __call__(self, stage, block, value):
        if stage != "label":
            return
        earlier = value is None
        self.blocks += 1
        self.objects += self.counted(block) if earlier else value
        if earlier and not self.bar.disable:  # which took no time of this run
            self.bar.initial += self.sizes[block]
        self.bar.set_postfix_str(
            f"{self.blocks}/{len(self.sizes)} blocks, {self.objects} objects", refresh=False
        )
        self.bar.update(self.sizes[block])

    def close(self):
        self.bar.close()


def worker_device():
    """The GPU of this worker of a cluster; None where there is no choice."""
    import torch

    n_devices = torch.cuda.device_count()
    if n_devices < 2:
        return None
    try:
        from distributed import get_worker

        name = get_worker().name
    except (ImportError, ValueError):  # no worker of a cluster
        return None
    return f"cuda:{choose_device(name, n_devices)}"


def choose_device(name, n_devices):
    """Which of the GPUs of a machine a worker takes.

    Parameters
    ----------
    name : int or str
        Of the worker. Its last number counts the workers of one machine (``2``,
        ``"SLURMCluster-7-2"``); a name without numbers is hashed.
    n_devices : int

    Returns
    -------
    int
    """
    numbers = re.findall(r"\d+", str(name))
    number = int(numbers[-1]) if numbers else zlib.crc32(str(name).encode())
    return number % n_devices
