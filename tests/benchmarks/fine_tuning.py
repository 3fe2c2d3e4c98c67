"""Short fits with few labels: from random weights, and from trained networks.

    python tests/benchmarks/fine_tuning.py [--steps 150] [--draws 0 1 2] [--labeled 1 2]
        [--starts restoration ...] [--pretraining 1500] [--table]

Nuclei of DSB 2018, 1 or 2 of 160 images labeled, 80 others for testing. "cells-simulated" learned
from simulated images alone, so that it knows none of these; "as it is" counts with that network,
without a label and without a fit. Each draw is another choice of labeled images, and another seed.
150 steps take about a minute on two cores. Only the labeled images are given to the fits.

Other starts are pretext tasks: `ProxyPretrainer` learns once from all 160 images without labels,
for ``--pretraining`` steps, and every fit starts from its network.
"""

import argparse
import statistics
from functools import cache, partial
from itertools import product

import numpy as np
from harness import COUNTED, Cells, markdown, nuclei, quality
from sklearn.pipeline import make_pipeline

from sskseg import (
    InstanceCounter,
    PercentileScaler,
    ProxyPretrainer,
    SemiSupervisedSegmenter,
)
from sskseg.models import PretrainedBackbone, load_model

AS_IT_IS = "cells-simulated, as it is"
PROXIES = {
    "restoration": ("restoration",),
    "masked": ("masked",),
    "restoration and masked": ("restoration", "masked"),
    "magnification and rotation": ("magnification", "rotation"),
    "simulation": ("simulation",),
}
STARTS = ("random weights", "cells-simulated", *PROXIES)
FIGURES = ("f1_0.5", "f1_0.7", "ap", "wape")


@cache
def pretrained(start, steps):
    """A pretrainer that has seen all images, without labels."""
    X = PercentileScaler(scope="image").fit_transform(nuclei()[0])
    return ProxyPretrainer(PROXIES[start], max_steps=steps, random_state=0).fit(X)


def first_step(start, pretraining):
    """What a pipeline has before its segmenter, as a list."""
    if start == "random weights":
        return []
    model = pretrained(start, pretraining) if start in PROXIES else start
    return [PretrainedBackbone(model)]


def measure(start, n_labeled, draw, steps, pretraining):
    X, y, X_test, y_test = nuclei()
    if start == AS_IT_IS:
        return quality(y_test, load_model("cells-simulated").transform(X_test))
    chosen = np.random.default_rng(draw).permutation(len(X))[:n_labeled]
    segmenter = SemiSupervisedSegmenter("unet-shuffle", max_steps=steps, random_state=draw)
    first = first_step(start, pretraining)
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
    parser.add_argument("--starts", nargs="+", choices=STARTS, default=STARTS[:2])
    parser.add_argument("--pretraining", type=int, default=1500, help="steps of a pretext task")
    parser.add_argument("--table", action="store_true", help="of the finished cells, no training")
    options = parser.parse_args()
    cells = Cells("fine_tuning", recipe=COUNTED)
    if not options.table:
        cells.run({"start": AS_IT_IS}, partial(measure, AS_IT_IS, 0, 0, 0, 0))
        for start, draw, n_labeled in product(options.starts, options.draws, options.labeled):
            steps, pretraining = options.steps, options.pretraining
            key = {"start": start, "labeled": n_labeled, "draw": draw, "steps": steps}
            if start in PROXIES:
                key["pretraining"] = pretraining
            cells.run(key, partial(measure, start, n_labeled, draw, steps, pretraining))
    print(table(cells.rows))


if __name__ == "__main__":
    main()
