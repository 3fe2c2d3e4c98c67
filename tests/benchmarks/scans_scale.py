"""A discrete-event simulation of `count_scan` on a cluster, and the costs that it needs.

Costs are processor times, so that others may use the machine at the same time. Those of each block
of each task, and what a worker does between two blocks, are measured on a cluster of one worker
with one thread; those of the tasks of the leading process in a process by itself, and that with
which the leading process and the scheduler start a block, too. The simulation runs the graph of the
scan (`task_graph`) in the order of the library (`BlockQueue`): an event is the end of a block,
after which its worker takes the next one that is ready.
"""

import heapq
import time
from dataclasses import dataclass
from functools import wraps
from itertools import pairwise

import numpy as np
import psutil

from sskseg.scans import count_scan, open_scan, scheduler
from sskseg.scans.block_queue import BlockQueue
from sskseg.scans.boxes import n_pixels
from sskseg.scans.dependencies import task_graph
from sskseg.scans.store import _label_arrays

WORKERS = (1, 10, 100, 1000)
LEADING = ("join", "table", "finish")
# Bytes for each pixel that a task reads and writes: float32 of the scan and of probabilities;
# labels are compressed to about a tenth.
MOVED = {
    "predict": 8.0, "objects": 4.4, "match": 0.1, "rows": 0.6, "write": 0.9, "downsample": 0.9
}  # fmt: skip


@dataclass(frozen=True)
class Trouble:
    """Sources of delay on a cluster, which are assumed, not measured.

    Parameters
    ----------
    slow, slowdown : float
        Share of blocks that take longer (a shared node, a slow disk), and by what factor.
    failure : float
        Share of attempts that are lost and done again.
    bandwidth : float
        Bytes per second that all workers read and write together.
    """

    slow: float = 0.02
    slowdown: float = 3.0
    failure: float = 0.001
    bandwidth: float = 5e9


CALM = Trouble(slow=0.0, failure=0.0, bandwidth=np.inf)


def install_timer():
    """Record processor time of each block that this process does, and of this process when the
    block is done, in ``attempt.records``."""
    original = getattr(scheduler.attempt, "__wrapped__", scheduler.attempt)

    @wraps(original)  # so that it is pickled by its name
    def attempt(work, task, block):
        start = time.process_time()
        outcome = original(work, task, block)
        end = time.process_time()
        attempt.records.append((task, end - start, end))
        return outcome

    attempt.records = []
    scheduler.attempt = attempt


def records():
    """Return what the timer of this process has recorded."""
    return scheduler.attempt.records


def timed(model, path, folder, plan, client, **options):
    """Count a scan on a cluster; seconds by the clock on the wall."""
    start = time.time()
    count_scan(model, open_scan(path), folder, client=client, **options)
    return time.time() - start


def measure(model, path, folder, plan, client, **options):
    """Count a scan on a cluster of one worker, and measure what the simulation needs.

    Returns
    -------
    dict
        ``pixel``: seconds for each pixel of a block, by task; ``lead``: seconds for each pixel of
        the scan, by task of the leading process; ``gap``: seconds of a worker between two blocks;
        ``dispatch``: seconds of the leading process and the scheduler for each block; ``fixed``:
        seconds of the leading process before the first and after the last block.
    """
    client.run(install_timer)
    timed(model, path, folder, plan, client, **options)
    (done,) = client.run(records).values()
    sizes = block_sizes(plan)
    pixel = {
        task: seconds_of(done, task) / sum(sizes[task]) for task in MOVED if sizes[task]
    }  # fmt: skip
    gaps = [after[2] - after[1] - before[2] for before, after in pairwise(done)]
    lead, fixed = leading_seconds(model, path, f"{folder}-alone", **options)
    return {
        "pixel": pixel, "lead": {task: s / np.prod(plan.shape) for task, s in lead.items()},
        "gap": float(np.median(gaps)), "dispatch": dispatch_seconds(client), "fixed": fixed,
    }  # fmt: skip


def leading_seconds(model, path, folder, **options):
    """Processor time of the leading tasks, and of what is no task, where one block is done after
    the other in this process."""
    install_timer()
    start = time.process_time()
    count_scan(model, open_scan(path), folder, n_workers=1, **options)
    total = time.process_time() - start
    lead = {task: seconds_of(records(), task) for task in LEADING}
    return lead, total - sum(seconds for _, seconds, _ in records())


def seconds_of(done, task):
    """Seconds of all blocks of a task."""
    return sum(seconds for name, seconds, _ in done if name == task)


def dispatch_seconds(client, n=2000):
    """Processor time of this process, which holds client and scheduler, for each empty task."""
    start = time.process_time()
    client.gather([client.submit(int, i, pure=False) for i in range(n)])
    return (time.process_time() - start) / n


def scheduler_memory(n=scheduler._MAX_SUBMITTED):
    """Bytes of client and scheduler for as many blocks as are submitted at a time."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        plan = client.submit(bytes, 10_000, pure=False)
        before = psutil.Process().memory_info().rss
        futures = [
            client.submit(scheduler.attempt, plan, "predict", i, pure=False) for i in range(n)
        ]
        while len(cluster.scheduler.tasks) < n:
            time.sleep(0.05)
        found = psutil.Process().memory_info().rss - before
        client.cancel(futures)
    return found


def block_sizes(plan):
    """Pixels of each block, by task."""
    blocks = [n_pixels(box) for box in plan.grid.boxes]
    return {
        "predict": [n_pixels(box) for box in plan.network_grid.boxes],
        **dict.fromkeys(("objects", "match", "rows", "write"), blocks),
        "downsample": [n_pixels(box) for _, box in plan.pyramid],
    }


def simulate(n_workers, plan, costs, trouble, needs=None, random_state=0):
    """Simulate a run.

    Parameters
    ----------
    n_workers : int
    plan : Plan
    costs : dict
        Of `measure`.
    trouble : Trouble
    needs : dict, default=None
        Of `task_graph`.
    random_state : int, default=0

    Returns
    -------
    dict
        ``seconds``; ``dispatching``: share of them that the leading process and the scheduler spend
        on starting blocks; ``leading``: seconds of the tasks of the leading process.
    """
    needs = task_graph(plan) if needs is None else needs
    queue = BlockQueue(needs, set(needs), lambda task, block: (False, block))
    seconds = _durations(plan, costs, trouble, np.random.default_rng(random_state))
    idle, running, n_pixels_of_scan = n_workers, [], float(np.prod(plan.shape))
    now = dispatcher = storage = leader = dispatching = leading = 0.0
    while queue.ready or running:
        while queue.ready and (idle or queue.ready[0][-1] in LEADING):
            task, block = queue.pop()
            if task in LEADING:
                duration = costs["lead"][task] * n_pixels_of_scan
                leader = max(now, leader) + duration
                leading += duration
                heapq.heappush(running, (leader, task, block))
                continue
            idle -= 1
            dispatcher = max(now, dispatcher) + costs["dispatch"]
            dispatching += costs["dispatch"]
            duration, moved = seconds[task][0][block], seconds[task][1][block]
            # Storage serves one block after the other, and a worker waits until its own is served.
            storage = max(storage, dispatcher) + moved / trouble.bandwidth
            heapq.heappush(running, (max(dispatcher + duration, storage), task, block))
        now, task, block = heapq.heappop(running)
        idle += task not in LEADING
        queue.finish(task, block)
    total = now + costs["fixed"]
    return {"seconds": total, "dispatching": dispatching / total, "leading": leading}


def _durations(plan, costs, trouble, rng):
    """Seconds and bytes of each block, by task."""
    found = {}
    for task, sizes in block_sizes(plan).items():
        pixels = np.array(sizes, float)
        duration = pixels * costs["pixel"].get(task, 0.0)
        duration[rng.random(len(sizes)) < trouble.slow] *= trouble.slowdown
        duration *= rng.geometric(1 - trouble.failure, len(sizes))
        found[task] = (duration + costs["gap"]).tolist(), (pixels * MOVED[task]).tolist()
    return found


def graph_costs(make):
    """Memory and processor time of planning, of the graph, and of the queue of its blocks."""
    costs, before = {}, psutil.Process().memory_info().rss
    plan = _timed(costs, "plan", make)
    needs = _timed(costs, "graph", lambda: task_graph(plan))
    queue = _timed(
        costs, "queue", lambda: BlockQueue(needs, set(needs), lambda task, block: (False, block))
    )
    assert len(queue.unfinished) == len(needs)
    megabytes = (psutil.Process().memory_info().rss - before) / 2**20
    return {"blocks": len(plan.grid), "nodes": len(needs), "MB": megabytes, "seconds": costs}


def _timed(costs, name, function):
    start = time.process_time()
    found = function()
    costs[name] = time.process_time() - start
    return found


def many_workers(plan, costs):
    """Rows of workers, hours and efficiency."""
    needs, rows, alone = task_graph(plan), [], None
    for n in WORKERS:
        found = simulate(n, plan, costs, Trouble(), needs)
        alone = alone or found["seconds"]
        rows.append({"workers": n, "hours": found["seconds"] / 3600,
                     "efficiency": alone / found["seconds"] / n,
                     "dispatching": found["dispatching"],
                     "leading": found["leading"] / 3600})  # fmt: skip
    return rows


def n_files(plan):
    """Count the files of a run of `plan`: most at a time, and at the end, with and without shards.

    Returns
    -------
    dict of str to int
    """
    labels = _label_arrays(plan, np.dtype(np.uint64)).values()
    raw = len(plan.network_grid) * len(plan.probability_arrays)  # plain files of probabilities
    entries = 7 * len(plan.grid) + len(plan.network_grid) + len(plan.pyramid)
    found = {}
    for name in ("shards", "chunks"):
        at_end = sum(_n_parts(options, name) for options in labels)
        most = at_end + entries + raw
        found |= {f"most, {name}": most, f"at the end, {name}": at_end}
    return found


def _n_parts(options, name):
    sides = options[name] or options["chunks"]
    return int(np.prod([-(-n // side) for n, side in zip(options["shape"], sides, strict=True)]))
