"""Mitochondria from few labeled sections: which labels, which way of learning.

    python tests/benchmarks/mitochondria.py [--labels window 1 4 32] [--methods auto ...]
        [--seeds 0] [--time-budget 600] [--width 16] [--full] [--table]

EPFL training volume, of which some sections (or a window of 256 x 256 in the middle one) are
labeled; the test volume as far as it is there, all voxels together, probabilities above 0.5. Each
finished cell is kept in ``tests/benchmarks/results/mitochondria.jsonl``, so that another run goes
on where the first stopped. ``--full`` is the protocol for a GPU: full-size networks, all labels and
methods, three seeds. ``--table`` prints what is finished; ``page_figures.py`` draws the curve.
"""

import argparse
import time
from copy import copy
from functools import partial
from itertools import product

import numpy as np
from harness import TRAINED, Cells, data_folder, markdown
from scipy import ndimage as ndi

from sskseg import SemiSupervisedSegmenter
from sskseg.datasets import load_epfl_mitochondria
from sskseg.metrics import dice, expected_calibration_error, iou
from sskseg.morphology import enforce_continuity, label_components

METHODS = {
    "supervised": {"semi_supervision": None, "augmentation": "dihedral"},
    "augmented": {"semi_supervision": None},
    "continuity": {"semi_supervision": "continuity"},
    "consistency": {"semi_supervision": "consistency"},
    "mean-teacher": {"semi_supervision": "mean-teacher"},
    "self-training": {"semi_supervision": "self-training"},
    "both": {"semi_supervision": ("self-training", "continuity")},  # "auto" of hardly a label
    "auto": {},
}
CORRECTED = ("continuity", "both", "auto")  # whose sections are seen in views, by position
LABELS = ["window", "1", "2", "4", "8", "32", "165", "1+3"]
FULL = {"width": 64, "depth": 4, "batch_size": 16}
SMALLEST_OBJECT = 1000  # voxels


def label(y, labels):
    """Labels of the training volume of which only some are known."""
    known = np.full(y.shape, -1, np.int8)
    if labels == "window":
        middle = len(y) // 2
        known[middle, 256:512, 384:640] = y[middle, 256:512, 384:640]
        return known
    n = int(labels)
    rows = np.round((np.arange(n) + 0.5) * len(y) / n - 0.5).astype(int)
    known[rows] = y[rows]
    return known


def fit(method, X, y, seed, options, time_budget):
    parameters = {**METHODS[method], **(FULL if options.full else {})}
    if options.width is not None:
        parameters["width"] = options.width
    model = SemiSupervisedSegmenter(
        sections="consecutive", time_budget=time_budget, random_state=seed, **parameters
    )
    return model.fit(X, y)


def measure(labels, method, seed, options):
    X, y = load_epfl_mitochondria(data_folder() / "epfl_mitochondria", split="train")
    known = label(y, labels.partition("+")[0])
    if "+" in labels:  # the rest is suggested by a model that was trained half as long
        first = fit(method, X, known, seed, options, options.time_budget / 2)
        rows = first.suggest_sections(X, int(labels.partition("+")[2]), y=known)
        known[rows] = y[rows]
    start = time.perf_counter()
    model = fit(method, X, known, seed, options, options.time_budget)
    seconds = time.perf_counter() - start
    labeled = np.flatnonzero((known >= 0).any(axis=(1, 2)))
    figures = {"labeled": labeled.tolist(), "seconds_fit": round(seconds, 1),
               "semi_supervision": model.semi_supervision_}  # fmt: skip
    figures["steps"] = max(row["step"] for row in model.history_ if row["phase"] == "network")
    return figures | evaluate(model)


def evaluate(model):
    X, y = load_epfl_mitochondria(data_folder() / "epfl_mitochondria", split="test")
    y = y[: len(X)]
    start = time.perf_counter()
    probabilities = model.predict_proba(X)
    seconds = time.perf_counter() - start
    masks = probabilities > 0.5
    figures = {"iou": iou(y, masks), "dice": dice(y, masks),
               "iou_inside": iou(without_outlines(y), masks), **objects(y, masks),
               "ece": expected_calibration_error(y, probabilities),
               "calibration": model.calibration_.tolist(),
               "seconds_predict": round(seconds, 2)}  # fmt: skip
    if model.continuity_ is not None:  # without flips and turns, which its sections are seen in
        augmentation = model.augmentation
        figures["iou_as_it_is"] = iou(y, model.set_params(augmentation=None).predict(X))
        model.set_params(augmentation=augmentation)
        # The mean in views, that is without what was learned of it
        figures["iou_mean_views"] = iou(y, untrained(model).predict(X))
    else:
        figures["iou_tta"] = iou(y, model.set_params(test_time_augmentation=True).predict(X))
        model.set_params(test_time_augmentation=False)
    model.continuity_, model.calibration_ = None, np.array([1.0, 0.0])  # the network alone
    start = time.perf_counter()
    probabilities = model.predict_proba(X)
    figures["seconds_network"] = round(time.perf_counter() - start, 2)
    figures["iou_network"] = iou(y, probabilities > 0.5)
    mean = ndi.uniform_filter1d(probabilities, 9, axis=0, mode="nearest")
    figures["iou_mean"] = iou(y, mean > 0.5)
    figures["iou_mpp"] = iou(y, enforce_continuity(probabilities > 0.5))
    return figures


def untrained(model):
    """A model whose second network is as before its training: a mean over sections."""
    model = copy(model)
    model.continuity_ = model._make_module("continuity_").eval()
    return model


def without_outlines(y):
    """Labels that leave out what is within two pixels of an outline, in its section."""
    near = np.array([ndi.binary_dilation(s, iterations=2) ^ ndi.binary_erosion(s, iterations=2)
                     for s in y > 0])  # fmt: skip
    return np.where(near, -1, y.astype(np.int8))


def objects(y, masks):
    """True objects less than half of which is found, and found ones less than half of which is
    true."""
    counts = {}
    for name, these, those in (("missed", y > 0, masks), ("invented", masks, y > 0)):
        components = label_components(these)
        sizes = np.bincount(components.ravel())
        inside = np.bincount(components[those], minlength=len(sizes))
        large = np.flatnonzero(sizes[1:] >= SMALLEST_OBJECT) + 1
        counts[name] = int((inside[large] < 0.5 * sizes[large]).sum())
    return counts


COLUMNS = {
    "network": "iou_network", "mean of 9": "iou_mean", "mean in views": "iou_mean_views",
    "MPP": "iou_mpp", "IoU": "iou", "as it is": "iou_as_it_is", "TTA": "iou_tta", "Dice": "dice",
    "inside": "iou_inside", "missed": "missed", "invented": "invented", "ECE": "ece",
    "steps": "steps",
}  # fmt: skip


def as_today(row):
    """A row of when `predict` saw no views, but for test-time augmentation: these are its IoU."""
    if row["key"]["method"] not in CORRECTED or "views" in row["key"]:
        return row
    figures = row["figures"]
    kept = {k: figures[k] for k in ("iou_network", "iou_mean", "iou_mpp", "steps")}
    kept |= {"iou": figures["iou_tta"], "iou_as_it_is": figures["iou"]}
    return {**row, "figures": kept}


def table(rows):
    groups = {}
    for row in rows:
        key = row["key"]
        name = (LABELS.index(key["labels"]), list(METHODS).index(key["method"]), key["time_budget"],
                key.get("width", FULL["width"] if key["full"] else 16),
                row["machine"].partition(",")[0])  # fmt: skip
        groups.setdefault(name, []).append(row["figures"])
    lines = []
    for (labels, method, seconds, width, machine), figures in sorted(groups.items()):
        line = {"labels": LABELS[labels], "method": list(METHODS)[method], "width": width,
                "minutes": round(seconds / 60), "machine": machine,
                "trainings": len(figures)}  # fmt: skip
        for name, key in COLUMNS.items():
            if all(key in f for f in figures):
                mean = float(np.mean([f[key] for f in figures]))
                line[name] = mean if isinstance(figures[0][key], float) else f"{mean:.10g}"
        lines.append(line)
    first = ["labels", "method", "width", "minutes", "machine", "trainings"]
    return markdown(lines, [*first, *COLUMNS])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", nargs="+", choices=LABELS, default=None)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=None)
    parser.add_argument("--seeds", type=int, nargs="+", default=None)
    parser.add_argument("--time-budget", type=float, default=600.0, help="seconds of a training")
    parser.add_argument("--width", type=int, default=None, help="instead of the default")
    parser.add_argument("--full", action="store_true", help="the protocol for a GPU")
    parser.add_argument("--table", action="store_true", help="of the finished cells, no training")
    options = parser.parse_args()
    options.labels = options.labels or (LABELS if options.full else ["1", "4"])
    options.methods = options.methods or (list(METHODS) if options.full else ["augmented", "auto"])
    options.seeds = options.seeds or ([0, 1, 2] if options.full else [0])
    cells = Cells("mitochondria", recipe=TRAINED)
    if not options.table:
        for seed, labels, method in product(options.seeds, options.labels, options.methods):
            key = {"labels": labels, "method": method, "seed": seed,
                   "time_budget": options.time_budget, "full": options.full}  # fmt: skip
            if method in CORRECTED:
                key["views"] = "by position"
            if options.width is not None:
                key["width"] = options.width
            cells.run(key, partial(measure, labels, method, seed, options))
    rows = [as_today(row) for row in cells.rows if row["key"]["full"] == options.full]
    print(table(rows))


if __name__ == "__main__":
    main()
