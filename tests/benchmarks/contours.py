"""Contours against watershed where cells overlap, and how long contours take.

    python tests/benchmarks/contours.py [--training 120] [--seeds 0 1 2] [--overlap 0.15 0.3 0.45]
        [--images 4] [--only overlap speed] [--table]

"overlap": images of 256 x 256 pixels of `CellSimulator`, whose cells may lie over each other;
so many for training and 8 for testing, the same seconds for each method. "watershed":
`SemiSupervisedSegmenter` without unlabeled images, and `InstanceCounter`; "contours":
`ContourDetector`, taught by label images; "whole contours": taught by outlines with hidden parts.
"speed": 1024 x 1024 pixels with 1,000 cells, seconds of the network (default width) and of what
follows: proposals, suppression, labels. Each finished cell is kept in
``tests/benchmarks/results/contours.jsonl``. Nuclei and Nissl cells: ``simulation.py --methods``.
"""

import argparse
import time
from functools import partial
from itertools import product

import numpy as np
from harness import COUNTED, Cells, markdown, quality
from sklearn.pipeline import make_pipeline

from sskseg import ContourDetector, ImageStack, InstanceCounter, SemiSupervisedSegmenter
from sskseg.counting import Contours
from sskseg.datasets import make_cells
from sskseg.metrics import f1_instances
from sskseg.simulation import CellSimulator

METHODS = ["watershed", "contours", "whole contours"]
SIDE, N_CELLS = 1024, 1000


class Given:
    """A simulator that gives the same images each time."""

    def __init__(self, *samples):
        self.samples = samples

    def sample_contours(self, n, random_state=None):
        rows = np.resize(np.arange(len(self.samples[0])), n)
        return tuple([values[row] for row in rows] for values in self.samples)


def overlapping(overlap, n_images, seed):
    simulator = CellSimulator(shape=(256, 256), overlap=overlap, coverage=0.4)
    return simulator.sample_contours(n_images, 2 * seed), simulator.sample(8, 10**6)


def measure_overlap(method, overlap, n_images, seed, seconds):
    (X, y, contours), (X_test, y_test) = overlapping(overlap, n_images, seed)
    settings = {"time_budget": seconds, "random_state": seed}
    if method == "watershed":
        segmenter = SemiSupervisedSegmenter("unet-shuffle", semi_supervision=None, **settings)
        model = make_pipeline(segmenter, InstanceCounter()).fit(X, y)
    else:
        model = InstanceCounter(Contours(ContourDetector(**settings)))
        if method == "contours":
            model.fit(X, y)
        else:  # the same images, by way of a simulator
            model.fit(ImageStack(X, simulator=Given(X, y, contours)), np.full_like(y, -1))
    return quality(y_test, list(model.transform(X_test)))


def measure_speed(steps):
    """Seconds of the network and of what follows, least of five."""
    options = {"radius": 9.0, "separation": 1.0}
    X, y = make_cells(4, (256, 256), random_state=0, **options)
    detector = ContourDetector(max_steps=steps, random_state=0).fit(X, y)
    # More are asked for than there is room for in every image.
    image, truth = make_cells(1, (SIDE, SIDE), n_cells=N_CELLS, random_state=1, **options)
    images = [image[0][..., None]]
    network, whole = [], []
    for _ in range(5):
        start = time.perf_counter()
        for _ in detector._maps(images, *detector._place()):
            pass
        network.append(time.perf_counter() - start)
        start = time.perf_counter()
        labels = detector.detect(images)[0].labels
        whole.append(time.perf_counter() - start)
    after = min(whole) - min(network)
    return {"cells": int(truth.max()), "found": int(labels.max()), "network": min(network),
            "after": after, "share": after / min(network),
            "f1_0.5": f1_instances(truth[0], labels)}  # fmt: skip


def tables(rows):
    groups, speeds = {}, []
    for row in rows:
        key = row["key"]
        if key["kind"] == "speed":
            read = key.get("read", "channels first")
            speeds.append({"steps": key["steps"], "read": read, **row["figures"]})
            continue
        name = key["overlap"], key["images"], key["seconds"], METHODS.index(key["method"])
        groups.setdefault(name, []).append(row["figures"])
    lines = []
    for (overlap, images, seconds, method), figures in sorted(groups.items()):
        line = {"overlap": overlap, "images": images, "seconds": f"{seconds:.0f}",
                "method": METHODS[method], "seeds": len(figures)}  # fmt: skip
        lines.append(line | {k: float(np.mean([f[k] for f in figures])) for k in figures[0]})
    found = [markdown(part, list(part[0])) for part in (lines, speeds) if part]
    return "\n\n".join(found) or "no cell is finished"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--training", type=float, default=120.0, help="seconds")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--overlap", type=float, nargs="+", default=[0.15, 0.3, 0.45])
    parser.add_argument("--images", type=int, default=4, help="labeled ones")
    parser.add_argument("--steps", type=int, default=300, help="before speed is measured")
    parser.add_argument("--only", nargs="+", default=["overlap", "speed"])
    parser.add_argument("--table", action="store_true", help="of the finished cells, no training")
    options = parser.parse_args()
    cells = Cells("contours", recipe=COUNTED)
    if not options.table and "speed" in options.only:
        key = {"kind": "speed", "steps": options.steps, "read": "channels last"}
        cells.run(key, partial(measure_speed, options.steps))
    if not options.table and "overlap" in options.only:
        for seed, overlap, method in product(options.seeds, options.overlap, METHODS):
            key = {"kind": "overlap", "method": method, "overlap": overlap, "seed": seed,
                   "images": options.images, "seconds": options.training}  # fmt: skip
            cells.run(key, partial(measure_overlap, method, overlap, options.images, seed,
                                   options.training))  # fmt: skip
    print(tables(cells.rows))


if __name__ == "__main__":
    main()
