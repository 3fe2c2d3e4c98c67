"""Four membrane networks, the weight map, and our best recipe on ISBI 2012.

    python tests/benchmarks/membranes.py [--folds 4] [--seeds 0 1 2] [--methods ...]
        [--width 16] [--time-budget 600] [--steps N] [--full] [--table]

Sections are cut into five contiguous folds; fold 4 tests on the last block and trains on what lies
before it. Small machines: a quarter of the published widths, ten minutes a training, fold 4.
``--full``: published widths, 5,000 patches of whole sections' size a training, all folds, three
seeds.

Every finished cell is kept in ``tests/benchmarks/results/membranes.jsonl``, so that a second run
goes on where the first stopped; the figure ``docs/images/membranes_networks.png`` is drawn from the
predictions of the first seed and the last fold, which stay in ``results/predictions``. ``--table``
trains nothing and shows what is finished.
"""

import argparse
from functools import partial
from itertools import product
from pathlib import Path

import matplotlib
import numpy as np
from harness import RESULTS, TRAINED, Cells, data_folder, markdown
from legacy_tilings import TILINGS, predict_legacy

from sskseg import SemiSupervisedSegmenter
from sskseg.datasets import load_isbi2012
from sskseg.metrics import (
    dice,
    iou,
    membrane_curve,
    pixel_error,
    pixel_rand_error,
    soft_iou,
)
from sskseg.nn import UNet, count_parameters
from sskseg.training import SegmentationLoss

matplotlib.use("Agg")

# What the slides have: zoom, rotation, flips, He and Glorot initialization, cross-entropy.
SLIDES = {
    "loss": SegmentationLoss(("cross-entropy",)),
    "augmentation": {"photometric_probability": 0.0, "elastic": 0.0, "piecewise": 0.0,
                     "rotation": 15.0, "scale": (0.9, 1.1), "warp_probability": 0.5},
    "validation_fraction": 0.0,
}  # fmt: skip
UNWEIGHTED = {**SLIDES, "loss": SegmentationLoss(("cross-entropy",), border_weight=0.0)}

# Neighboring sections, weight map, distance to the border, averaged weights and orientations.
RECIPE = {"sections": "consecutive", "section_context": 1, "validation_fraction": 0.0,
          "test_time_augmentation": True}  # fmt: skip

# Each with the share of the width that `--width` gives, and its depth. U-Nets without batch
# normalization diverge at the default learning rate.
METHODS = {
    "dmcn": (1, 3, {**UNWEIGHTED, "network": "dmcn"}),
    "weighted unet": (1, 4, {**SLIDES, "network": partial(UNet, dropout=0.5)}),
    "unet, no weight map": (1, 4, {**UNWEIGHTED, "network": partial(UNet, dropout=0.5)}),
    "unet-valid": (1, 4, {**UNWEIGHTED, "network": "unet-valid", "learning_rate": 5e-4,
                           "patch_size": 348}),
    "unet-lite": (0.5, 4, {**UNWEIGHTED, "network": "unet-lite", "learning_rate": 5e-4}),
    "best recipe": (1, 4, RECIPE),
}  # fmt: skip
FULL = {"patch_size": 512, "batch_size": 4}
FULL_STEPS = 1250  # 5,000 patches: 1,000 augmented images, five times
# Whole sections: the network's input reaches beyond them, and its output covers the middle.
FULL_METHODS = {"unet-valid": {"patch_size": 572}}

# As the slides give them (Gupta and Verma); of the 30 sections an unstated split.
THEIRS = [
    {"method": "slides: DMCN", "iou": 0.8760, "dice": 0.9528, "pixel error": 0.0732,
     "pixel Rand": 0.1355, "parameters": "7.7 M"},
    {"method": "slides: weighted U-Net", "iou": 0.9020, "dice": 0.9617, "pixel error": 0.0599,
     "pixel Rand": 0.1124, "parameters": "31 M"},
    {"method": "slides: U-Net 1 (valid)", "iou": 0.8980, "dice": 0.9623, "pixel error": 0.0578,
     "pixel Rand": 0.1087, "parameters": "31 M"},
    {"method": "slides: U-Net 2 (lite)", "iou": 0.8840, "dice": 0.9556, "pixel error": 0.0690,
     "pixel Rand": 0.1282, "parameters": "8.6 M"},
]  # fmt: skip
COLUMNS = ["method", "cells", "iou", "membrane iou", "mean iou", "soft iou", "dice", "pixel error",
           "pixel Rand", "V_rand", "V_rand, training threshold", "V_info", "parameters", "steps",
           "seconds"]  # fmt: skip


def build(method, options, seed):
    """The segmenter of a cell."""
    ratio, depth, settings = METHODS[method]
    budget = {"max_steps": options.steps, "time_budget": options.time_budget}
    if options.full:
        settings = {**settings, **FULL, **FULL_METHODS.get(method, {})}
    width = max(1, round(ratio * options.width))
    return SemiSupervisedSegmenter(
        semi_supervision=None, width=width, depth=depth, random_state=seed, **budget, **settings
    )


def split(n, fold):
    """Training and test sections of a contiguous fold of five."""
    test = np.array_split(np.arange(n), 5)[fold]
    return np.setdiff1d(np.arange(n), test), test


def measure(method, fold, seed, options, kept):
    X, y = load_isbi2012(data_folder() / "isbi2012")
    train, test = split(len(X), fold)
    model = build(method, options, seed).fit(X[train], y[train], positions=train)
    probability = model.predict_proba(X[test], positions=test)
    if options.tiling != "overlap-tile" and method == "unet-valid":
        probability = predict_legacy(model, X[test], options.tiling)
    # The threshold that a user could choose: on the training sections (every fourth).
    seen = model.predict_proba(X[train], positions=train)[::4]
    curve = membrane_curve(y[train[::4]], seen)
    chosen = curve.thresholds[curve.v_rand.argmax()]
    if kept is not None:
        kept.parent.mkdir(exist_ok=True)
        np.save(kept, np.round(255 * probability[-1]).astype(np.uint8))
    row = {"parameters": count_parameters(model.network_), "steps": model.history_[-1]["step"],
           "fit seconds": round(model.history_[-1]["time"], 1)}  # fmt: skip
    return row | figures(y[test], probability, chosen)


def figures(y, probability, chosen):
    mask = probability > 0.5
    curve = membrane_curve(y, probability)
    best = curve.v_rand.argmax()
    at_chosen = int(np.argmin(np.abs(curve.thresholds - chosen)))
    return {
        "iou": iou(y, mask),
        "membrane iou": iou(1 - y, ~mask),
        "mean iou": iou(y, mask.astype(int), average="macro"),
        "soft iou": soft_iou(y, probability),
        "dice": dice(y, mask),
        "pixel error": pixel_error(y, mask),
        "pixel Rand": pixel_rand_error(list(y), list(mask)),
        "V_rand": float(curve.v_rand[best]),
        "best threshold": float(curve.thresholds[best]),
        "V_rand merge": float(curve.v_rand_merge[best]),
        "V_rand split": float(curve.v_rand_split[best]),
        "V_rand, training threshold": float(curve.v_rand[at_chosen]),
        "training threshold": float(chosen),
        "V_info": float(curve.v_info.max()),
    }


def table(cells):
    """Means over folds and seeds."""
    rows = []
    for method in METHODS:
        mine = [cell for cell in cells if cell["key"]["method"] == method]
        if not mine:
            continue
        row = {"method": method, "cells": len(mine)}
        for name in mine[0]["figures"]:
            row[name] = float(np.mean([cell["figures"][name] for cell in mine]))
        row["seconds"] = f"{row['fit seconds']:.0f}"
        row["parameters"] = f"{row['parameters'] / 1e6:.2f} M"
        row["steps"] = f"{row['steps']:.0f}"
        rows.append(row)
    return markdown(rows + THEIRS, COLUMNS)


def kept_prediction(method, options):
    """File of the last test section's probabilities, as bytes."""
    scale = "full" if options.full else f"{options.width}"
    return RESULTS / "predictions" / f"membranes-{scale}-{method}.npy"


def draw(options, path):
    """Draw the last test section: image, reference, each network's probability and errors."""
    from matplotlib import pyplot as plt

    files = {method: kept_prediction(method, options) for method in METHODS}
    kept = {method: np.load(file) / 255 for method, file in files.items() if file.exists()}
    if not kept:
        return

    X, y = load_isbi2012(data_folder() / "isbi2012")
    section = split(len(X), options.folds[-1])[1][-1]
    image, reference = X[section], y[section] > 0
    size = (2.4 * (len(kept) + 1), 5.2)
    figure, axes = plt.subplots(2, len(kept) + 1, figsize=size, layout="constrained")
    panels = [(f"section {section}", image, "gray"), ("reference", reference, "gray")]
    for method, probability in kept.items():
        wrong = np.zeros((*reference.shape, 3))
        wrong[reference] = 0.85
        wrong[reference & (probability <= 0.5)] = (0.9, 0.1, 0.1)
        wrong[~reference & (probability > 0.5)] = (0.1, 0.3, 0.9)
        panels += [(method, probability, "gray"), ("", wrong, None)]
    figure.supxlabel(
        "upper row: probability; lower row: cell predicted as membrane (red), "
        "membrane predicted as cell (blue)"
    )
    for axis, (title, picture, colors) in zip(axes.T.flat, panels, strict=True):
        axis.imshow(picture, cmap=colors, interpolation="nearest")
        axis.set_title(title.replace(", ", ",\n"), fontsize=9)
        axis.set_axis_off()
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--folds", type=int, nargs="+", default=None)
    parser.add_argument("--seeds", type=int, nargs="+", default=None)
    parser.add_argument("--width", type=int, default=None, help="of the U-Nets; published: 64")
    parser.add_argument("--time-budget", type=float, default=None, help="seconds of a training")
    parser.add_argument("--steps", type=int, default=None, help="of a training")
    parser.add_argument("--tiling", choices=["overlap-tile", *TILINGS], default="overlap-tile",
                        help="of unet-valid, to reproduce older results")  # fmt: skip
    parser.add_argument("--full", action="store_true", help="the protocol for a GPU")
    parser.add_argument("--table", action="store_true", help="of the finished cells, no training")
    options = parser.parse_args()
    options.folds = options.folds or ([0, 1, 2, 3, 4] if options.full else [4])
    options.seeds = options.seeds or ([0, 1, 2] if options.full else [0])
    options.width = options.width or (64 if options.full else 16)
    if options.steps is None and options.time_budget is None:
        options.steps = FULL_STEPS if options.full else None
        options.time_budget = None if options.full else 600.0
    cells, rows = Cells("membranes", recipe=TRAINED), []
    budget = {"width": options.width, "time_budget": options.time_budget, "steps": options.steps,
              "full": options.full}  # fmt: skip
    if options.tiling != "overlap-tile":
        budget["tiling"] = options.tiling
    if options.table:
        rows = [row for row in cells.rows if budget.items() <= row["key"].items()]
    for seed, fold, method in product(options.seeds, options.folds, options.methods):
        first = (seed, fold) == (options.seeds[0], options.folds[-1])
        key = {"method": method, "fold": fold, "seed": seed, **budget}
        kept = kept_prediction(method, options) if first else None
        if not options.table:
            rows.append(cells.run(key, partial(measure, method, fold, seed, options, kept)))
    print(table(rows))
    folder = Path(__file__).resolve().parents[2] / "docs" / "images"
    draw(options, folder / "membranes_networks.png")


if __name__ == "__main__":
    main()
