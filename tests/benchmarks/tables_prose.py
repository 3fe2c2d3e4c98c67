"""Figures in sentences, by name, as text."""

from functools import partial

import numpy as np
from page_tables import FIGURES, cells, figure, mean, only
from tables_accuracy import membranes_fold_rows, pretraining_rows
from tables_counts import ALL, counting_rows, simulation_rows
from tables_peers import MACHINE


def _points(difference):
    return f"{100 * difference:.1f}"


def _membranes(start):
    return only(
        "main_job",
        lambda row: (
            row["task"] == "isbi"
            and "fold" not in row["method"]
            and row["method"].startswith(start)
            and "augmentation" not in row["method"]
        ),
    )


@figure
def membranes_unet_steps():
    return str(_membranes("plain")["steps"])


@figure
def membranes_steps():
    return str(_membranes("segmenter")["steps"])


@figure
def membranes_fewer():
    """By how many percent fewer pixels are wrong than of the plain U-Net, all folds together."""
    ours, plain = (
        mean(membranes_fold_rows(start), "pixel_error") for start in ("segmenter, fold", "plain")
    )
    return f"{100 * (1 - ours / plain):.0f} %"


def _short_fits(labeled, data):
    wanted = (data, labeled, 150)
    return cells(
        "fine_tuning",
        lambda row: tuple(row.get(name) for name in ("data", "labeled", "steps")) == wanted,
    )


def _gain_of(start, labeled, data=None, rates=None):
    """The gain of short fits from a start, over random weights in the same draws."""
    rows = _short_fits(labeled, data)
    ours = [row for row in rows if row["start"] == start and row.get("rates") == rates]
    draws = {(row["draw"], row["machine"]) for row in ours}
    scratch = [
        row
        for row in rows
        if row["start"] == "random weights" and (row["draw"], row["machine"]) in draws
    ]
    return _points(mean(ours, "f1_0.5") - mean(scratch, "f1_0.5"))


FIGURES.update({
    f"fine_tuning_{labeled}": partial(_gain_of, "cells-simulated", labeled)
    for labeled in (1, 2, 5, 8)
})  # fmt: skip
FIGURES.update({
    f"gain_{start.split()[-1]}_{labeled}": partial(_gain_of, start, labeled)
    for start in ("magnification and rotation", "simulation", "restoration", "masked")
    for labeled in (1, 2)
})  # fmt: skip


def _others(start, rates=None):
    rows = [row for row in _short_fits(2, "mitochondria") if row["start"] == start]
    return f"{mean([row for row in rows if row.get('rates') == rates], 'f1_0.5'):.3f}"


FIGURES.update({
    "others_scratch": partial(_others, "random weights"),
    "others_half": partial(_others, "restoration"),
    "others_full": partial(_others, "restoration", "full"),
    "gain_restoration_full_1": partial(_gain_of, "restoration", 1, None, "full"),
    "gain_restoration_full_2": partial(_gain_of, "restoration", 2, None, "full"),
    "others_nissl_1": partial(_gain_of, "simulation", 1, "nissl", "full"),
    "others_nissl_2": partial(_gain_of, "simulation", 2, "nissl", "full"),
})  # fmt: skip


def _f1_of_draw(start, labeled, steps, draw=0):
    wanted = {"start": start, "labeled": labeled, "steps": steps, "draw": draw}
    (row,) = cells("fine_tuning", lambda row: "data" not in row and wanted.items() <= row.items())
    return f"{row['f1_0.5']:.3f}"


FIGURES.update({
    f"{name}_{labeled}": partial(_f1_of_draw, start, labeled, steps)
    for name, start, steps in (
        ("long_scratch", "random weights", 1500), ("short_started", "cells-simulated", 150),
    )
    for labeled in (1, 2)
})  # fmt: skip


def _gain_of_suggestions(name):
    ours, others = (
        cells("suggestions", lambda row, way=way: row["way"] == way)
        for way in ("suggested", "random")
    )
    return _points(mean(ours, name) - mean(others, name))


FIGURES["suggestions_gain"] = partial(_gain_of_suggestions, "f1_0.5")
FIGURES["suggestions_gain_70"] = partial(_gain_of_suggestions, "f1_0.7")


def _pretrained(data, method, pretraining, rows=None):
    rows = [
        row
        for row in rows or pretraining_rows()
        if (row["data"], row["labels"], row["method"], row["pretraining"])
        == (data, "5", method, pretraining)
    ]
    return mean(rows, "f1")


@figure
def pretraining_slow_gain():
    """Three minutes of each on a machine without bfloat16, nuclei, three seeds."""
    rows = cells("pretraining", lambda row: row["machine"] == "EPYC" and row["pretraining"] == 180)
    restored = _pretrained("nuclei", "restoration", 180, rows)
    return _points(restored - _pretrained("nuclei", "scratch", 180, rows))


@figure
def pretraining_nuclei_scratch():
    return f"{_pretrained('nuclei', 'scratch', 120):.3f}"


@figure
def pretraining_nuclei_half():
    return f"{_pretrained('nuclei', 'restoration', 120):.3f}"


@figure
def pretraining_nuclei_quarter():
    return f"{_pretrained('nuclei', 'restoration', 60):.3f}"


@figure
def pretraining_junctions_scratch():
    return f"{_pretrained('junctions', 'scratch', 120):.3f}"


@figure
def pretraining_junctions_half():
    return f"{_pretrained('junctions', 'restoration', 120):.3f}"


def _simulation(source, name="f1_0.5", data="nuclei", labels=(0, ALL)):
    rows = simulation_rows(
        lambda row: row["data"] == data and row["labels"] in labels and row["source"] == source
    )
    return mean([row for row in rows if row["method"] == "watershed"], name)


@figure
def simulation_share():
    return f"{_simulation('trained') / _simulation('real'):.2f}"


@figure
def simulation_share_calibrated():
    return f"{_simulation('calibrated') / _simulation('real'):.2f}"


@figure
def simulation_worst_share():
    rows = simulation_rows(lambda row: (row["data"], row["labels"]) == ("nuclei", 0))
    ours = ("calibrated", "watershed")
    scores = [row["f1_0.5"] for row in rows if (row["source"], row["method"]) == ours]
    return f"{min(scores) / _simulation('real'):.2f}"


@figure
def simulation_refined():
    return f"{_simulation('refined'):.2f}"


@figure
def simulation_trained():
    return f"{_simulation('trained'):.2f}"


@figure
def simulation_calibrated():
    return f"{_simulation('calibrated'):.2f}"


@figure
def simulation_otsu():
    return f"{_simulation('otsu'):.2f}"


@figure
def simulation_li():
    return f"{_simulation('li'):.2f}"


@figure
def simulation_real():
    return f"{_simulation('real'):.2f}"


@figure
def simulation_nissl():
    return f"{_simulation('calibrated', data='nissl'):.2f}"


@figure
def simulation_nissl_error():
    return f"{_simulation('calibrated', 'wape', data='nissl'):.2f}"


@figure
def simulation_one_real():
    return f"{_simulation('real', labels=(1,)):.2f}"


@figure
def simulation_one_refined():
    return f"{_simulation('refined', labels=(1,)):.2f}"


@figure
def simulation_few_gain():
    """The mean gain of one and of two labeled images."""
    gains = [_simulation("refined", labels=(n,)) - _simulation("real", labels=(n,)) for n in (1, 2)]
    return f"{100 * np.mean(gains):.0f}"


def _puncta(method):
    wanted = "puncta", method, MACHINE
    rows = [
        row for row in counting_rows() if (row["task"], row["method"], row["machine"]) == wanted
    ]
    return f"{mean(rows, 'wape'):.2f}"


@figure
def puncta_in_sample():
    return _puncta("in sample")


@figure
def puncta_cross_fitted():
    return _puncta("cross-fitted")


@figure
def puncta_baseline():
    return _puncta("baseline")


def _contours(method):
    row = only(
        "contours",
        lambda row: (
            row["kind"] == "overlap" and row["machine"] == "EPYC" and row["method"] == method
        ),
    )
    return f"{row['f1_0.5']:.3f}"


@figure
def contours_f1():
    return _contours("contours")


@figure
def contours_watershed_f1():
    return _contours("watershed")


def _contour_speed():
    return cells("contours", lambda row: row["kind"] == "speed" and row["machine"] == "EPYC")[-1]


@figure
def contours_network_seconds():
    return f"{_contour_speed()['network']:.2f}"


@figure
def contours_seconds():
    return f"{_contour_speed()['after']:.2f}"
