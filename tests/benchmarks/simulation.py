"""Nuclei and Nissl-stained cells without labels: simulated, calibrated and refined training images.

    python tests/benchmarks/simulation.py [--data nuclei nissl] [--sources simulated calibrated ...]
        [--labels 0] [--methods watershed contours] [--seeds 0] [--refining 180]
        [--training 120] [--full] [--table] [--figure] [--interpolation 1 10 100]

What the detector learns from: "simulated" images of the default simulator, "calibrated" ones, of
one that was fitted to the unlabeled real images, "refined" ones, each with 0 or more labeled real
images besides; "real" images alone. Without any training: Otsu's and Li's threshold with a
watershed, and "trained", the model "cells-simulated" of the package. Unlabeled images are otherwise
not learned from. Fits start from "cells-simulated" if it predicts the labels well, which is the
default. Methods: "watershed" of the segmenter's probabilities, and
"contours" of `ContourDetector`, in the same seconds. DSB 2018: 160 images for training, 80 for
testing; Nissl: two images for training, one for testing (the third; the first and the second in
"nissl0" and "nissl1"). Each finished cell is kept in
``tests/benchmarks/results/simulation.jsonl``. ``--full`` is the whole table, with 0, 1, 2, 5, 10
labeled real images and three seeds, in the time of a GPU; ``--figure`` draws real, simulated and
refined images side by side, ``--interpolation 1 10 100`` simulated images refined with each of
these self-regularizations. "gap_closed" is F1 at IoU 0.5 between "simulated" (0) and "real" with
all labels (1), of the same method.
"""

import argparse
from functools import cache, partial
from itertools import product
from pathlib import Path

import numpy as np
from harness import STARTED, THRESHOLDS, Cells, data_folder, markdown, nuclei, quality
from sklearn.pipeline import make_pipeline

from sskseg import (
    ContourDetector,
    ImageStack,
    InstanceCounter,
    OtsuWatershed,
    PercentileScaler,
    SemiSupervisedSegmenter,
    SimulatedRefiner,
)
from sskseg.counting import Contours
from sskseg.datasets import load_nissl_rat_cortex
from sskseg.models import load_model
from sskseg.simulation import CellSimulator

UNTRAINED = ["otsu", "li", "trained"]
MADE = ["simulated", "calibrated", "refined"]
SOURCES = [*UNTRAINED, *MADE, "real"]
METHODS = ["watershed", "contours"]
DATA = ["nuclei", "nissl", "nissl0", "nissl1"]  # the number is that of the image for testing
ALL = 10**6
# How simulated images are made and used now
DRAWN = "spectra of textures are fitted; labels displace simulated patches; one size"


@cache
def load(data):
    """Scaled images and labels, for training and for testing."""
    if data == "nuclei":
        X, y, X_test, y_test = nuclei()
    else:
        X, y = load_nissl_rat_cortex(data_folder() / "nissl_rat_cortex")
        X = [np.mean(x, axis=-1) for x in X]
        tested = int(data.removeprefix("nissl") or 2)
        rows = [i for i in range(3) if i != tested]
        X, X_test = [X[i] for i in rows], [X[tested]]
        y, y_test = [y[i] for i in rows], [y[tested]]
    scaler = PercentileScaler(scope="image").fit(X)
    return scaler.transform(X), y, scaler.transform(X_test), y_test


@cache
def simulator(data, source, seed, seconds):
    X, *_ = load(data)
    if source == "simulated":
        return CellSimulator(), {}
    if source == "calibrated":
        return CellSimulator().calibrate(X), {}
    refiner = SimulatedRefiner(time_budget=seconds, random_state=seed).fit(X)
    return refiner, refiner.report_


def model_of(method, **options):
    if method == "contours":
        return InstanceCounter(Contours(ContourDetector(**options)))
    segmenter = SemiSupervisedSegmenter(semi_supervision=None, **options)
    return make_pipeline(segmenter, InstanceCounter())


def measure(data, source, labels, method, seed, options):
    X, y, X_test, y_test = load(data)
    report = {}
    if source == "trained":
        model = load_model("cells-simulated")
        X_test = [1 - x for x in X_test] if data != "nuclei" else X_test  # it knows bright cells
    elif source in UNTRAINED:
        model = OtsuWatershed(source, dark_objects=data != "nuclei").fit(X)
    else:
        rows = np.random.default_rng(seed).permutation(len(X))[:labels]
        known = [y[i] if i in rows else np.full(y[i].shape, -1) for i in range(len(y))]
        stack = X
        if source != "real":
            made, report = simulator(data, source, seed, options.refining)
            stack = ImageStack(X, simulator=made)
        model = model_of(method, time_budget=options.training, random_state=seed)
        model.fit(stack, known)
    return {**quality(y_test, list(model.transform(X_test))), "report": report}


def mean_of(figures, name):
    """Mean over seeds; nothing where one lacks it."""
    values = [f.get(name) for f in figures]
    return "" if None in values else float(np.mean(values))


def gap_closed(groups, name):
    """Where F1 lies between that of plain simulated images and that of all real labels."""
    data, _, _, *same = name
    ends = [groups.get((data, SOURCES.index(source), labels, *same))
            for source, labels in (("simulated", 0), ("real", ALL))]  # fmt: skip
    if None in ends or SOURCES[name[1]] in UNTRAINED:
        return ""
    low, high, own = (mean_of(figures, "f1_0.5") for figures in (*ends, groups[name]))
    return (own - low) / (high - low) if high != low else ""


def table(rows):
    groups = {}
    for row in rows:
        key = row["key"]
        if key["source"] in MADE and key.get("drawn") != DRAWN:
            continue
        method = METHODS.index(key.get("method", "watershed"))
        name = (key["data"], SOURCES.index(key["source"]), key["labels"], key["training"], method)
        groups.setdefault(name, []).append(row["figures"])
    lines = []
    for (data, source, labels, seconds, method), figures in sorted(groups.items()):
        line = {"data": data, "source": SOURCES[source], "method": METHODS[method],
                "labeled images": "all" if labels == ALL else labels,
                "seconds": f"{seconds:.0f}", "seeds": len(figures)}  # fmt: skip
        for name in (*(f"f1_{t:g}" for t in THRESHOLDS), "ap", "wape"):
            line[name] = mean_of(figures, name)
        line["gap_closed"] = gap_closed(groups, (data, source, labels, seconds, method))
        reports = [f["report"] for f in figures]
        for name in ("realism", "spectrum_realism", "structure_realism", "boundary_shift",
                     "boundary_bias", "survival", "hallucination"):  # fmt: skip
            line[name] = mean_of(reports, name)
        lines.append(line)
    return markdown(lines, list(lines[0])) if lines else "no cell is finished"


def real_crops(X, y, side):
    """Corners of real images and their labels that show some cells."""
    crops = [(x[:side, :side], label[:side, :side]) for x, label in zip(X, y, strict=True)]
    return [crop for crop in crops if len(np.unique(crop[1])) > 3]


def draw(data, seed, seconds, path):
    """Real, simulated and refined images with the outlines of labels."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from sskseg.report import draw_outlines

    X, y, *_ = load(data)
    refiner, report = simulator(data, "refined", seed, seconds)
    drawn, labels = refiner.simulator_.sample(3, seed)
    refined = refiner.refine(drawn, labels, random_state=seed)
    side = drawn.shape[1]
    crops = real_crops(X, y, side)
    figure, axes = plt.subplots(3, 3, figsize=(9, 9.4), layout="constrained")
    for i in range(3):
        draw_outlines(axes[0, i], *crops[i], title="real")
        draw_outlines(axes[1, i], drawn[i], labels[i], title="simulated")
        draw_outlines(axes[2, i], refined[i], labels[i], title="refined")
    figure.suptitle(f"boundary shift {report['boundary_shift']:.1f} pixels, survival "
                    f"{report['survival']:.2f}", fontsize=10)  # fmt: skip
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_interpolation(data, seed, seconds, weights, path):
    """Simulated images, and what refiners of less and less freedom make of them."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from sskseg.report import draw_outlines

    X, y, *_ = load(data)
    made = CellSimulator().calibrate(X)
    drawn, labels = made.sample(2, seed)
    columns = [("simulated", drawn)]
    for weight in sorted(weights, reverse=True):
        refiner = SimulatedRefiner(
            made, self_regularization=weight, time_budget=seconds, random_state=seed
        ).fit(X)
        found = refiner.report_
        title = (f"self-regularization {weight:g}\nrealism {found['spectrum_realism']:.2f}, bias "
                 f"{found['boundary_bias']:.2f} px")  # fmt: skip
        columns.append((title, refiner.refine(drawn, labels, random_state=seed)))
    side = drawn.shape[1]
    columns.append(("real", [x for x, _ in real_crops(X, y, side)[:2]]))
    figure, axes = plt.subplots(2, len(columns), figsize=(2.3 * len(columns), 5.1),
                                layout="constrained")  # fmt: skip
    for column, (title, images) in zip(axes.T, columns, strict=True):
        for i, ax in enumerate(column):
            known = None if title == "real" else labels[i]
            ax.imshow(images[i], cmap="gray", vmin=0, vmax=1)
            if known is not None and i:
                draw_outlines(ax, images[i], known)
            ax.set_axis_off()
        column[0].set_title(title, fontsize=8)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=DATA, default=["nuclei"])
    parser.add_argument("--sources", nargs="+", choices=SOURCES, default=SOURCES)
    parser.add_argument("--labels", nargs="+", type=int, default=None, help="real labeled images")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--seeds", type=int, nargs="+", default=None)
    parser.add_argument("--refining", type=float, default=180.0, help="seconds")
    parser.add_argument("--training", type=float, default=120.0, help="seconds")
    parser.add_argument("--full", action="store_true", help="the protocol for a GPU")
    parser.add_argument("--figure", action="store_true", help="draw what was simulated")
    parser.add_argument("--interpolation", type=float, nargs="+", default=None,
                        help="draw images refined with these self-regularizations")  # fmt: skip
    parser.add_argument("--table", action="store_true", help="of the finished cells, no training")
    options = parser.parse_args()
    if options.full:
        options.refining = options.training = 600.0
    options.labels = options.labels or ([0, 1, 2, 5, 10] if options.full else [0])
    options.seeds = options.seeds or ([0, 1, 2] if options.full else [0])
    cells = Cells("simulation", recipe=STARTED)
    if not options.table:
        for seed, data, source, method in product(
            options.seeds, options.data, options.sources, options.methods
        ):
            is_rule = source in UNTRAINED
            for labels in [0] if is_rule else options.labels:
                if labels > len(load(data)[0]):
                    continue  # there are not so many
                labels = ALL if source == "real" and labels == 0 else labels
                key = {"data": data, "source": source, "labels": labels, "seed": seed,
                       "refining": options.refining, "training": options.training}  # fmt: skip
                if source in MADE:
                    key["drawn"] = DRAWN
                if method == "contours" and not is_rule:
                    key["method"] = method
                cells.run(key, partial(measure, data, source, labels, method, seed, options))
    folder = Path(__file__).resolve().parents[2] / "docs" / "images"
    for data in options.data:
        if options.figure:
            draw(data, options.seeds[0], options.refining, folder / f"simulation_{data}.png")
        if options.interpolation:
            draw_interpolation(data, options.seeds[0], options.refining, options.interpolation,
                               folder / f"interpolation_{data}.png")  # fmt: skip
    print(table(cells.rows))


if __name__ == "__main__":
    main()
