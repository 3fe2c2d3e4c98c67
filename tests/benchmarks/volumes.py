"""Networks of volumes beside networks of sections: accuracy, and time and memory of predictions.

    python tests/benchmarks/volumes.py [--tasks mitochondria nuclei junctions prediction]
        [--seeds 0 1] [--time-budget 240] [--table]

Each task compares ``spatial_ndim=3`` with consecutive sections in two dimensions, both with their
default settings, for the same seconds.

"mitochondria": EPFL, 4 of sections 0-119 of the training volume labeled, sections 125-164 for
evaluation; IoU at 0.5. "nuclei": one volume of 31 x 61 x 57 voxels, the left half for training, the
right half for evaluation. "junctions": six simulated volumes of 48 x 128 x 128 voxels, four of them
for training, two for evaluation; F1 at IoU 0.5 and relative count error of objects in three
dimensions. "prediction": seconds and peak memory of predicting 512 x 512 x 512 voxels, in a process
of its own, with networks that hardly learned.

Finished cells are kept in ``tests/benchmarks/results/volumes.jsonl``.
"""

import argparse
import json
import subprocess
import sys
import time
from functools import partial
from itertools import product

import numpy as np
from harness import (
    COUNTED,
    Cells,
    data_folder,
    markdown,
    mitochondria_block,
    network_steps,
    resident,
)

from sskseg import InstanceCounter, PercentileScaler, SemiSupervisedSegmenter
from sskseg.datasets import load_nuclei3d, make_neuromuscular_junctions
from sskseg.metrics import f1_instances, iou

METHODS = ("sections", "volume")
SIDE = 512  # of the volume that is predicted


def segmenter(method, seed, time_budget):
    if method == "volume":
        return SemiSupervisedSegmenter(spatial_ndim=3, time_budget=time_budget, random_state=seed)
    return SemiSupervisedSegmenter(
        sections="consecutive", time_budget=time_budget, random_state=seed
    )


def mitochondria(method, seed, time_budget):
    X, known, X_test, y_test = mitochondria_block()
    if method == "volume":
        X, known, X_test, y_test = X[None], known[None], X_test[None], y_test[None]
    model = segmenter(method, seed, time_budget)
    start = time.perf_counter()
    model.fit(X, known)
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    masks = model.predict_proba(X_test) > 0.5
    return {
        "iou": iou(y_test, masks), "steps": network_steps(model), "fit s": seconds,
        "predict s": time.perf_counter() - start,
    }  # fmt: skip


def nuclei(method, seed, time_budget):
    X, y = load_nuclei3d(data_folder() / "nuclei3d")
    middle = X.shape[-1] // 2
    halves = (X[..., :middle], y[..., :middle], X[..., middle:], y[..., middle:])
    return objects(method, seed, time_budget, *halves)


def junctions(method, seed, time_budget):
    X, y = make_neuromuscular_junctions(6, (48, 128, 128), random_state=0)
    return objects(
        method, seed, time_budget, X[:4], y[:4], X[4:], y[4:], counter={"fill_holes": False}
    )


def objects(method, seed, time_budget, X, y, X_test, y_test, counter=None):
    """Count the objects of volumes; sections of all volumes are one stack, with gaps."""
    scaler, counter = {"scope": "dataset"}, {**(counter or {})}
    if method == "volume":
        scaler["spatial_ndim"] = counter["spatial_ndim"] = 3
        fit, predict = {}, {}
    else:
        counter["sections"] = "consecutive"
        fit, predict = {"positions": positions(X)}, {"positions": positions(X_test)}
        n_test, depth = len(X_test), X_test.shape[1]
        X, y, X_test = (a.reshape(-1, *a.shape[2:]) for a in (X, y, X_test))
    scaler, counter = PercentileScaler(**scaler).fit(X), InstanceCounter(**counter)
    model = segmenter(method, seed, time_budget)
    start = time.perf_counter()
    outputs = model.fit(scaler.transform(X), y, **fit).transform(scaler.transform(X), **fit)
    counter.fit(outputs, y, **fit)
    seconds = time.perf_counter() - start
    labels = counter.label(model.transform(scaler.transform(X_test), **predict), **predict)
    if method == "sections":
        labels = np.reshape(labels, (n_test, depth, *labels[0].shape))
    counts = [[len(np.unique(v[v > 0])) for v in volumes] for volumes in (y_test, labels)]
    errors = np.abs(np.subtract(*counts)).sum()
    return {
        "f1": f1_instances(list(y_test), list(labels)), "count error": errors / sum(counts[0]),
        "objects": sum(counts[0]), "steps": network_steps(model), "fit s": seconds,
    }  # fmt: skip


def positions(X):
    """Positions of the sections of several volumes, with a gap between two volumes."""
    n, depth = X.shape[:2]
    return (np.arange(n)[:, None] * (depth + 1) + np.arange(depth)).ravel()


def prediction(method, seed, time_budget):
    """Seconds and peak memory, in a process of its own."""
    output = subprocess.run(
        [sys.executable, __file__, "--predict", method], capture_output=True, text=True, check=True
    )
    return json.loads(output.stdout.splitlines()[-1])


def predict_volume(method):
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (16, 64, 64), np.uint8)
    y = (small > 128).astype(np.int8)
    model = segmenter(method, 0, None).set_params(max_steps=2, semi_supervision=None)
    if method == "volume":
        model.fit(small[None], y[None])
    else:
        model.fit(small, y)
    volume = rng.integers(0, 256, (SIDE,) * 3, np.uint8)
    before = resident("VmHWM")
    start = time.perf_counter()
    model.predict(volume[None] if method == "volume" else volume)
    seconds = time.perf_counter() - start
    return {"predict s": seconds, "peak MB": resident("VmHWM"), "MB before": before}


TASKS = {
    "mitochondria": mitochondria, "nuclei": nuclei, "junctions": junctions,
    "prediction": prediction,
}  # fmt: skip


def table(cells):
    for task in TASKS:
        rows = [
            {"task": task, **row["key"], **row["figures"]}
            for row in cells.rows
            if row["key"]["task"] == task
        ]
        if rows:
            columns = ["task", "method", "seed", "budget", *rows[0].keys()]
            left_out = {"recipe", "precision"}
            columns = [c for c in dict.fromkeys(columns) if c not in left_out]
            print(markdown(rows, columns), end="\n\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--time-budget", type=float, default=240.0, help="seconds of a training")
    parser.add_argument("--table", action="store_true", help="of the finished cells, no training")
    parser.add_argument("--predict", choices=METHODS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.predict:
        print(json.dumps(predict_volume(options.predict)))
        return
    cells = Cells("volumes", recipe=COUNTED)
    for task, seed, method in product(options.tasks, options.seeds, METHODS):
        if options.table or (task == "prediction" and seed != options.seeds[0]):
            continue
        key = {"task": task, "method": method, "seed": seed, "budget": options.time_budget}
        cells.run(key, partial(TASKS[task], method, seed, options.time_budget))
    table(cells)


if __name__ == "__main__":
    main()
