"""Independent images: do unlabeled ones help, at equal time?

    python tests/benchmarks/self_training.py [--labeled 2 8 30] [--draws 0 1] [--seconds 120]
        [--networks auto unet-shuffle] [--table]

Nuclei of DSB 2018: 60 images, of which some are labeled, for training; 60 others of the training
set for evaluation, so that defaults can be chosen here. Each draw is another choice of labeled
images, and another seed. Both methods train for the same time. "auto" is the network that starts
from a trained model; "unet-shuffle" starts from random weights.
"""

import argparse
import statistics
from functools import partial
from itertools import product

import numpy as np
from harness import STARTED, Cells, markdown, network_steps, nuclei, quality
from sklearn.pipeline import make_pipeline

from sskseg import InstanceCounter, PercentileScaler, SemiSupervisedSegmenter

METHODS = {"self-training": "self-training", "labeled images only": None}
FIGURES = ("f1_0.5", "f1_0.7", "ap", "wape", "steps")
N_POOL, N_EVALUATED = 60, 60


def measure(network, method, n_labeled, draw, seconds):
    X, y, _, _ = nuclei()
    chosen = np.random.default_rng(draw).permutation(N_POOL)[:n_labeled].tolist()
    labels = [y[i] if i in chosen else None for i in range(N_POOL)]
    segmenter = SemiSupervisedSegmenter(
        network, semi_supervision=METHODS[method], time_budget=seconds, random_state=draw
    )
    model = make_pipeline(PercentileScaler(scope="image"), segmenter, InstanceCounter())
    model.fit(X[:N_POOL], labels)
    others = slice(N_POOL, N_POOL + N_EVALUATED)
    found = [np.asarray(label) for label in model.transform(X[others])]
    return quality(y[others], found) | {"steps": network_steps(segmenter)}


def table(rows):
    """Means over draws, and the standard deviation of F1."""
    groups = {}
    for row in rows:
        key = row["key"]
        group = (key["network"], key["labeled"], key["method"], key["seconds"])
        groups.setdefault(group, []).append(row["figures"])
    lines = []
    for (network, labeled, method, seconds), cells in sorted(groups.items()):
        f1 = [cell["f1_0.5"] for cell in cells]
        means = {name: statistics.fmean(cell[name] for cell in cells) for name in FIGURES}
        lines.append({
            "network": network, "labeled": labeled, "method": method, "seconds": f"{seconds:g}",
            "draws": len(cells), **means, "steps": f"{means['steps']:.0f}",
            "sd of f1_0.5": statistics.stdev(f1) if len(f1) > 1 else "",
        })  # fmt: skip
    return markdown(lines, list(lines[0])) if lines else "no cell is finished"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labeled", type=int, nargs="+", default=[2, 8, 30])
    parser.add_argument("--draws", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--seconds", type=float, default=120.0, help="of a training")
    parser.add_argument("--networks", nargs="+", default=["auto", "unet-shuffle"])
    parser.add_argument("--table", action="store_true", help="of the finished cells, no training")
    options = parser.parse_args()
    cells = Cells("self_training", recipe=STARTED)
    grid = product(options.networks, options.labeled, options.draws, METHODS)
    for network, labeled, draw, method in () if options.table else grid:
        key = {"network": network, "labeled": labeled, "draw": draw, "method": method,
               "seconds": options.seconds}  # fmt: skip
        cells.run(key, partial(measure, network, method, labeled, draw, options.seconds))
    print(table(cells.rows))


if __name__ == "__main__":
    main()
