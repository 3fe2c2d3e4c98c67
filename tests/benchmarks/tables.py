"""Processor seconds of the table of objects, beside scikit-image's, and how both grow.

    python tests/benchmarks/tables.py [--objects 10000 100000 1000000] [--peer-up-to 100000]
        [--volumes-and-hulls-up-to 100000]

A label image of ellipses (ellipsoids), one in each square of 12 pixels (cube of 10), and an image
of intensities. Values are compared too. Both libraries use one thread for this, so that processor
time is the time on a machine that does nothing else; the results hold the time by the clock, too.
"""

import argparse
import time
from functools import partial

import numpy as np
from harness import Cells, markdown
from skimage.measure import regionprops_table

from sskseg.morphology import REGIONPROPS_NAMES, measure_objects

SIDES = {2: 12, 3: 10}
BASIC = ["centroid", "mean_intensity", "bounding_box", "equivalent_diameter", "major_axis_length",
         "minor_axis_length"]  # fmt: skip
ONE_BY_ONE = "solidity, Feret diameter"  # columns that are computed object by object
GROUPS = {
    ("basic, planes", 2): ["area", *BASIC, "eccentricity", "orientation"],
    ("basic, volumes", 3): ["volume", *BASIC],
    ("perimeter", 2): ["perimeter"],
    (ONE_BY_ONE, 2): ["solidity", "feret_diameter"],
}
_MAX_DIFFERENCE = 1e-6  # relative; roots of rounding errors where an axis is short


def images(n_objects, ndim):
    """Label image of `n_objects`, rounded to a full grid, and intensities."""
    rng, side = np.random.default_rng(0), SIDES[ndim]
    n = round(n_objects ** (1 / ndim))
    at = np.stack(np.meshgrid(*[np.arange(side) - (side - 1) / 2] * ndim, indexing="ij"))
    labels = np.zeros((n * side,) * ndim, np.int32)
    rows = n ** (ndim - 1)
    for row in range(n):
        axes = rng.uniform(1.5, side / 2, (rows, ndim))
        turns = np.linalg.qr(rng.normal(size=(rows, ndim, ndim)))[0]
        scaled = np.einsum("rij,j...->ri...", turns, at) / axes.reshape(rows, ndim, *[1] * ndim)
        ids = row * rows + 1 + np.arange(rows).reshape(rows, *[1] * ndim)
        tiles = np.where((scaled**2).sum(axis=1) < 1, ids, 0)
        grid = tiles.reshape(*[n] * (ndim - 1), *[side] * ndim)
        order = [ndim - 1, *(k for i in range(ndim - 1) for k in (i, ndim + i))]
        labels[row * side : (row + 1) * side] = grid.transpose(order).reshape(
            side, *labels.shape[1:]
        )
    return labels, rng.integers(0, 4096, labels.shape, np.uint16)


def seconds(function):
    start = time.process_time(), time.perf_counter()
    value = function()
    return time.process_time() - start[0], time.perf_counter() - start[1], value


def measure(columns, ndim, n_objects, with_peer):
    labels, intensity = images(n_objects, ndim)
    spacing = (0.5, 0.25, 0.25)[-ndim:]
    elapsed, by_the_clock, table = seconds(
        partial(measure_objects, labels, intensity=intensity, spacing=spacing, columns=columns)
    )
    row = {
        "objects": len(table),
        "pixels": labels.size,
        "ours, s": elapsed,
        "ours by the clock, s": by_the_clock,
    }
    if with_peer:
        names = tuple(REGIONPROPS_NAMES[name] for name in columns)
        elapsed, by_the_clock, expected = seconds(
            partial(regionprops_table, labels, intensity, names, spacing=spacing)
        )
        row |= {
            "peer, s": elapsed,
            "peer by the clock, s": by_the_clock,
            "peer / ours": elapsed / row["ours, s"],
        }
        row["difference"] = max(
            float(np.max(np.abs(table[name] - expected[REGIONPROPS_NAMES[name]])
                         / np.abs(expected[REGIONPROPS_NAMES[name]]).max()))
            for name in columns if name in table and name != "orientation"
        )  # fmt: skip
        if row["difference"] > _MAX_DIFFERENCE:
            raise ValueError(f"{columns} differ from those of scikit-image by {row['difference']}.")
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--peer-up-to", type=int, default=100_000)
    parser.add_argument("--volumes-and-hulls-up-to", type=int, default=100_000)
    options = parser.parse_args()
    cells, rows = Cells("tables"), []
    for (group, ndim), columns in GROUPS.items():
        row = {"columns": group}
        is_large = group == ONE_BY_ONE or ndim == 3
        limit = options.volumes_and_hulls_up_to if is_large else max(options.objects)
        for n in (n for n in options.objects if n <= limit):
            with_peer = n <= options.peer_up_to
            key = {"columns": group, "objects": n, "peer": with_peer}
            figures = cells.run(key, partial(measure, columns, ndim, n, with_peer))["figures"]
            row[f"{n:,}: s"] = f"{figures['ours, s']:.2f}"
            if with_peer:
                row[f"{n:,}: peer / ours"] = f"{figures['peer / ours']:.1f}"
        rows.append(row)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    print(markdown(rows, columns))


if __name__ == "__main__":
    main()
