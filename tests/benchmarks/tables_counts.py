"""Tables of counts, intervals, probabilities, simulation and contours."""

from page_tables import cells, grouped, markdown, mean, table
from tables_accuracy import ORIGIN, PRESENT

ALL = 1_000_000  # "labels" of cells with all label images
F1 = {f"F1 at {t}": (f"f1_{t}", ".3f") for t in (0.5, 0.7, 0.9)}
SPECTRA = "spectra of textures are fitted"


def counting_rows():
    """Cells of the present counter, which does not merge fragments by distance; those of a slow
    machine in float32 are left out."""
    return cells(
        "counting",
        lambda row: (
            row["recipe"] and row["machine"] != "EPYC" and "merge_distance" not in row["counter"]
        ),
    )


@table
def counting():
    return markdown(
        counting_rows(),
        {
            "task": "task",
            "labeled images": "labeled",
            "method": "method",
            "seconds": ("time_budget", ".0f"),
            "WAPE": ("wape", ".3f"),
            "relative bias": ("relative_bias", ".3f"),
            "MAE": ("mae", ".2f"),
            "F1": ("f1", ".3f"),
            **ORIGIN,
        },
    )


@table
def intervals_simulated():
    rows = cells("intervals", lambda row: row["data"] == "simulated")
    for row in rows:
        for n in ("20", "80", "320"):
            row |= {
                f"coverage at {n}": row[n]["coverage"],
                f"width at {n}": row[n]["width"],
                f"warned at {n}": row[n]["warned, extrapolated"],
            }
    figures = ("coverage", "width", "warned")
    return markdown(
        rows,
        {
            "errors": "errors",
            "objects in images of `fit`": "fitted on",
            **{
                f"{figure}, {n} objects": (f"{figure} at {n}", ".2f")
                for n in ("20", "80", "320")
                for figure in figures
            },
        },
    )


@table
def intervals_nuclei():
    rows = cells("intervals", lambda row: row.get("steps") == 300)
    lines = [
        {
            "counter": counter,
            "seed": row["seed"],
            "machine": row["machine"],
            **{n: row[f"{counter}, {n}"]["coverage"] for n in ("1", "4", "16")},
            "width": row[f"{counter}, 1"]["width"],
        }
        for counter in ("CrossFitted", "in sample")
        for row in rows
    ]
    return markdown(
        lines,
        {
            "counter": "counter",
            "seed": "seed",
            "coverage, 1 image": ("1", ".2f"),
            "4 images": ("4", ".2f"),
            "16 images": ("16", ".2f"),
            "width, 1 image": ("width", ".2f"),
            "machine": "machine",
        },
    )


@table
def calibration():
    lines = [
        {"seed": row["seed"], "calibration": name, **row[name]}
        for row in cells("calibration")
        for name in ("none", "temperature", "slope and offset")
    ]
    return markdown(
        lines,
        {
            "seed": "seed",
            "calibration": "calibration",
            "slope": ("slope", ".2f"),
            "offset": ("offset", ".2f"),
            "ECE": ("ece", ".5f"),
            "Dice at 0.5": ("dice", ".3f"),
            "sum of probabilities / area": ("sum", ".2f"),
        },
    )


def simulation_rows(where):
    """Cells of three minutes of refining, newest simulator, with what the refiner reports.

    Networks that learn from no or all labels start as they do by default.
    """
    rows = cells("simulation", lambda row: row["refining"] == 180 and where(row))
    return [{"method": "watershed", **row, **row["report"]} for row in rows if _is_present(row)]


def _is_present(row):
    if row["source"] in ("otsu", "li"):
        return True
    has_start = row.get("method") != "contours" and row["labels"] in (0, ALL)
    has_default_start = row["recipe"].endswith(PRESENT) or not has_start
    is_drawn = row["source"] in ("simulated", "calibrated", "refined")
    return has_default_start and (not is_drawn or row.get("drawn", "").startswith(SPECTRA))


def _simulation(data):
    rows = simulation_rows(lambda row: row["data"] == data and row["labels"] in (0, ALL))
    lines = []
    for (source, method), group in grouped(rows, "source", "method").items():
        names = (
            *[name for name, _ in F1.values()],
            "ap",
            "wape",
            "structure_realism",
            "boundary_shift",
            "survival",
        )
        lines.append(
            {
                "source": source,
                "method": method,
                "trainings": len(group),
                "labels": "all" if source == "real" else "none",
                **{name: mean(group, name) for name in names},
            }
        )
    return markdown(
        lines,
        {
            "training images": "source",
            "labels": "labels",
            "objects by": "method",
            "trainings": "trainings",
            **F1,
            "AP": ("ap", ".3f"),
            "WAPE": ("wape", ".3f"),
            "realism": ("structure_realism", ".2f"),
            "shift, pixels": ("boundary_shift", ".4f"),
            "survival": ("survival", ".2f"),
        },
    )


@table
def simulation_nuclei():
    return _simulation("nuclei")


@table
def simulation_nissl():
    return _simulation("nissl")


@table
def simulation_labels():
    rows = simulation_rows(lambda row: row["data"] == "nuclei" and 0 < row["labels"] < ALL)
    rows.sort(key=lambda row: (row["labels"], row["source"]))
    return markdown(
        rows,
        {
            "labeled images": "labels",
            "training images": "source",
            "seed": "seed",
            **F1,
            "WAPE": ("wape", ".3f"),
            **ORIGIN,
        },
    )


@table
def simulator_speed():
    return markdown(
        cells("simulator_speed"),
        {
            "image": "task",
            "cells": ("cells", ".0f"),
            "median, ms": ("median ms", ".1f"),
            "least, ms": ("least ms", ".1f"),
            **ORIGIN,
        },
    )


@table
def contours():
    rows = cells("contours", lambda row: row["kind"] == "overlap")
    return markdown(
        rows,
        {
            "method": "method",
            "labeled images": "images",
            "seconds": ("seconds", ".0f"),
            "seed": "seed",
            **F1,
            "AP": ("ap", ".3f"),
            "WAPE": ("wape", ".3f"),
            **ORIGIN,
        },
    )


@table
def contours_speed():
    rows = cells("contours", lambda row: row["kind"] == "speed")
    return markdown(
        rows,
        {
            "cells": "cells",
            "network, s": ("network", ".3f"),
            "contours, s": ("after", ".3f"),
            "contours / network": ("share", ".2f"),
            "F1": ("f1_0.5", ".4f"),
            **ORIGIN,
        },
    )
