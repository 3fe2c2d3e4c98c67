"""Seconds of the correction of sections by their neighbors on the EPFL training volume.

    python tests/benchmarks/continuity.py

Masks are the labels with noise; every fifth section is labeled. Medians of three rounds.
"""

import time

import dask.array as da
import numpy as np
from harness import Cells, data_folder, markdown

from sskseg.datasets import load_epfl_mitochondria
from sskseg.morphology import enforce_continuity


def measure():
    _, y = load_epfl_mitochondria(data_folder() / "epfl_mitochondria", split="train")
    rng = np.random.default_rng(0)
    masks = (y > 0) ^ (rng.random(y.shape) < 5e-4)
    labels = np.full(y.shape, -1, np.int8)
    labels[::5] = y[::5]
    lazy = da.from_array(masks, chunks=(16, 768, 1024))
    runs = {
        "in memory, s": lambda: enforce_continuity(masks, labels),
        "in memory, no labels, s": lambda: enforce_continuity(masks),
        "sequential, s": lambda: enforce_continuity(masks, labels, order="sequential"),
        "dask, s": lambda: enforce_continuity(lazy, labels).compute(),
    }
    figures = {}
    for name, run in runs.items():
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - start)
        figures[name] = round(float(np.median(seconds)), 2)
    return figures


if __name__ == "__main__":
    row = Cells("continuity").run({"shape": [165, 768, 1024]}, measure)
    print(markdown([row["figures"]], list(row["figures"])))
