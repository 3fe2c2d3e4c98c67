"""A discrete-event simulation of `count_scan` on many workers.

The costs of a block in each task, and those of the leading process, are measured in a run with one
worker. Three parts follow one another: blocks are predicted, split and matched, each worker taking
the next one; the leading process joins their ids; labels are written and downsampled.
"""

import heapq
import time
from dataclasses import dataclass

import numpy as np

from sskseg.scans import count
from sskseg.scans.scheduler import Workers, attempt

WORKERS = (1, 3, 10, 30, 100, 300, 1000)


@dataclass(frozen=True)
class Trouble:
    """Sources of delay on a cluster.

    Parameters
    ----------
    slow, slowdown : float
        Share of blocks that take longer (a shared node, a slow disk), and by what factor.
    failure : float
        Share of attempts that are lost and done again.
    dispatch : float
        Seconds of the scheduler for each block, one after the other.
    bandwidth : float
        Bytes per second that all workers read and write together.
    """

    slow: float = 0.02
    slowdown: float = 3.0
    failure: float = 0.001
    dispatch: float = 0.001
    bandwidth: float = 5e9


CALM = Trouble(slow=0.0, failure=0.0, dispatch=0.0005, bandwidth=np.inf)


def task_costs(model, scan, destination, *, block_shape):
    """Measure the seconds of each task for a block, with one worker.

    Returns
    -------
    dict of str to float
        ``spread`` (predicting, splitting and matching), ``write`` (labels and the pyramid) and
        ``lead`` (joining and the table, in the leading process), each for a block; ``bytes`` that a
        block moves to and from storage; ``fixed`` for the run.
    """
    seconds = {}

    class Timed(Workers):
        def run(self, needs, progress=None):
            for task, block in needs:
                start = time.perf_counter()
                error, _ = attempt((self.plan, self.store), task, block)
                if error is not None:
                    raise error
                seconds[task] = seconds.get(task, 0.0) + time.perf_counter() - start

    original, count.Workers = count.Workers, Timed
    options = {"block_shape": block_shape, "halo": 64, "n_workers": 1}
    try:
        for warm in (True, False):
            seconds.clear()
            start = time.perf_counter()
            count.count_scan(model, scan, destination / str(warm), **options)
            total = time.perf_counter() - start
    finally:
        count.Workers = original
    start = time.perf_counter()  # of a finished run: what does not grow with blocks
    count.count_scan(model, scan, destination / "False", **options)
    fixed = time.perf_counter() - start
    shape = scan.data.shape
    n_blocks = int(np.prod([-(-size // block_shape) for size in shape]))
    parts = {
        "spread": sum(seconds[task] for task in ("predict", "objects", "match")),
        "write": seconds["write"] + seconds.get("downsample", 0.0),
    }
    parts["lead"] = max(0.0, total - fixed - sum(parts.values()))
    # The image, probabilities written and read, labels of 4 and of 8 bytes; little of it shrinks.
    moved = block_shape ** len(shape) * (4 + 4 + 4 + 2 * 4 / 10 + 8 / 10)
    costs = {name: value / n_blocks for name, value in parts.items()}
    return costs | {"bytes": moved, "fixed": fixed}


def simulate(n_workers, n_blocks, costs, trouble, random_state=0):
    """Simulate the seconds until a scan is counted.

    Parameters
    ----------
    n_workers, n_blocks : int
    costs : dict of str to float
        Of `task_costs`.
    trouble : Trouble
    random_state : int, default=0

    Returns
    -------
    float
    """
    rng = np.random.default_rng(random_state)
    first = _spread(n_workers, n_blocks, costs["spread"], costs["bytes"] * 0.8, trouble, rng)
    last = _spread(n_workers, n_blocks, costs["write"], costs["bytes"] * 0.2, trouble, rng)
    return costs["fixed"] + first + n_blocks * costs["lead"] + last


def _spread(n_workers, n_blocks, cost, moved, trouble, rng):
    """Seconds until workers that take one block after the other have done all."""
    durations = np.full(n_blocks, cost)
    durations[rng.random(n_blocks) < trouble.slow] *= trouble.slowdown
    durations *= rng.geometric(1 - trouble.failure, n_blocks)
    free = [0.0] * min(n_workers, n_blocks)
    scheduler = storage = last = 0.0
    for duration in durations.tolist():
        scheduler = max(scheduler, free[0]) + trouble.dispatch
        end = scheduler + duration
        # Storage serves one block after the other, and a worker waits until its own is served.
        storage = max(storage, scheduler) + moved / trouble.bandwidth
        end = max(end, storage)
        heapq.heapreplace(free, end)
        last = max(last, end)
    return last


def predict_many(costs, voxels_of_a_block, sizes):
    """Rows of voxels, workers, hours, and efficiency: speed by worker, by that of one worker."""
    rows = []
    for voxels in sizes:
        n_blocks = max(1, round(voxels / voxels_of_a_block))
        # A part of more than so many blocks is simulated, and extrapolated.
        part = min(n_blocks, 200_000)
        alone = n_blocks * sum(costs[name] for name in ("spread", "write", "lead"))
        for n in WORKERS:
            seconds = simulate(n, part, costs, Trouble()) * n_blocks / part
            rows.append({"voxels": voxels, "workers": n, "hours": seconds / 3600,
                         "efficiency": alone / seconds / n})  # fmt: skip
    return rows


def draw(rows, path):
    """Hours and efficiency against the number of workers."""
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    sizes = sorted({row["voxels"] for row in rows})
    for size, color in zip(sizes, plt.cm.viridis(np.linspace(0, 0.9, len(sizes))), strict=True):
        mine = [row for row in rows if row["voxels"] == size]
        workers = [row["workers"] for row in mine]
        label = f"$10^{{{round(np.log10(size))}}}$ voxels"
        left.loglog(workers, [row["hours"] for row in mine], ".-", color=color, label=label)
        right.semilogx(workers, [row["efficiency"] for row in mine], ".-", color=color, label=label)
    left.set(xlabel="workers", ylabel="hours")
    right.set(xlabel="workers", ylabel="speed of a worker, by one alone", ylim=(0, 1.05))
    right.legend(frameon=False)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)
