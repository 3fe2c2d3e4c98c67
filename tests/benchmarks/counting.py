"""Counts from few labels: puncta from points, junctions, and what cross-fitting is worth.

    python tests/benchmarks/counting.py [--tasks puncta junctions nuclei] [--labels 10]
        [--methods ...] [--seeds 0] [--time-budget 120] [--full] [--table]

"puncta": PSD95, points as labels, images 0-299 to draw labeled ones from, 300-599 for testing.
"junctions": simulated scans of three domains. "nuclei": DSB 2018, 80 test images. The counter is
calibrated on the labeled images: on what the segmenter gives for the images it was trained on
("in sample"), or by networks that were not trained on them ("cross-fitted", three folds).
"pipeline" is all of it, by default: a network learns to restore all images to draw from for half of
the time, then from the labeled and the other ones for the rest, and the counter as in sample. Each
finished cell is kept in ``tests/benchmarks/results/counting.jsonl``. ``--full`` is the protocol for
a GPU: three seeds, ten minutes each.
"""

import argparse
from functools import cache, partial
from itertools import product

import numpy as np
from harness import COUNTED, Cells, data_folder, junctions, markdown, nuclei
from scipy import ndimage as ndi
from sklearn.pipeline import make_pipeline

from sskseg import (
    CrossFitted,
    InstanceCounter,
    LogBlobs,
    OtsuWatershed,
    PercentileScaler,
    PixelForest,
    ProxyPretrainer,
    SemiSupervisedSegmenter,
)
from sskseg.datasets import load_psd95_puncta
from sskseg.images.annotations import Annotations
from sskseg.metrics import count_error, f1_instances, f1_points

METHODS = ["baseline", "forest", "in sample", "cross-fitted", "pipeline"]
COUNTERS = {"puncta": {}, "junctions": {"fill_holes": False}, "nuclei": {}}
POINT_RADIUS = 2.0  # pixels
NEAR = 3.0  # pixels, of a punctum and a point


@cache
def load(task):
    """Images and labels to draw labeled ones from, and to test on."""
    if task == "puncta":
        X, points = load_psd95_puncta(data_folder() / "psd95_puncta")
        return X[:300], points[:300], X[300:], points[300:]
    if task == "nuclei":
        return nuclei()
    return *junctions(20, 100), *junctions(10, 200)


def is_points(item):
    return np.ndim(item) == 2 and np.shape(item)[1:] == (2,)


def counts_of(y):
    """Points or objects of each image."""
    return [len(item) if is_points(item) else len(np.unique(item[item > 0])) for item in y]


def unlabeled(item):
    return None if is_points(item) else np.full_like(item, -1)


def annotations(task, y):
    """What the segmenter learns from."""
    return Annotations(y, point_radius=POINT_RADIUS) if task == "puncta" else y


def measure(task, labels, method, seed, options):
    X, y, X_test, y_test = load(task)
    rows = np.sort(np.random.default_rng(seed).permutation(len(X))[:labels])
    everything = X, [item if i in rows else unlabeled(item) for i, item in enumerate(y)]
    X, y = [X[i] for i in rows], [y[i] for i in rows]
    to_calibrate = counts_of(y) if task == "puncta" else y
    scaler = PercentileScaler(scope="image" if task == "nuclei" else "dataset")
    counter = InstanceCounter(**COUNTERS[task])
    if method == "baseline":
        model = LogBlobs() if task == "puncta" else OtsuWatershed()
        model.fit(X, to_calibrate)
    elif method == "forest":
        if task == "puncta":
            y = [drawn(points, X[0].shape) for points in y]
        model = make_pipeline(scaler, PixelForest(random_state=seed)).fit(X, y)
        model = make_pipeline(model, counter.fit(model.transform(X), to_calibrate))
    elif method == "pipeline":
        half = {"time_budget": options.time_budget / 2, "random_state": seed}
        model = make_pipeline(
            scaler, ProxyPretrainer(("restoration",), **half),
            SemiSupervisedSegmenter("unet-shuffle", **half), counter,
        ).fit(everything[0], annotations(task, everything[1]))  # fmt: skip
    else:
        segmenter = SemiSupervisedSegmenter(
            "unet-shuffle",
            semi_supervision=None,
            time_budget=options.time_budget,
            random_state=seed,
        )
        if method == "cross-fitted":
            segmenter = CrossFitted(segmenter, cv=3)
        probabilities = segmenter.fit_transform(scaler.fit_transform(X), annotations(task, y))
        model = make_pipeline(scaler, segmenter, counter.fit(probabilities, to_calibrate))
    found, counts = model.transform(X_test), model.predict(X_test)
    true = counts_of(y_test)
    figures = {"labeled": int(labels), **count_error(true, counts)}
    if task == "puncta":
        centers = [ndi.center_of_mass(x > 0, x, np.unique(x[x > 0])) for x in found]
        figures["f1"] = f1_points(y_test, [np.reshape(c, (-1, 2)) for c in centers], NEAR)
    else:
        figures["f1"] = f1_instances(y_test, list(found))
    figures["relative_bias"] = float((np.sum(counts) - np.sum(true)) / np.sum(true))
    return figures


def drawn(points, shape):
    from sskseg.images import draw_points

    return draw_points(np.asarray(points, float), shape, 2.0)


def table(rows):
    groups = {}
    for row in rows:
        key = row["key"]
        name = key["task"], key["labels"], METHODS.index(key["method"]), key["time_budget"]
        groups.setdefault(name, []).append(row["figures"])
    lines = []
    for (task, labels, method, seconds), figures in sorted(groups.items()):
        line = {"task": task, "labeled images": labels, "method": METHODS[method],
                "seconds": f"{seconds:.0f}" if method > 1 else "",
                "seeds": len(figures)}  # fmt: skip
        for name in ("wape", "relative_bias", "mae", "f1"):
            line[name] = float(np.mean([f[name] for f in figures]))
        lines.append(line)
    return markdown(lines, list(lines[0])) if lines else "no cell is finished"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=tuple(COUNTERS), default=list(COUNTERS))
    parser.add_argument("--labels", nargs="+", type=int, default=[10])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--seeds", type=int, nargs="+", default=None)
    parser.add_argument("--time-budget", type=float, default=120.0, help="seconds of a training")
    parser.add_argument("--full", action="store_true", help="the protocol for a GPU")
    parser.add_argument("--table", action="store_true", help="of the finished cells, no training")
    options = parser.parse_args()
    if options.full:
        options.time_budget = 600.0
    options.seeds = options.seeds or ([0, 1, 2] if options.full else [0])
    cells = Cells("counting", recipe=COUNTED)
    if not options.table:
        for seed, task, labels, method in product(
            options.seeds, options.tasks, options.labels, options.methods
        ):
            key = {"task": task, "labels": labels, "method": method, "seed": seed,
                   "time_budget": options.time_budget, "counter": COUNTERS[task]}  # fmt: skip
            cells.run(key, partial(measure, task, labels, method, seed, options))
    print(table([r for r in cells.rows if r["key"]["counter"] == COUNTERS[r["key"]["task"]]]))


if __name__ == "__main__":
    main()
