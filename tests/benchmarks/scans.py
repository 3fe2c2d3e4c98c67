"""Scans larger than memory: labels of blocks, memory, speed, faults, and a simulation of clusters.

    python tests/benchmarks/scans.py [--tasks labels memory speed faults scale]

"labels": components and stitching of a volume of 512 x 512 x 256, beside dask-image's ``label`` on
the same array (where dask-image is installed), in turn. "memory": peak resident memory of
`count_scan` on a scan and on one 16 times larger, each in a process of its own. "speed": pixels
per second of `count_scan` by those of the bare network, and of two single-threaded workers by
one. "faults": 20 times ``kill -9`` at random moments, then the same bytes as an undisturbed run.
"scale": a simulation of 1 to 1,000 workers from the costs measured here. Each finished cell is kept
in ``tests/benchmarks/results/scans.jsonl``.
"""

import argparse
import heapq
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import dask
import dask.array as da
import joblib
import numpy as np
import torch
import zarr
from harness import Cells
from scipy import ndimage as ndi
from sklearn.pipeline import make_pipeline

from sskseg import InstanceCounter, PercentileScaler, SemiSupervisedSegmenter
from sskseg.datasets import make_cells
from sskseg.scans import count_scan, label_blocks, open_scan

BLOCK = 1024
ROUNDS = 3


def labels():
    """Million voxels per second."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((512, 512, 256), dtype=np.float32)
    mask = ndi.gaussian_filter(noise, 3) > 0.05
    array = da.from_array(mask, chunks=(128, 256, 256))
    try:
        from dask_image.ndmeasure import label as peer
    except ImportError:
        peer = None
    ours, theirs, same = [], [], True
    for _ in range(ROUNDS):
        start = time.perf_counter()
        _, n = dask.compute(*label_blocks(array))
        ours.append(mask.size / 1e6 / (time.perf_counter() - start))
        if peer is not None:
            start = time.perf_counter()
            _, m = dask.compute(*peer(array))
            theirs.append(mask.size / 1e6 / (time.perf_counter() - start))
            same = same and int(n) == int(m)
    figures = {"objects": int(n), "ours": float(np.median(ours))}
    if theirs:
        figures |= {"dask_image": float(np.median(theirs)), "same_count": same}
        figures["ratio"] = figures["ours"] / figures["dask_image"]
    return figures


def model_file(folder, width=16, method="watershed"):
    X, y = make_cells(4, (256, 256), random_state=0)
    model = make_pipeline(
        PercentileScaler(),
        SemiSupervisedSegmenter(
            semi_supervision=None, width=width, max_steps=60, random_state=0
        ),
        InstanceCounter(method, fill_holes=method == "watershed"),
    ).fit(X, y)  # fmt: skip
    joblib.dump(model, folder / "model")
    return model


def scan_file(folder, side):
    """Cells in squares of 1024, the same in each but for their noise."""
    path = folder / f"scan{side}.zarr"
    array = zarr.open_array(path, mode="w", shape=(side, side), chunks=(1024, 1024), dtype="f4")
    cells = make_cells(1, (1024, 1024), random_state=1)[0][0].astype(np.float32)
    rng = np.random.default_rng(0)
    for y in range(0, side, 1024):
        for x in range(0, side, 1024):
            noise = 0.02 * rng.standard_normal((1024, 1024), dtype=np.float32)
            array[y : y + 1024, x : x + 1024] = cells + noise
    return path


CHILD = """
import re, sys, json, time, warnings, joblib
warnings.simplefilter("ignore")
import torch
torch.set_num_threads(int(sys.argv[4]))
from sskseg.scans import count_scan, open_scan
model = joblib.load(sys.argv[1])
print("ready", flush=True)
start = time.perf_counter()
found = count_scan(model, open_scan(sys.argv[2]), sys.argv[3], block_shape=1024, halo=64,
                   n_workers=int(sys.argv[4]))
print(json.dumps({"objects": found.n_objects, "seconds": time.perf_counter() - start,
      "peak": 1024 * int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])}))
"""


def child(folder, path, out, threads=2):
    command = [sys.executable, "-c", CHILD, str(folder / "model"), str(path), str(out)]
    result = subprocess.run(
        [*command, str(threads)], check=True, capture_output=True, text=True
    ).stdout  # fmt: skip
    return json.loads(result.splitlines()[-1])


def memory():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model_file(folder)
        small = child(folder, scan_file(folder, 2048), folder / "a")
        large = child(folder, scan_file(folder, 8192), folder / "b")
    return {"small": small, "large": large, "ratio": large["peak"] / small["peak"]}


def speed():
    figures = {}
    for method in ("components", "watershed"):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            model = model_file(folder, width=32, method=method)
            path = scan_file(folder, 4096)
            whole, bare = [], []
            crop = np.asarray(open_scan(path).data[:1024, :1024])
            for i in range(ROUNDS):
                whole.append(4096**2 / child(folder, path, folder / f"o{i}")["seconds"] / 1e6)
                bare.append(bare_speed(model[1], crop))
        figures |= {method: float(np.median(whole)), "network": float(np.median(bare)),
                    f"{method} / network": float(np.median(whole) / np.median(bare))}  # fmt: skip
    return figures


def bare_speed(segmenter, crop):
    """Million pixels per second of the network by itself."""
    from sskseg.training import inference_copy, select_device, select_precision

    device = select_device("auto")
    dtype = select_precision("auto", device)
    network = inference_copy(segmenter.network_, device, dtype, 2)
    x = torch.from_numpy(crop)[None, None].to(device, dtype)
    x = x.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        network(x)
        start = time.perf_counter()
        for _ in range(8):
            network(x)
    return 8 * crop.size / (time.perf_counter() - start) / 1e6


def files(folder):
    """Every file but those of writes that were cut off."""
    found = (f for f in sorted(folder.rglob("*")) if f.is_file() and ".part" not in f.name)
    return {str(f.relative_to(folder)): f.read_bytes() for f in found}


def faults(kills=20):
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model_file(folder)
        path = scan_file(folder, 4096)
        whole = child(folder, path, folder / "whole")
        command = [sys.executable, "-c", CHILD, str(folder / "model"), str(path)]
        done, finished = 0, 0
        while done < kills:
            with subprocess.Popen(
                [*command, str(folder / "out"), "2"], stdout=subprocess.PIPE, text=True
            ) as run:
                run.stdout.readline()
                time.sleep(rng.uniform(0, 0.25 * whole["seconds"]))
                os.kill(run.pid, signal.SIGKILL)
                if run.stdout.read():
                    finished += 1
                    shutil.rmtree(folder / "out")
            done += 1
        after = child(folder, path, folder / "out")
        same = files(folder / "out") == files(folder / "whole")
    return {"kills": kills, "finished_before": finished, "same_bytes": same,
            "same_objects": after["objects"] == whole["objects"]}  # fmt: skip


def simulate(n_workers, n_blocks, cost, *, rng, slow=0.02, slowdown=3.0, failure=0.001,
             dispatch=0.001, storage=2e9, written=0.0):  # fmt: skip
    """Seconds until all blocks are done, each worker taking the next one.

    A share `slow` of blocks takes `slowdown` times as long, a share `failure` is done again; the
    scheduler hands out a block in `dispatch` seconds, one after the other; and all together write
    at most `storage` bytes per second, `written` for each block.
    """
    durations = cost * np.where(rng.random(n_blocks) < slow, slowdown, 1.0)
    durations = durations * (1 + rng.geometric(1 - failure, n_blocks) - 1)
    free = [0.0] * n_workers
    heapq.heapify(free)
    scheduler = disk = last = 0.0
    for duration in durations:
        start = max(heapq.heappop(free), scheduler)
        scheduler = start + dispatch if start == scheduler else max(scheduler + dispatch, start)
        end = start + duration
        disk = max(disk, end) + written / storage
        end = max(end, disk)
        heapq.heappush(free, end)
        last = max(last, end)
    return last


def scale():
    """Measured with one and two single-threaded workers, then predicted for many."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model_file(folder)
        path = scan_file(folder, 4096)
        one = cluster(folder, path, 1)
        two = cluster(folder, path, 2)
    n_blocks = (4096 // BLOCK) ** 2
    cost = one / n_blocks
    rng = np.random.default_rng(0)
    predicted = simulate(2, n_blocks, cost, rng=rng, slow=0, failure=0)
    figures = {"one": one, "two": two, "speedup": one / two, "predicted_two": predicted,
               "error": predicted / two - 1}  # fmt: skip
    for voxels in (1e9, 1e11):
        for workers in (1, 10, 100, 1000):
            blocks = int(voxels / BLOCK**2)
            seconds = simulate(workers, blocks, cost, rng=rng, written=16 * BLOCK**2)
            figures[f"{voxels:.0e} pixels, {workers} workers, hours"] = seconds / 3600
    return figures


def cluster(folder, path, n):
    from distributed import Client, LocalCluster

    model = joblib.load(folder / "model")
    options = {
        "n_workers": n,
        "threads_per_worker": 1,
        "processes": True,
        "dashboard_address": None,
    }
    with LocalCluster(**options) as workers, Client(workers) as client:
        client.run(lambda: __import__("torch").set_num_threads(1))
        count_scan(model, open_scan(path), folder / f"warm{n}", block_shape=BLOCK, halo=64,
                   client=client)  # fmt: skip
        start = time.perf_counter()
        count_scan(model, open_scan(path), folder / f"timed{n}", block_shape=BLOCK, halo=64,
                   client=client)  # fmt: skip
        return time.perf_counter() - start


TASKS = {f.__name__: f for f in (labels, memory, speed, faults, scale)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    options = parser.parse_args()
    torch.set_num_threads(min(2, os.cpu_count() or 1))
    cells = Cells("scans")
    for task in options.tasks:
        cells.run({"task": task}, TASKS[task])


if __name__ == "__main__":
    main()
