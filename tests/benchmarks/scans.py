"""Scans larger than memory: labels of blocks, memory, speed, faults, and a simulation of clusters.

    python tests/benchmarks/scans.py [--tasks labels memory speed faults clusters costs many graph]
        [--cores processor shared one] [--methods components watershed cores] [--toy]

"labels": components and stitching of a volume of 512 x 512 x 256, beside dask-image's ``label`` on
the same array (where dask-image is installed), in turn. "memory": peak resident memory of
`count_scan` on a scan and on one 16 times larger, each in a process of its own. "speed": pixels per
second of `count_scan` by those of the bare network, by turns in one process, for two networks,
three ways to find objects ("cores": the watershed from predicted cores), and two or fewer cores:
"shared" (the network and all else on two cores), "one" (on one core) and "processor" (the processor
time on one core, which others may use at the same time). Until networks of one thread ran in every
worker, there was "beside", too (the network on one core, all else on a second one). "faults": 20
times ``kill -9`` at random moments, then the same bytes as an undisturbed run. "clusters": runs on
clusters of one and (on two cores) two single-threaded workers, predicted from the costs of half the
scan. "costs": these alone, which are processor times. "many": a simulation of 1 to 1,000 workers on
10^12 pixels, of which a sixteenth is simulated, from these costs (``scans_scale.py``), memory of
the client and the scheduler, and files. "graph": memory and processor time that the blocks of all
10^12 pixels take in the leading process, or in each shard. Each finished cell is kept in
``tests/benchmarks/results/scans.jsonl``; ``--toy`` tries everything out on small scans and keeps
nothing.

Processes keep large blocks of memory instead of giving them back (``MALLOC_...`` below), the bare
network's and those of workers too: otherwise the network spends a third of its time on getting
zeroed pages. ``distributed`` makes its workers give memory back, unless these variables are set.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from itertools import product
from pathlib import Path

import dask
import dask.array as da
import joblib
import numpy as np
import scans_scale
import torch
import zarr
from harness import RESULTS, TRAINED, Cells
from scipy import ndimage as ndi
from sklearn.pipeline import make_pipeline

from sskseg import InstanceCounter, PercentileScaler, SemiSupervisedSegmenter
from sskseg.counting import Watershed
from sskseg.datasets import make_cells
from sskseg.scans import count_scan, label_blocks, open_scan, plan_scan
from sskseg.scans.plan import make_plan

BLOCK = 1024
CORES, METHODS = ("processor", "shared", "one"), ("components", "watershed", "cores")
SIDES = {
    "labels": 512, "memory": 4096, "speed": 8192, "faults": 4096, "scale": 4096, "rounds": 3,
    "kills": 20, "steps": 60, "toy": False, "large": 250_000,
}  # fmt: skip
TOY = {
    "labels": 128, "memory": 1024, "speed": 1024, "faults": 1024, "scale": 2048, "rounds": 1,
    "kills": 2, "steps": 10, "toy": True, "large": 50_000,
}  # fmt: skip


def labels():
    """Million voxels per second."""
    rng = np.random.default_rng(0)
    side = SIDES["labels"]
    noise = rng.standard_normal((side, side, side // 2), dtype=np.float32)
    mask = ndi.gaussian_filter(noise, 3) > 0.05
    array = da.from_array(mask, chunks=(side // 4, side // 2, side // 2))
    try:
        from dask_image.ndmeasure import label as peer
    except ImportError:
        peer = None
    ours, theirs, same = [], [], True
    for _ in range(SIDES["rounds"]):
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


def model_file(folder, width=16, method="watershed", network="unet-shuffle"):
    X, y = make_cells(4, (256, 256), random_state=0)
    model = make_pipeline(
        PercentileScaler(),
        SemiSupervisedSegmenter(
            network, semi_supervision=None, width=width, max_steps=SIDES["steps"], random_state=0
        ),
        InstanceCounter(
            Watershed(seeds="core") if method == "cores" else method,
            fill_holes=method != "components",
        ),
    ).fit(X, y)  # fmt: skip
    joblib.dump(model, folder / "model")
    return model


def scan_file(folder, side, part=1):
    """Cells in squares of 1024, the same in each but for their noise; of some rows only a part."""
    path, height = folder / f"scan{side}-{part}.zarr", int(side * part)
    array = zarr.open_array(path, mode="w", shape=(height, side), chunks=(1024, 1024), dtype="f4")
    cells = make_cells(1, (1024, 1024), random_state=1)[0][0].astype(np.float32)
    rng = np.random.default_rng(0)
    for y in range(0, height, 1024):
        for x in range(0, side, 1024):
            noise = 0.02 * rng.standard_normal((1024, 1024), dtype=np.float32)
            array[y : y + 1024, x : x + 1024] = cells + noise
    return path


KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(2**33), "MALLOC_TRIM_THRESHOLD_": str(2**34),
    "MALLOC_ARENA_MAX": "1",
}  # fmt: skip

CHILD = """
import re, sys, json, time, warnings, joblib
warnings.simplefilter("ignore")
import torch
threads, workers = int(sys.argv[4]), int(sys.argv[5])
torch.set_num_threads(threads)
from sskseg.scans import count_scan, open_scan
model = joblib.load(sys.argv[1])
def peak():
    return 1024 * int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])
if len(sys.argv) > 6:  # all libraries are loaded by a tiny scan
    import dask.array, numpy
    count_scan(model, dask.array.zeros((64, 64), dtype=numpy.float32), sys.argv[6])
idle = peak()
print("ready", flush=True)
start = time.perf_counter()
found = count_scan(model, open_scan(sys.argv[2]), sys.argv[3], block_shape=1024, halo=64,
                   n_workers=workers)
print(json.dumps({"objects": found.n_objects, "seconds": time.perf_counter() - start,
                  "idle": idle, "peak": peak()}))
"""


def child(folder, path, out, *tiny):
    command = [sys.executable, "-c", CHILD, str(folder / "model"), str(path), str(out), "1", "2"]
    command += map(str, tiny)
    result = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(result.splitlines()[-1])


def memory():
    """Scans of 4 x 4 and 16 x 16 blocks, so that both have one with neighbors all around, also of
    those of the network."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = model_file(folder)
        sides = (SIDES["memory"], 4 * SIDES["memory"])
        runs = {}
        for side in sides:
            path = scan_file(folder, side)
            plan = plan_scan(model, open_scan(path), block_shape=1024, halo=64, measure=False)
            runs[side] = child(folder, path, folder / f"out{side}", folder / f"tiny{side}")
            runs[side] |= {"formula": 2 * plan.memory, "blocks": plan.n_blocks}
    small, large = (runs[side] for side in sides)
    own = large["peak"] - large["idle"]
    return {
        "small": small,
        "large": large,
        "ratio": large["peak"] / small["peak"],
        "by 2 workers x formula": own / large["formula"],
    }


CALL = """
import sys, json, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[1])
import scans
if __name__ == "__main__":
    scans.SIDES = json.loads(sys.argv[2])
    print(json.dumps(getattr(scans, sys.argv[3])(*json.loads(sys.argv[4]))))
"""


def keeping_memory(function, *arguments):
    """Call a function of this file in a process that, like its workers, keeps its memory."""
    with tempfile.TemporaryDirectory() as name:
        script = Path(name) / "call.py"  # a file, which workers can import
        script.write_text(CALL)
        command = [sys.executable, str(script), str(Path(__file__).parent), json.dumps(SIDES),
                   function, json.dumps(arguments)]  # fmt: skip
        environment = {**os.environ, **KEEP_MEMORY}
        found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True,
                               env=environment)  # fmt: skip
    return json.loads(found.stdout.splitlines()[-1])


def speed(network, method, cores):
    """Ratios of `count_scan` to the bare network, by turns in a process of its own."""
    n = min(2, os.cpu_count() or 1) if cores == "shared" else 1
    return keeping_memory("paired_speed", network, method, n, cores == "processor")


def paired_speed(network, method, n_cores, of_processor):
    clock = time.process_time if of_processor else time.perf_counter
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-n_cores:])
    torch.set_num_threads(n_cores)
    side = SIDES["speed"] // (1 if network == "unet-shuffle" else 2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = model_file(folder, width=16, method=method, network=network)
        path = scan_file(folder, side)
        crop = np.asarray(open_scan(path).data[:1024, :1024])
        plan = plan_scan(model, open_scan(path), halo=64, measure=False)
        figures = {"overhead": plan.overhead, "bare": [], "count_scan": [], "ratio": []}
        n_rounds = 1 if of_processor else SIDES["rounds"]  # it varies less
        for i in range(n_rounds + 1):  # the first one warms up, and gets memory
            bare = bare_speed(model[1], crop, clock)
            start = clock()
            found = count_scan(model, open_scan(path), folder / f"o{i}", halo=64, n_workers=n_cores)
            whole = side**2 / 1e6 / (clock() - start)
            bare = (bare + bare_speed(model[1], crop, clock)) / 2
            shutil.rmtree(folder / f"o{i}")
            for key, value in (("bare", bare), ("count_scan", whole), ("ratio", whole / bare)):
                figures[key] += [value] if i else []
    return figures | {
        "objects": found.n_objects,
        "median_ratio": float(np.median(figures["ratio"])),
    }


def bare_speed(segmenter, crop, clock):
    """Million pixels per second of the network by itself."""
    from sskseg.training import inference_copy, select_device, select_precision

    device = select_device("auto")
    dtype = select_precision("auto", device)
    network = inference_copy(segmenter.network_, device, dtype, 2)
    x = torch.from_numpy(crop)[None, None].to(device, dtype)
    x = x.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        network(x)
        start = clock()
        for _ in range(8):
            network(x)
        if device.type == "cuda":
            torch.cuda.synchronize()
    return 8 * crop.size / (clock() - start) / 1e6


def files(folder):
    """Every file but those of writes that were cut off."""
    found = (f for f in sorted(folder.rglob("*")) if f.is_file() and ".part" not in f.name)
    return {str(f.relative_to(folder)): f.read_bytes() for f in found}


def faults():
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model_file(folder)
        path = scan_file(folder, SIDES["faults"])
        whole = child(folder, path, folder / "whole")
        command = [sys.executable, "-c", CHILD, str(folder / "model"), str(path)]
        done, finished = 0, 0
        while done < SIDES["kills"]:
            with subprocess.Popen(
                [*command, str(folder / "out"), "1", "2"], stdout=subprocess.PIPE, text=True
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
    return {"kills": done, "finished_before": finished, "same_bytes": same,
            "same_objects": after["objects"] == whole["objects"]}  # fmt: skip


def clusters(n_cores):
    """Clusters of one and, on two cores, two single-threaded workers, and many in a simulation."""
    return keeping_memory("scaled", n_cores)


def scaled(n_cores):
    """Costs come from half of the scan, so that times of all of it are predicted."""
    torch.set_num_threads(1)  # as the workers below
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = model_file(folder)
        path, half = scan_file(folder, SIDES["scale"]), scan_file(folder, SIDES["scale"], 0.5)
        plans = {p: make_plan(model, open_scan(p), BLOCK, 64) for p in (path, half)}
        costs, times = [], {n: [] for n in (1, 2) if n <= n_cores}
        cost = partial(on_cluster, scans_scale.measure, folder, model, half, plans[half])
        timed = partial(on_cluster, scans_scale.timed, folder, model, path, plans[path])
        for i in range(SIDES["rounds"]):
            costs.append(cost(1, f"costs{i}"))
            for n, found in times.items():
                found.append(timed(n, f"{n}-{i}"))
    costs = median_of(costs)
    predicted = {n: scans_scale.simulate(n, plans[path], costs, scans_scale.CALM)["seconds"]
                 for n in times}  # fmt: skip
    return {
        "costs": costs, "times": times, "predicted": predicted,
        "error": {n: predicted[n] / float(np.median(times[n])) - 1 for n in times},
    }  # fmt: skip


def costs():
    """Costs of blocks and of the leading process, for the simulation."""
    return {"costs": keeping_memory("measured_costs")}


def measured_costs():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, path = model_file(folder), scan_file(folder, SIDES["scale"], 0.5)
        plan = make_plan(model, open_scan(path), BLOCK, 64)
        each = partial(on_cluster, scans_scale.measure, folder, model, path, plan, 1)
        return median_of([each(f"costs{i}") for i in range(SIDES["rounds"])])


def many():
    """Many workers in a simulation; what client and scheduler hold, and the files."""
    return keeping_memory("simulated", Cells("scans", recipe=TRAINED).path.name)


def simulated(results):
    """From the costs that were measured last, on whichever machine."""
    rows = [json.loads(line)["figures"] for line in (RESULTS / results).read_text().splitlines()]
    costs = [row["costs"] for row in rows if "costs" in row][-1]
    with tempfile.TemporaryDirectory() as name:
        plan = large_plan(model_file(Path(name)), SIDES["large"])
    # A part is simulated; that 10^12 pixels have so many times the blocks.
    more = 1e12 / SIDES["large"] ** 2
    rows = scans_scale.many_workers(plan, costs)
    hours = ("hours", "leading")
    return {
        "simulated blocks": len(plan.grid), "blocks": more * len(plan.grid),
        "files": {name: more * n for name, n in scans_scale.n_files(plan).items()},
        "scheduler bytes": scans_scale.scheduler_memory(),
        "rows": [{k: v * more if k in hours else v for k, v in row.items()} for row in rows],
    }  # fmt: skip


def graph():
    """Blocks of 10^12 pixels, in a process that has done nothing else."""
    return keeping_memory("graph_costs", 4 * SIDES["large"])


def graph_costs(side):
    with tempfile.TemporaryDirectory() as name:
        return scans_scale.graph_costs(partial(large_plan, model_file(Path(name)), side))


def large_plan(model, side):
    return make_plan(model, da.zeros((side, side), np.float32, chunks=2048), 2048, 64)


def on_cluster(measure, folder, model, path, plan, n, name):
    """Measure `count_scan` on `n` workers that have warmed up on a small scan."""
    from distributed import Client, LocalCluster

    warm = da.from_array(np.zeros((256 * n, 256), np.float32), chunks=256)
    options = {"n_workers": n, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options, processes=True) as workers, Client(workers) as client:
        client.run(lambda: __import__("torch").set_num_threads(1))
        count_scan(model, warm, folder / f"warm{name}", block_shape=128, halo=64, client=client)
        return measure(
            model, path, folder / f"timed{name}", plan, client, block_shape=BLOCK, halo=64
        )


def median_of(items):
    """Medians of numbers in dicts of dicts."""
    if isinstance(items[0], dict):
        return {key: median_of([item[key] for item in items]) for key in items[0]}
    return float(np.median(items))


TASKS = {f.__name__: f for f in (labels, memory, speed, faults, clusters, costs, many, graph)}


def cells_of(task):
    """What a task is measured on: keys of cells."""
    if task == "clusters":
        return [{"n_cores": min(2, len(os.sched_getaffinity(0)))}]
    if task != "speed":
        return [{}]
    rows = product(("unet-shuffle", "unet"), METHODS, CORES)
    return [dict(zip(("network", "method", "cores"), row, strict=True)) for row in rows]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--cores", nargs="+", choices=CORES, default=CORES)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--networks", nargs="+", default=("unet-shuffle", "unet"))
    parser.add_argument("--toy", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(min(2, os.cpu_count() or 1))
    if options.toy:
        SIDES.update(TOY)
    for task in options.tasks:
        for row in cells_of(task):
            chosen = options.cores, options.methods, options.networks
            wanted = zip((row.get(key) for key in ("cores", "method", "network")), chosen)
            if task == "speed" and not all(value in values for value, values in wanted):
                continue
            if options.toy:
                print(json.dumps({"task": task, **row, **TASKS[task](**row)}, default=str))
            else:
                Cells("scans", recipe=TRAINED).run(
                    {"task": task, **row}, partial(TASKS[task], **row)
                )


if __name__ == "__main__":
    main()
