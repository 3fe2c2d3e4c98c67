"""Milliseconds that `CellSimulator` takes to draw an image, and of what.

    OMP_NUM_THREADS=1 python tests/benchmarks/simulator_speed.py [--repeats 100]

Images of 256 x 256 with about 60 cells, one at a time on one thread, with the whole contours; the
default optics, defocus, dark cells, and textures of four correlation lengths. 1024 x 1024 with 960
cells, and 64 x 64 x 64 with 30, for how it grows. Medians, and the least, which other programs
disturb less.
"""

import argparse
import time

import numpy as np
from harness import Cells, markdown

from sskseg.simulation import CellSimulator

_PER_CELL = np.pi * 8.0**2 * np.exp(2 * 0.25**2)  # mean area at the default spread
TASKS = {
    "256 x 256, 60 cells": {"shape": (256, 256)},
    "256 x 256, 60 cells, defocus": {"shape": (256, 256), "defocus": 2.0, "section_blur": 1.0},
    "256 x 256, 60 cells, dark": {"shape": (256, 256), "foreground": 0.3, "background": 0.8},
    "256 x 256, 60 cells, textures": {"shape": (256, 256), "texture": (0.1, 0.1, 0.1, 0.1),
                                      "background_texture": (0.05, 0.05, 0.05, 0.05)},
    "1024 x 1024, 960 cells": {"shape": (1024, 1024)},
    "64 x 64 x 64, 30 cells": {"shape": (64, 64, 64), "coverage": 0.1, "radius": 6.0},
}  # fmt: skip


def measure(options, repeats):
    options = {"coverage": 60 * _PER_CELL / 256**2, **options}
    simulator = CellSimulator(**options)
    draw = simulator.sample_contours if len(simulator.shape) == 2 else simulator.sample
    times, cells = [], []
    for seed in range(-3, repeats):  # the first three are not counted
        start = time.perf_counter()
        y = draw(1, abs(seed))[1]
        if seed >= 0:
            times.append(1e3 * (time.perf_counter() - start))
            cells.append(int(y.max()))
    return {"cells": float(np.mean(cells)), "median ms": float(np.median(times)),
            "least ms": float(np.min(times))}  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=100)
    repeats = parser.parse_args().repeats
    cells, rows = Cells("simulator_speed"), []
    for name, options in TASKS.items():
        key = {"task": name, "repeats": repeats}
        figures = cells.run(key, lambda options=options: measure(options, repeats))["figures"]
        rows.append({"image": name, **figures})
    print(markdown(rows, list(rows[0])))
