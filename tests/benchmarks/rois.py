"""Seconds of writing and reading regions of interest: a scan with many cells.

    python tests/benchmarks/rois.py [--side 12000] [--cells 300000] [--formats zip geojson]

Cells are discs with waves in a grid that is shifted and scaled at random. Files are written to a
temporary folder and read again; labels must be equal in every pixel.
"""

import argparse
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
from harness import Cells, markdown, resident

from sskseg.io import read_rois, write_rois
from sskseg.morphology import measure_objects
from sskseg.morphology.outlines import trace_outlines


def scan(side, n_cells):
    """Label image of about `n_cells` cells with wavy outlines."""
    rng = np.random.default_rng(0)
    n = int(np.ceil(np.sqrt(n_cells)))
    pitch = side / n
    radii = pitch * rng.uniform(0.3, 0.42, (n, n)).astype(np.float32)
    phases = rng.uniform(0, 2 * np.pi, (n, n)).astype(np.float32)
    labels = np.zeros((side, side), np.int32)
    column = (np.arange(side) / pitch).astype(int)
    x = np.arange(side, dtype=np.float32) - (column + 0.5) * pitch
    for top in range(0, side, 500):  # in parts, to bound memory
        y_row = np.arange(top, min(top + 500, side))
        row = (y_row / pitch).astype(int)
        y = (y_row - (row + 0.5) * pitch).astype(np.float32)[:, None]
        cell = np.ix_(row, column)
        waves = 1 + 0.12 * np.sin(4 * np.arctan2(y, x) + phases[cell])
        number = row[:, None] * n + column + 1
        labels[top : top + 500] = np.where(np.hypot(y, x) < radii[cell] * waves, number, 0)
    labels[labels > n_cells] = 0
    return labels


def seconds(function, *arguments, **options):
    start = time.perf_counter()
    value = function(*arguments, **options)
    return time.perf_counter() - start, value


def measure(side, n_cells, suffix):
    labels = scan(side, n_cells)
    table = measure_objects(labels)[["id", "area", "centroid_y", "centroid_x"]]
    outlines, traced = seconds(trace_outlines, labels)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"cells.{suffix}"
        options = {"format": "coco", "names": ["cells.tif"]} if suffix == "json" else {}
        written, _ = seconds(write_rois, path, labels, table=table, **options)
        size = path.stat().st_size
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # nothing overlaps
            read, (_, rois) = seconds(read_rois, path, labels.shape)
    return {
        "cells": len(table), "corners": len(traced.vertices), "trace, s": outlines,
        "write, s": written, "read, s": read, "MB": size / 2**20, "peak MB": resident("VmHWM"),
        "equal": bool(np.array_equal(rois[0].labels, labels)),
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=12000)
    parser.add_argument("--cells", type=int, default=300_000)
    parser.add_argument("--formats", nargs="+", default=["zip", "geojson", "json"])
    options = parser.parse_args()
    cells, rows = Cells("rois"), []
    for suffix in options.formats:
        key = {"side": options.side, "cells": options.cells, "format": suffix}
        run = partial(measure, options.side, options.cells, suffix)
        rows.append({"format": suffix, **cells.run(key, run)["figures"]})
    print(markdown(rows, list(rows[0])))


if __name__ == "__main__":
    main()
