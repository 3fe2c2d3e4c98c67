"""A process that is one shard of a scan, and may kill itself; run by tests and benchmarks.

    python shard_process.py JOB DESTINATION INDEX COUNT N_THREADS [TASK CALL]

JOB is a joblib file of a model, an image and options of `count_scan`. The process kills itself as
``kill -9`` does, in call CALL, from 1, of the function of TASK: before it if CALL is positive, and
after it if it is negative.
"""

import os
import signal
import sys

import dask.array as da
import joblib
import torch

from sskseg.scans import count_scan, heartbeats, shard_workers
from sskseg.scans.scheduler import TASKS


def kill_in(task, call):
    """Let the process die in a call of a task."""
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
    heartbeats._POLL = shard_workers._PAUSE = 0.02


def main():
    job, destination, index, count, n_threads = sys.argv[1:6]
    hurry()
    torch.set_num_threads(int(n_threads))  # sums in another order differ in the last bit
    if len(sys.argv) > 6:
        kill_in(sys.argv[6], int(sys.argv[7]))
    model, image, options = joblib.load(job)
    scan = da.from_array(image, name="image")
    shard = None if int(count) == 0 else (int(index), int(count))
    found = count_scan(model, scan, destination, shard=shard, **options)
    sys.stdout.write(str(found.n_objects))


if __name__ == "__main__":
    main()
