"""Junctions and nuclei from few labels: which pretraining, at the same total compute.

    python tests/benchmarks/pretraining.py [--data junctions nuclei] [--labels 5 ...]
        [--methods scratch magnification ...] [--seeds 0] [--finetune all] [--pretraining 60]
        [--finetuning 60] [--full] [--table]

Simulated scans of muscle from three domains (noise and bleed-through differ), each at two
magnifications, and real nuclei; all training images are pretrained on, a share of them (in per
cent) is labeled. "scratch" trains for the time of pretraining and fine-tuning together. The
counter is calibrated on the labeled images. Each finished cell is kept in
``tests/benchmarks/results/pretraining.jsonl``, so that another run goes on where the first stopped.
``--full`` is the protocol for a GPU: all shares of labels and methods, three seeds, five minutes
each. ``--table`` prints what is finished; ``page_figures.py`` draws the label curve.
"""

import argparse
from functools import cache, partial
from itertools import product

import numpy as np
from harness import COUNTED, DOMAINS, Cells, foreground, junctions, markdown, nuclei

from sskseg import (
    ImageStack,
    InstanceCounter,
    PercentileScaler,
    ProxyPretrainer,
    SemiSupervisedSegmenter,
)
from sskseg.datasets import make_neuromuscular_junctions
from sskseg.metrics import count_error, dice, f1_instances

METHODS = {
    "scratch": None,
    "magnification": ("magnification",),
    "channel": ("channel",),
    "both": ("magnification", "channel"),
    "restoration": ("restoration",),
    "masked": ("masked",),
    "rotation": ("rotation",),
}
LABELS = ["1", "2", "5", "10", "25", "50", "100"]
COUNTERS = {"junctions": {"fill_holes": False}, "nuclei": {}}


@cache
def load(data):
    """Training and test images with labels, and unlabeled ones."""
    scaler = PercentileScaler(scope="image")
    if data == "junctions":
        X, y = junctions(20, seed=100)
        test = junctions(10, seed=200)
        wide = [
            image
            for i, domain in enumerate(DOMAINS)
            for image in make_neuromuscular_junctions(
                5, (96, 96), magnification=4.0, random_state=300 + i, **domain
            )[0]
        ]
        more = [crop for image in wide for crop in (image[:192, :192], image[192:, 192:])]
    else:
        X, y, *test = nuclei()
        more = []
    known = np.r_[np.full(len(X), 1.0), np.full(len(more), 4.0)] if more else None
    return scaler.fit_transform(X), y, scaler.transform(test[0]), test[1], (
        scaler.transform(more) if more else []
    ), known  # fmt: skip


@cache
def pretrain(data, method, seed, seconds, width):
    X, _, _, _, more, known = load(data)
    pretrainer = ProxyPretrainer(
        METHODS[method], width=width, time_budget=seconds, random_state=seed
    )
    return pretrainer.fit([*X, *more], magnification=known)


def measure(data, labels, method, seed, options):
    X, y, X_test, y_test, _, _ = load(data)
    n = max(1, round(float(labels) / 100 * len(X)))
    rows = np.sort(np.random.default_rng(seed).permutation(len(X))[:n])
    X, y = [X[i] for i in rows], [y[i] for i in rows]
    stack, seconds, report = X, options.pretraining + options.finetuning, {}
    if METHODS[method] is not None:
        pretrainer = pretrain(data, method, seed, options.pretraining, options.width)
        stack = ImageStack(X, backbone=pretrainer.transform(X).backbone)
        seconds, report = options.finetuning, pretrainer.report_
    segmenter = SemiSupervisedSegmenter(
        "unet-shuffle", semi_supervision=None, finetune=options.finetune, width=options.width,
        time_budget=seconds, random_state=seed,
    ).fit(stack, y)  # fmt: skip
    counter = InstanceCounter(**COUNTERS[data]).fit(segmenter.transform(X), y)
    outputs = segmenter.transform(X_test)
    maps = [foreground(output) for output in outputs]
    found = counter.label(outputs)
    counts = [len(np.unique(label[label > 0])) for label in y_test]
    errors = count_error(counts, counter.predict(outputs))
    return {
        "labeled": n, "steps": segmenter.history_[-1]["step"], "report": report,
        "dice": float(np.mean([dice(t > 0, m > 0.5) for t, m in zip(y_test, maps, strict=True)])),
        "f1": f1_instances(y_test, found), "wape": errors["wape"], "bias": errors["bias"],
        "mae": errors["mae"],
    }  # fmt: skip


def table(rows):
    groups = {}
    for row in rows:
        key = row["key"]
        name = (key["data"], LABELS.index(key["labels"]), list(METHODS).index(key["method"]),
                key["finetune"], key["pretraining"], key["finetuning"])  # fmt: skip
        groups.setdefault(name, []).append(row["figures"])
    lines = []
    for (data, labels, method, finetune, *seconds), figures in sorted(groups.items()):
        line = {"data": data, "labels": f"{LABELS[labels]} %", "images": figures[0]["labeled"],
                "pretraining": list(METHODS)[method], "finetune": finetune,
                "seconds": "+".join(f"{s:.0f}" for s in seconds),
                "seeds": len(figures)}  # fmt: skip
        for name in ("f1", "dice", "wape", "bias"):
            line[name] = float(np.mean([f[name] for f in figures]))
        every = [f["f1"] for f in figures]
        line["F1 from-to"] = f"{min(every):.3f}-{max(every):.3f}"
        lines.append(line)
    return markdown(lines, list(lines[0])) if lines else "no cell is finished"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=("junctions", "nuclei"), default=None)
    parser.add_argument("--labels", nargs="+", choices=LABELS, default=None)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=None)
    parser.add_argument("--seeds", type=int, nargs="+", default=None)
    parser.add_argument("--finetune", choices=("last", "all", "gradual"), default="all")
    parser.add_argument("--pretraining", type=float, default=60.0, help="seconds")
    parser.add_argument("--finetuning", type=float, default=60.0, help="seconds")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--full", action="store_true", help="the protocol for a GPU")
    parser.add_argument("--table", action="store_true", help="of the finished cells, no training")
    options = parser.parse_args()
    if options.full:
        options.pretraining = options.finetuning = 300.0
    options.data = options.data or ["junctions", "nuclei"]
    options.labels = options.labels or (LABELS if options.full else ["5"])
    options.methods = options.methods or list(METHODS)
    options.seeds = options.seeds or ([0, 1, 2] if options.full else [0])
    cells = Cells("pretraining", recipe=COUNTED)
    if not options.table:
        for seed, data, method, labels in product(
            options.seeds, options.data, options.methods, options.labels
        ):
            if data == "nuclei" and "channel" in (METHODS[method] or ()):
                continue  # there is one
            key = {"data": data, "labels": labels, "method": method, "seed": seed,
                   "finetune": options.finetune, "pretraining": options.pretraining,
                   "finetuning": options.finetuning, "width": options.width,
                   "counter": COUNTERS[data]}  # fmt: skip
            cells.run(key, partial(measure, data, labels, method, seed, options))
    rows = [row for row in cells.rows if row["key"]["counter"] == COUNTERS[row["key"]["data"]]]
    print(table(rows))


if __name__ == "__main__":
    main()
