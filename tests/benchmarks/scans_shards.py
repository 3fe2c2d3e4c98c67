"""Seconds of one and of two shards of one thread on the same scan, by turns.

    python tests/benchmarks/scans_shards.py [--side 4096] [--toy]

Processes load everything and count a tiny scan first; then the time runs until the last of them has
returned. Two cores must be idle. The cell is kept in ``tests/benchmarks/results/scans.jsonl``;
``--toy`` tries everything out on a small scan and keeps nothing.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
from harness import TRAINED, Cells
from scans import KEEP_MEMORY, SIDES, TOY, model_file, scan_file

SHARD = """
import sys, warnings, joblib
warnings.simplefilter("ignore")
import dask.array, numpy, torch
torch.set_num_threads(1)
from sskseg.scans import count_scan, open_scan
folder, path, out, index, count = *sys.argv[1:4], *map(int, sys.argv[4:6])
model = joblib.load(folder + "/model")
warm = dask.array.zeros((64, 64), dtype=numpy.float32)
count_scan(model, warm, f"{out}-warm{index}", n_workers=1)
print("ready", flush=True)
sys.stdin.readline()
count_scan(model, open_scan(path), out, block_shape=1024, halo=64, n_workers=1,
           shard=(index, count))
print("done", flush=True)
"""


def shards(side):
    """Seconds of both, and the median of their ratios."""
    times = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model_file(folder)
        path = scan_file(folder, side)
        for i in range(SIDES["rounds"]):
            for n, found in times.items():
                found.append(counted(folder, path, folder / f"out{n}-{i}", n))
    speedups = [one / two for one, two in zip(times[1], times[2], strict=True)]
    return {"one": times[1], "two": times[2], "speedup": float(np.median(speedups))}


def counted(folder, path, out, n):
    """Seconds from a signal, when all shards are ready, until the last of them is done."""
    command = [sys.executable, "-c", SHARD, str(folder), str(path), str(out)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environment = {**os.environ, **KEEP_MEMORY}
    processes = [
        subprocess.Popen([*command, str(i), str(n)], env=environment, **pipes) for i in range(n)
    ]
    if any(process.stdout.readline() != "ready\n" for process in processes):
        raise RuntimeError("a shard has not started")
    start = time.perf_counter()
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    if any(process.stdout.readline() != "done\n" for process in processes):
        raise RuntimeError("a shard has not finished")
    seconds = time.perf_counter() - start
    for process in processes:
        process.communicate()
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=SIDES["scale"], help="of the scan, pixels")
    parser.add_argument("--toy", action="store_true")
    options = parser.parse_args()
    if options.toy:
        SIDES.update(TOY)
        print(json.dumps(shards(SIDES["scale"])))
    else:
        key = {"task": "shards", "side": options.side}
        Cells("scans", recipe=TRAINED).run(key, partial(shards, options.side))


if __name__ == "__main__":
    main()
