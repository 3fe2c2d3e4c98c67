"""Peers side by side: the same data and seconds through each, the same weights through two tilings.

    python tests/benchmarks/peers.py [--tasks windows "nuclei, 5" ...] [--methods ...] [--seeds 0]
        [--seconds 90] [--full] [--table] [--pictures FOLDER]

Install what is compared with ``pip install torch==2.13.0 && pip install -e ".[bench]"`` in a
virtual environment (0.8 GB beside torch); StarDist needs TensorFlow and an environment of its own:
``pip install torch==2.13.0 && pip install -e ".[bench-stardist]"`` (1.7 GB), then ``--methods
"StarDist from scratch"``, which adds its cells to the same file. A method whose package is missing
is left out, with a message.

Tasks: "nuclei, N": DSB 2018, 5, 20, 60 or all of 160 images labeled, 80 others for testing.
"mitochondria, N": EPFL, 1, 4 or 32 evenly spaced sections of 165 labeled, test sections 0-9, the
objects of a section are its connected components. "junctions": simulated scans of three domains, 10
of 60 labeled, 30 others for testing, or with "junctions, 300 tests" 300. "windows": one network
over a large image of EPFL sections side by side, by sskseg's tiles and MONAI's. What each method is
given and how it is set is written in ``peers_adapters``; nothing is chosen on test images. Dice is
of all test pixels together, F1 at IoU 0.5, WAPE the sum of the absolute count errors over the
number of objects. Each cell runs in a process of its own, whose peak memory (resident) it tells;
seconds of fitting include what is calibrated after training. Finished cells are kept, with the
versions of all packages, in ``tests/benchmarks/results/peers.jsonl``. ``--pictures`` writes one
picture of predictions a cell that is run.

Look at them before a figure is quoted: a network that had no time to learn says nothing of its
method. Cellpose found no object after one minute, and most nuclei after fifteen.

Out, and why: Cellpose 4 begins from downloaded weights; nnU-Net trains in epochs of 250 steps of a
network that it plans itself, which no cell here could hold.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import torch
from harness import COUNTED, Cells, data_folder, junctions, markdown, nuclei, resident
from peers_adapters import COMMON, METHODS, Hints, adapter, missing, versions
from peers_adapters.windows import WAYS, run

from sskseg import SemiSupervisedSegmenter
from sskseg.datasets import load_epfl_mitochondria
from sskseg.metrics import average_precision, count_error, dice, f1_instances
from sskseg.morphology import label_components

TASKS = (
    *(f"nuclei, {n}" for n in (5, 20, 60, "all")),
    *(f"mitochondria, {n}" for n in (1, 4, 32)),
    "junctions", "junctions, 300 tests",
)  # fmt: skip
OWN_OBJECTS = (
    "CPN (celldetection)", "torch-em, U-Net with distances", "Cellpose 3 from scratch",
    "StarDist from scratch",
)  # fmt: skip
COLUMNS = ("dice", "f1", "f1_75", "ap", "wape", "fit s", "predict s", "peak MB", "GPU MB")


def load(task, seed, full):
    """Images, labels (None: not labeled), images and labels for testing, hints."""
    if task.startswith("mitochondria"):
        return _mitochondria(int(task.split(", ")[1]), full)
    if task.startswith("junctions"):
        tests = junctions(100, 900) if task.endswith("300 tests") else junctions(10, 200)
        X, y, X_test, y_test = *junctions(20, 100), *tests
        counter = {"fill_holes": False}
        return X, _few(y, 10, seed), X_test, y_test, Hints(counter=counter, full=full)
    X, y, X_test, y_test = nuclei()
    n = len(X) if task.endswith("all") else int(task.split(", ")[1])
    return X, _few(y, n, seed), X_test, y_test, Hints(per_image=True, full=full)


def _few(y, n, seed):
    kept = set(np.random.default_rng(seed).permutation(len(y))[:n].tolist())
    return [label if i in kept else None for i, label in enumerate(y)]


def _mitochondria(n_labeled, full):
    folder = data_folder() / "epfl_mitochondria"
    X, y = load_epfl_mitochondria(folder, split="train")
    X_test, y_test = load_epfl_mitochondria(folder, split="test")
    n = len(X_test) if full else 10
    rows = np.round((np.arange(n_labeled) + 0.5) * len(y) / n_labeled - 0.5).astype(int)
    labels = [label_components(y[i] > 0) if i in rows else None for i in range(len(y))]
    truth = [label_components(section > 0) for section in y_test[:n]]
    return list(X), labels, list(X_test[:n]), truth, Hints(True, True, full=full)


def measure(task, method, seed, seconds, full, picture=None):
    """Figures of a cell, in the process that calls."""
    images, labels, tests, truth, hints = load(task, seed, full)
    start = time.perf_counter()
    predict = adapter(method)(images, labels, seconds, seed, hints)
    fitted = time.perf_counter()
    found = [np.asarray(label) for label in predict(tests)]
    figures = {"fit s": fitted - start, "predict s": time.perf_counter() - fitted, **memory()}
    figures |= accuracy(truth, found)
    if picture is not None:
        draw(picture, tests, truth, found, f"{task}: {method}")
    return {name: round(value, 5) for name, value in figures.items()} | {
        "labeled": sum(label is not None for label in labels), "versions": versions(method),
    }  # fmt: skip


def accuracy(truth, found):
    masks = [np.concatenate([np.ravel(x) > 0 for x in side]) for side in (truth, found)]
    counts = [[len(np.unique(x[x > 0])) for x in side] for side in (truth, found)]
    errors = count_error(*counts)
    return {"dice": dice(*masks), "f1": f1_instances(truth, found),
            "f1_75": f1_instances(truth, found, 0.75),
            "ap": average_precision(truth, found), "wape": errors["wape"]}  # fmt: skip


def memory():
    """Peaks of this process so far."""
    figures = {"peak MB": resident("VmHWM")}
    if torch.cuda.is_available():
        figures["GPU MB"] = torch.cuda.max_memory_allocated() / 2**20
    return figures


def windows(full):
    """Each way to predict one large image, in a process of its own."""
    X, y = load_epfl_mitochondria(data_folder() / "epfl_mitochondria", split="train")
    X_test, _ = load_epfl_mitochondria(data_folder() / "epfl_mitochondria", split="test")
    rows, columns, rounds = (5, 8, 5) if full else (3, 4, 3)
    image = np.block([[X_test[i * columns + j] for j in range(columns)] for i in range(rows)])
    model = SemiSupervisedSegmenter(
        semi_supervision=None, max_steps=1000 if full else 200, random_state=0
    )
    figures = {"shape": list(image.shape)}
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        np.save(folder / "image.npy", image)
        model.fit(X[20::41], y[20::41]).save(folder / "model")
        for way in WAYS:
            figures[way] = _child({"way": way, "folder": str(folder), "rounds": rounds})
        whole = np.load(folder / "whole image.npy")
        for way in WAYS:
            found = np.load(folder / f"{way}.npy")
            figures[way]["largest difference"] = float(np.abs(found - whole).max())
            figures[way]["other side of 0.5"] = float(((found > 0.5) != (whole > 0.5)).mean())
    return figures | {"versions": versions("U-Net (skorch, MONAI)")}


def one_way(way, folder, rounds):
    folder = Path(folder)
    model = SemiSupervisedSegmenter.load(folder / "model")
    seconds, probability = run(way, model, np.load(folder / "image.npy"), rounds)
    figures = {"seconds": round(seconds, 3), **memory()}
    np.save(folder / f"{way}.npy", probability)
    return figures


def _child(arguments):
    command = [sys.executable, __file__, "--child", json.dumps(arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"{arguments} failed:\n{result.stderr[-3000:]}")
    return json.loads(result.stdout.splitlines()[-1])


def draw(path, images, truth, found, title):
    """Outlines of true (blue) and found (orange) objects on three of the images."""
    import matplotlib.pyplot as plt
    from skimage.segmentation import find_boundaries

    rows = np.linspace(0, len(images) - 1, 3).astype(int)
    figure, axes = plt.subplots(1, 3, figsize=(18, 6), layout="constrained")
    for axis, i in zip(axes, rows, strict=True):
        gray = np.asarray(images[i], float)
        gray = gray[..., 0] if gray.ndim == 3 else gray
        low, high = np.percentile(gray, (1, 99.8))
        picture = np.repeat(np.clip((gray - low) / (high - low), 0, 1)[..., None], 3, axis=2)
        picture[find_boundaries(truth[i], mode="inner")] = (0.0, 0.45, 0.7)
        picture[find_boundaries(found[i], mode="inner")] = (0.9, 0.6, 0.0)
        axis.imshow(picture)
        counts = [len(np.unique(x[x > 0])) for x in (truth[i], found[i])]
        axis.set_title(f"{counts[0]} objects, {counts[1]} found")
        axis.axis("off")
    figure.suptitle(title)
    figure.savefig(path, dpi=70)
    plt.close(figure)


def table(rows):
    lines = []
    for row in rows:
        key = row["key"]
        if key["task"] == "windows":
            continue
        lines.append({
            "task": key["task"], "method": key["method"], "seed": key["seed"],
            "budget": f"{key['seconds']:.0f}",
            **{c: row["figures"].get(c, "") for c in COLUMNS[:5]},
            **{c: f"{row['figures'][c]:.0f}" for c in COLUMNS[5:] if c in row["figures"]},
        })  # fmt: skip
    lines.sort(key=lambda x: (TASKS.index(x["task"]), list(METHODS).index(x["method"]), x["seed"]))
    return markdown(lines, list(lines[0])) if lines else "no cell is finished"


def windows_table(rows):
    lines = []
    for row in rows:
        for way in WAYS if row["key"]["task"] == "windows" else ():
            figures = row["figures"][way]
            lines.append({"way": way, "seconds": f"{figures['seconds']:.2f}",
                          "peak MB": f"{figures['peak MB']:.0f}",
                          "largest difference": f"{figures['largest difference']:.1e}",
                          "other side of 0.5": f"{figures['other side of 0.5']:.1e}"})  # fmt: skip
    return markdown(lines, list(lines[0])) if lines else "windows are not measured"


def versions_line(rows):
    """Which versions the rows are of."""
    found = {}
    for row in rows:
        for package, number in row["figures"]["versions"].items():
            found.setdefault(package, set()).add(number)
    names = sorted(found, key=lambda p: (p not in COMMON, p))
    return ", ".join(f"{p} {' and '.join(sorted(found[p]))}" for p in names)


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=("windows", *TASKS), default=None)
    parser.add_argument("--methods", nargs="+", choices=tuple(METHODS), default=tuple(METHODS))
    parser.add_argument("--seeds", type=int, nargs="+", default=None)
    parser.add_argument("--seconds", type=float, default=None, help="of training; 90, 600 in full")
    parser.add_argument("--full", action="store_true", help="the protocol for a GPU")
    parser.add_argument("--table", action="store_true", help="of the finished cells, no training")
    parser.add_argument("--pictures", type=Path, help="a folder for pictures of predictions")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.tasks = options.tasks or ("windows", *TASKS)
    options.seeds = options.seeds or ([0, 1, 2] if options.full else [0])
    options.seconds = options.seconds or (600.0 if options.full else 90.0)
    return options


def run_cells(cells, options):
    if "windows" in options.tasks:
        if missing("U-Net (skorch, MONAI)"):
            print("windows are left out: monai is missing")
        else:
            cells.run({"task": "windows", "full": options.full}, partial(windows, options.full))
    for method in options.methods:
        if missing(method):
            print(f"{method} is left out, for want of: {', '.join(missing(method))}")
    methods = [method for method in options.methods if not missing(method)]
    tasks = [task for task in TASKS if task in options.tasks]
    for seed, task, method in product(options.seeds, tasks, methods):
        if task == "nuclei, all" and method == "sskseg":
            continue  # nothing is unlabeled
        key = {"task": task, "method": method, "seed": seed, "seconds": options.seconds,
               "full": options.full}  # fmt: skip
        picture = options.pictures and str(options.pictures / f"{task} {method} {seed}.png")
        measure = partial(_child, key | {"picture": picture})
        if method == "sskseg":  # since what takes too long is left out
            key["auto"] = "within the time"
        if method.startswith("sskseg"):  # since it starts from a trained model if one fits
            key["network"] = "auto"
        cells.run(key, measure, ours=method not in OWN_OBJECTS)


def main():
    options = parsed()
    if options.child:
        arguments = json.loads(options.child)
        print(json.dumps((one_way if "way" in arguments else measure)(**arguments)))
        return
    cells = Cells("peers", recipe=COUNTED)
    if not options.table:
        run_cells(cells, options)
    rows = [row for row in cells.rows if row["key"]["full"] == options.full]
    print(windows_table(rows), table(rows), versions_line(rows), sep="\n\n")


if __name__ == "__main__":
    main()
