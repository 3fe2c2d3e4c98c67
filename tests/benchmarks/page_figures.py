"""Draw the curves of the benchmark pages from the results files.

    python tests/benchmarks/page_figures.py [--out docs/images]

They show the same rows as the tables that ``page_tables.py`` writes. Run both after a benchmark.
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import tables_accuracy
from page_tables import DOCS, grouped

SECTIONS = ["window", "1", "2", "4", "8", "32", "165"]
SHARES = ["1", "2", "5", "10", "25", "50", "100"]
# IoU on the whole test volume, from the poster (docs/cite.md).
POSTER = {"poster": ("s", 0.890), "poster, supervised": ("D", 0.826)}
CURVES = {
    "supervised, first network": ("supervised", "iou_network", "#888888", ":"),
    "supervised, mean of 9 sections": ("supervised", "iou_mean", "#555555", "--"),
    "self-training and continuity": ("self-training, continuity", "predicted", "#009E73", "-"),
    "section mean": ("section-mean", "predicted", "#0072B2", "-"),
}


def mitochondria(is_full=False):
    """Draw IoU against the number of labeled sections; a dot is one training."""
    seconds = 500 if is_full else 600
    rows = tables_accuracy.mitochondria_rows(
        lambda row: (
            row["full"] == is_full and row["time_budget"] == seconds and row["labels"] in SECTIONS
        )
    )
    figure, axis = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for label, (method, name, color, style) in CURVES.items():
        scores = _scores(rows, "labels", method, name)
        _curve(axis, SECTIONS, scores, style, color=color, label=label)
        for labels, values in scores.items():
            axis.plot([SECTIONS.index(labels)] * len(values), values, ".", color=color)
    for label, (marker, value) in POSTER.items():
        face = "none" if marker == "D" else None
        at = SECTIONS.index("32")
        axis.plot([at], [value], marker, color="#D55E00", mfc=face, label=label)
    axis.set(xlabel="labeled sections of 165", ylabel="IoU, test sections")
    axis.set_xticks(range(len(SECTIONS)), SECTIONS)
    axis.legend(frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def pretraining():
    """Draw F1 against the share of labeled images, without and after pretraining."""
    rows = [
        row
        for row in tables_accuracy.pretraining_rows()
        if (row["pretraining"], row["finetuning"]) == (120, 120)
    ]
    methods = sorted({row["method"] for row in rows}, key=lambda name: (name != "scratch", name))
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", sharey=True)
    for axis, data in zip(axes, ("junctions", "nuclei"), strict=True):
        here = [row for row in rows if row["data"] == data]
        for number, method in enumerate(methods):
            scores = _scores(here, "labels", method, "f1")
            _curve(axis, SHARES, scores, "-", color=f"C{number}", label=method)
        axis.set(title=data, xlabel="labeled images, %")
        axis.set_xticks(range(len(SHARES)), SHARES)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("F1 at IoU 0.5, test images")
    handles = {label: handle for axis in axes for handle, label in _in_legend(axis)}
    axes[1].legend(handles.values(), handles, frameon=False)
    return figure


def _in_legend(axis):
    return zip(*axis.get_legend_handles_labels(), strict=True)


def _scores(rows, by, method, name):
    groups = grouped([row for row in rows if row["method"] == method], by)
    return {labels: [row[name] for row in group] for (labels,), group in groups.items()}


def _curve(axis, order, scores, style, **options):
    at = [labels for labels in order if labels in scores]
    if not at:
        return  # no name in the legend without a point
    means = [np.mean(scores[labels]) for labels in at]
    axis.plot([order.index(labels) for labels in at], means, style, marker="o", **options)


FIGURES = {
    "mitochondria_labels": mitochondria,
    "mitochondria_labels_full": lambda: mitochondria(is_full=True),
    "pretraining_labels": pretraining,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=DOCS / "images")
    options = parser.parse_args()
    for name, draw in FIGURES.items():
        figure = draw()
        figure.savefig(options.out / f"{name}.png", dpi=110)
        plt.close(figure)


if __name__ == "__main__":
    main()
