"""A process that is one shard of a scan, and may kill itself; for tests and benchmarks."""

import os
import signal
import warnings

import dask.array as da
import joblib
import torch

from sskseg.scans import count_scan, store
from sskseg.scans.scheduler import TASKS
from sskseg.scans.shards import heartbeats, workers

# What a process imports before others are forked from it.
PRELOADED = ["sskseg.counting", "sskseg.segmentation", "sskseg.scans", "zarr", "joblib",
             "dask.array", "distributed.system", "pyarrow.parquet"]  # fmt: skip


def kill_in(task, call):
    """Let this process die, as by ``kill -9``, in a call of a task.

    It is before the task if `call`, from 1, is positive, and after it if `call` is negative.
    """
    original, n_calls = TASKS[task], [0]

    def killed(plan, store, block):
        n_calls[0] += 1
        if n_calls[0] == call:
            os.kill(os.getpid(), signal.SIGKILL)
        found = original(plan, store, block)
        if n_calls[0] == -call:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    TASKS[task] = killed


def hurry(lost_after=30.0):
    """Look at other processes often, and notice dead ones after some seconds."""
    heartbeats.INTERVAL = heartbeats._FIRST_INTERVAL = 0.05
    heartbeats.LOST_AFTER = lost_after
    heartbeats._POLL = workers._PAUSE = 0.02


def write_chunks(sides):
    """Write chunks of at most these sides, so that small blocks have several of them."""
    store._MAX_CHUNK = {2: sides}


def run(job, destination, shard, n_threads, *, kill=None, lost_after=30.0, chunks=None):
    """Count a scan as a shard, or alone if that is None.

    Parameters
    ----------
    job : path
        A joblib file of a model, a scan or an image, and options of `count_scan`.
    destination : path
    shard : (int, int) or None
    n_threads : int
        Of torch: sums in another order differ in the last bit.
    kill : (str, int), default=None
        As `kill_in` takes them.
    lost_after : float
        Seconds after which others that are silent count as dead.
    chunks : (int, int), default=None
        As `write_chunks` takes them.
    """
    warnings.simplefilter("ignore")
    hurry(lost_after)
    torch.set_num_threads(n_threads)
    if chunks is not None:
        write_chunks(chunks)
    if kill is not None:
        kill_in(*kill)
    model, image, options = joblib.load(job)
    scan = image if isinstance(image, str) else da.from_array(image, name="image")
    count_scan(model, scan, destination, shard=shard, **options)
