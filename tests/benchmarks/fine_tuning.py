"""Short fits with few labels: from random weights, and from trained networks.

    python tests/benchmarks/fine_tuning.py [--steps 150] [--draws 0 1 2] [--labeled 1 2] [--table]

Nuclei of DSB 2018, 1 or 2 of 160 images labeled, 80 others for testing. "cells-simulated" learned
from simulated images alone, so that it knows none of these; "as it is" counts with that network,
without a label and without a fit. Each draw is another choice of labeled images, and another seed.
150 steps take about a minute on two cores. Only the labeled images are given to the fits.
"""

import argparse
import statistics
from functools import partial

import numpy as np
from harness import COUNTED, Cells, markdown, nuclei, quality
from sklearn.pipeline import make_pipeline

from sskseg import InstanceCounter, PercentileScaler, SemiSupervisedSegmenter
from sskseg.models import PretrainedBackbone, load_model

STARTS = ("random weights", "cells-simulated", "cells-simulated, as it is")
FIGURES = ("f1_0.5", "f1_0.7", "ap", "wape")


def measure(start, n_labeled, draw, steps):
    X, y, X_test, y_test = nuclei()
    if start.endswith("as it is"):
        return quality(y_test, load_model("cells-simulated").transform(X_test))
    chosen = np.random.default_rng(draw).permutation(len(X))[:n_labeled]
    segmenter = SemiSupervisedSegmenter("unet-shuffle", max_steps=steps, random_state=draw)
    first = [] if start == "random weights" else [PretrainedBackbone(start)]
    model = make_pipeline(PercentileScaler(scope="image"), *first, segmenter, InstanceCounter())
    model.fit([X[i] for i in chosen], [y[i] for i in chosen])
    return quality(y_test, model.transform(X_test))


def table(rows):
    """Means over draws, and the standard deviation of F1."""
    groups = {}
    for row in rows:
        key = row["key"]
        group = (key.get("labeled", 0), key["start"], key.get("steps", 0))
        groups.setdefault(group, []).append(row["figures"])
    lines = []
    for (labeled, start, steps), cells in sorted(groups.items()):
        spread = statistics.stdev(c["f1_0.5"] for c in cells) if len(cells) > 1 else 0.0
        means = {name: statistics.fmean(c[name] for c in cells) for name in FIGURES}
        lines.append({"labeled": labeled, "start": start, "steps": steps, "draws": len(cells),
                      **means, "sd of f1_0.5": spread})  # fmt: skip
    return markdown(lines, list(lines[0])) if lines else "no cell is finished"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--draws", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--labeled", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--table", action="store_true", help="of the finished cells, no training")
    options = parser.parse_args()
    cells = Cells("fine_tuning", recipe=COUNTED)
    if not options.table:
        start = STARTS[-1]
        cells.run({"start": start}, partial(measure, start, 0, 0, 0))
        for draw in options.draws:
            for n_labeled in options.labeled:
                for start in STARTS[:-1]:
                    key = {"start": start, "labeled": n_labeled, "draw": draw,
                           "steps": options.steps}  # fmt: skip
                    cells.run(key, partial(measure, start, n_labeled, draw, options.steps))
    print(table(cells.rows))


if __name__ == "__main__":
    main()
