"""``kill -9`` at random moments, over shards, threads and workers of a cluster: equal bytes?

    python tests/benchmarks/kill_shards.py [--minutes 20] [--mode shards threads cluster]

A scan is counted again and again, each time by one to four shards, by one process, or by a dask
cluster of two worker processes, in Zarr 3 and 2 by turns. A process at random is killed at a random
moment, and, of shards and single processes, started again or left to the others, until the run is
done. Then its files are compared, byte by byte, with those of an undisturbed run. Each finished run
is a line of ``tests/benchmarks/results/kill_shards.jsonl``: another call goes on with the next
random numbers. Processes are forked from one that has imported everything, and compute with one
thread. The scan has few blocks, so that many runs fit into the time; each block has several chunks.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from multiprocessing import get_context
from pathlib import Path

import joblib
import numpy as np
import torch
from harness import RESULTS, machine, version
from sklearn.pipeline import make_pipeline

sys.path.insert(0, str(Path(__file__).parents[1] / "scans"))
from shard_process import PRELOADED, run, write_chunks

from sskseg import InstanceCounter, PercentileScaler, SemiSupervisedSegmenter
from sskseg.datasets import make_cells

FILE = RESULTS / "kill_shards.jsonl"
SHAPE, OPTIONS = (100, 300), {"block_shape": (50, 60), "n_workers": 2}  # and a coarser level
CHUNKS = (25, 30)
FORMATS = (3, 2)  # of zarr
LOST_AFTER = 1.0  # seconds; a process that only seemed dead is a case, too


def prepare(folder):
    """Write a model and an image, and count it undisturbed in each format of zarr.

    Returns
    -------
    list of dict of str to bytes
        The files of each format.
    float
        Seconds of the last run.
    """
    X, y = make_cells(2, (64, 64), random_state=0)
    segmenter = SemiSupervisedSegmenter(
        semi_supervision=None, width=4, depth=1, max_steps=60, batch_size=2, precision="float32",
        random_state=0,
    )  # fmt: skip
    counter = InstanceCounter("components", fill_holes=False, min_size=3)
    model = make_pipeline(PercentileScaler(scope="image"), segmenter, counter).fit(X, y)
    image = make_cells(1, SHAPE, random_state=3)[0][0]
    for zarr_format in FORMATS:
        job = (model, image, {**OPTIONS, "zarr_format": zarr_format})
        joblib.dump(job, folder / f"job{zarr_format}")
        began = time.perf_counter()
        start(folder / f"job{zarr_format}", folder / f"whole{zarr_format}", None).join()
    return [content(folder / f"whole{n}") for n in FORMATS], time.perf_counter() - began


def start(job, destination, shard):
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    options = {"lost_after": LOST_AFTER, "chunks": CHUNKS}
    process = context.Process(target=run, args=(job, destination, shard, 1), kwargs=options)
    process.start()
    return process


def content(folder):
    """Every file but those of writes that were cut off, and of killed processes' heartbeats."""
    files = (f for f in sorted(folder.rglob("*")) if f.is_file() and ".part" not in f.name)
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in files}


def killed_run(job, out, mode, rng, seconds):
    """Count with kills; return how many there were, and the number of processes."""
    n = int(rng.integers(2, 5)) if mode == "shards" else 1
    shards = [(i, n) for i in range(n)] if mode == "shards" else [None]
    kills, running = 0, {shard: start(job, out, shard) for shard in shards}
    wanted = int(rng.integers(1, 3 * n + 1))
    while running:
        time.sleep(rng.uniform(0, 0.8 * seconds))
        alive = [shard for shard, process in running.items() if process.is_alive()]
        if kills < wanted and alive:
            shard = alive[int(rng.integers(len(alive)))]
            running[shard].kill()
            running[shard].join()
            kills += running[shard].exitcode != 0  # else it ended just before
            if running[shard].exitcode != 0 and (len(alive) == 1 or rng.random() < 0.5):
                running[shard] = start(job, out, shard)
        for shard, process in list(running.items()):
            if not process.is_alive() or kills >= wanted:
                process.join()
                if process.exitcode > 0:
                    raise RuntimeError(f"shard {shard} failed with {process.exitcode}")
                del running[shard]
    return kills, n


def killed_cluster(job, out, rng, seconds):
    """Count on a cluster, one of whose two workers is killed."""
    import os
    import signal
    import threading

    import dask.array as da
    from distributed import Client, LocalCluster

    from sskseg.scans import count_scan

    model, image, options = joblib.load(job)
    write_chunks(CHUNKS)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        client.run(lambda: __import__("torch").set_num_threads(1))
        pids = list(client.run(os.getpid).values())
        pid = pids[int(rng.integers(2))]
        timer = threading.Timer(rng.uniform(0, seconds), os.kill, (pid, signal.SIGKILL))
        timer.start()
        scan = da.from_array(image, name="image")
        count_scan(model, scan, out, client=client, **options)
        killed = not timer.is_alive()
        timer.cancel()
    return int(killed), 2


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    modes = ("shards", "threads", "cluster")
    parser.add_argument("--mode", nargs="+", choices=modes, default=modes[:2])
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    end = time.monotonic() + 60 * options.minutes
    commit = version()  # of what runs, not of a commit that is made meanwhile
    lines = FILE.read_text().splitlines() if FILE.exists() else []
    n_earlier = Counter(json.loads(line)["key"]["mode"] for line in lines)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole, seconds = prepare(folder)
        while time.monotonic() < end:
            for mode in options.mode:
                k = n_earlier[mode] % len(FORMATS)
                rng = np.random.default_rng([modes.index(mode), n_earlier[mode]])
                out, job = folder / "out", folder / f"job{FORMATS[k]}"
                shutil.rmtree(out, ignore_errors=True)
                began = time.perf_counter()
                if mode == "cluster":
                    kills, n = killed_cluster(job, out, rng, seconds)
                else:
                    kills, n = killed_run(job, out, mode, rng, seconds)
                found = content(out)
                names = sorted({*found, *whole[k]})
                differ = [name for name in names if found.get(name) != whole[k].get(name)]
                row = {
                    "key": {"mode": mode, "run": n_earlier[mode]},
                    "figures": {"processes": n, "kills": kills, "same_bytes": not differ,
                                "differ": differ[:5], "zarr_format": FORMATS[k]},
                    "seconds": round(time.perf_counter() - began, 1), "machine": machine(),
                    "version": commit,
                }  # fmt: skip
                with FILE.open("a") as file:
                    file.write(json.dumps(row) + "\n")
                print(json.dumps(row), flush=True)
                n_earlier[mode] += 1


if __name__ == "__main__":
    main()
