"""Milliseconds of the weight map of one image.

    python tests/benchmarks/weights.py

Images of random ellipses, medians of ten.
"""

import time

import numpy as np
from harness import Cells, markdown

from sskseg.datasets import make_cells
from sskseg.morphology import weight_map

SHAPES = {"256 x 256": ((256, 256), 30), "512 x 512": ((512, 512), 120),
          "64 x 64 x 64": ((64, 64, 64), 30)}  # fmt: skip


def measure(shape, n):
    _, labels = make_cells(1, shape, n_cells=n, random_state=0)
    times = []
    for _ in range(10):
        start = time.perf_counter()
        weight_map(labels[0])
        times.append(time.perf_counter() - start)
    return {"objects": len(np.unique(labels)) - 1, "ms": 1000 * float(np.median(times))}


def main():
    cells = Cells("weights")
    rows = [
        {"image": name, **cells.run({"image": name}, lambda a=arguments: measure(*a))["figures"]}
        for name, arguments in SHAPES.items()
    ]
    print(markdown(rows, ["image", "objects", "ms"]))


if __name__ == "__main__":
    main()
