"""Short fits with few labels: from random weights, and from trained networks.

    python tests/benchmarks/fine_tuning.py [--data nuclei junctions ...] [--steps 150]
        [--draws 0 1 2] [--labeled 1 2] [--starts restoration ...] [--pretraining 1500] [--table]

Nuclei of DSB 2018, 1 or 2 of 160 images labeled, 80 others for testing. "cells-simulated" learned
from simulated images alone, so that it knows none of these; "as it is" counts with that network,
without a label and without a fit. Each draw is another choice of labeled images, and another seed.
150 steps take about a minute on two cores. Only the labeled images are given to the fits.

Other data: "junctions", 60 simulated scans of three domains, 30 others for testing. "nissl", three
images of stained cortex in gray: draw 0, 1 and 2 test on that image, and pretext tasks see all
three. "mitochondria", sections 0-119 of EPFL one by one, sections 125-164 for testing; the objects
of a section are its connected components.

Other starts are pretext tasks: `ProxyPretrainer` learns once from all 160 images without labels,
for ``--pretraining`` steps, and every fit starts from its network.
"""

import argparse
import statistics
from dataclasses import dataclass
from functools import cache, partial
from itertools import product

import numpy as np
from harness import (
    COUNTED,
    Cells,
    data_folder,
    junctions,
    markdown,
    nuclei,
    quality,
)
from sklearn.pipeline import make_pipeline

from sskseg import (
    InstanceCounter,
    PercentileScaler,
    ProxyPretrainer,
    SemiSupervisedSegmenter,
)
from sskseg.datasets import load_epfl_mitochondria, load_nissl_rat_cortex
from sskseg.models import PretrainedBackbone, load_model
from sskseg.morphology import label_components

AS_IT_IS = "cells-simulated, as it is"
PROXIES = {
    "restoration": ("restoration",),
    "masked": ("masked",),
    "restoration and masked": ("restoration", "masked"),
    "magnification and rotation": ("magnification", "rotation"),
    "simulation": ("simulation",),
}
DATA = ("nuclei", "junctions", "nissl", "mitochondria")
STARTS = ("random weights", "cells-simulated", *PROXIES)
RATES = "full"  # of pretrained layers; "half" without rescaled kernels in cells without this key
FIGURES = ("f1_0.5", "f1_0.7", "ap", "wape")


@dataclass
class Images:
    """Images and labels for training and testing, and the options of the counter."""

    X: list
    y: list
    X_test: list
    y_test: list
    counter: dict


@cache
def load(data, draw):
    """Images of a draw: only those of "nissl" depend on it."""
    if data == "nuclei":
        return Images(*nuclei(), {})
    if data == "junctions":
        return Images(*junctions(20, 100), *junctions(10, 200), {"fill_holes": False})
    if data == "nissl":
        X, y = load_nissl_rat_cortex(data_folder() / "nissl_rat_cortex")
        X = [np.mean(image, axis=-1) for image in X]
        rest = [i for i in range(len(X)) if i != draw]
        return Images([X[i] for i in rest], [y[i] for i in rest], [X[draw]], [y[draw]], {})
    X, y = load_epfl_mitochondria(data_folder() / "epfl_mitochondria", split="train")
    y = [label_components(section > 0) for section in y]
    return Images(list(X[:120]), y[:120], list(X[125:]), y[125:], {})


def unlabeled(data):
    """What a pretext task learns from."""
    images = load(data, 0)
    X = images.X + images.X_test if data == "nissl" else images.X
    return PercentileScaler(scope="image").fit_transform(X)


@cache
def pretrained(data, start, steps):
    """A pretrainer that has seen all images, without labels."""
    pretrainer = ProxyPretrainer(PROXIES[start], max_steps=steps, random_state=0)
    return pretrainer.fit(unlabeled(data))


def first_step(data, start, pretraining):
    """What a pipeline has before its segmenter, as a list."""
    if start == "random weights":
        return []
    model = pretrained(data, start, pretraining) if start in PROXIES else start
    return [PretrainedBackbone(model)]


def measure(data, start, n_labeled, draw, steps, pretraining):
    images = load(data, draw if data == "nissl" else 0)
    if start == AS_IT_IS:
        return quality(images.y_test, load_model("cells-simulated").transform(images.X_test))
    chosen = np.random.default_rng(draw).permutation(len(images.X))[:n_labeled]
    segmenter = SemiSupervisedSegmenter("unet-shuffle", max_steps=steps, random_state=draw)
    model = make_pipeline(
        PercentileScaler(scope="image"), *first_step(data, start, pretraining), segmenter,
        InstanceCounter(**images.counter),
    )  # fmt: skip
    model.fit([images.X[i] for i in chosen], [images.y[i] for i in chosen])
    return quality(images.y_test, model.transform(images.X_test))


def table(rows):
    """Means over draws, and the standard deviation of F1."""
    groups = {}
    for row in rows:
        key = row["key"]
        rates = key.get("rates", "half") if key["start"] in PROXIES else ""
        group = (key.get("data", "nuclei"), key.get("labeled", 0), key["start"],
                 key.get("pretraining", 0), rates, key.get("steps", 0))  # fmt: skip
        groups.setdefault(group, []).append(row["figures"])
    lines = []
    for (data, labeled, start, pretraining, rates, steps), cells in sorted(groups.items()):
        spread = statistics.stdev(c["f1_0.5"] for c in cells) if len(cells) > 1 else 0.0
        means = {name: statistics.fmean(c[name] for c in cells) for name in FIGURES}
        lines.append({"data": data, "labeled": labeled, "start": start,
                      "pretraining": pretraining, "rates": rates, "steps": steps,
                      "draws": len(cells), **means, "sd of f1_0.5": spread})  # fmt: skip
    return markdown(lines, list(lines[0])) if lines else "no cell is finished"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=DATA, default=DATA[:1])
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--draws", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--labeled", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--starts", nargs="+", choices=STARTS, default=STARTS[:2])
    parser.add_argument("--pretraining", type=int, default=1500, help="steps of a pretext task")
    parser.add_argument("--table", action="store_true", help="of the finished cells, no training")
    options = parser.parse_args()
    cells = Cells("fine_tuning", recipe=COUNTED)
    for data in () if options.table else options.data:
        run_cells(cells, data, options)
    print(table(cells.rows))


def run_cells(cells, data, options):
    other = {"data": data} if data != "nuclei" else {}
    if data == "nuclei":
        cells.run({"start": AS_IT_IS}, partial(measure, data, AS_IT_IS, 0, 0, 0, 0))
    for start, draw, n_labeled in product(options.starts, options.draws, options.labeled):
        steps, pretraining = options.steps, options.pretraining
        key = {**other, "start": start, "labeled": n_labeled, "draw": draw, "steps": steps}
        if start in PROXIES:
            key |= {"pretraining": pretraining, "rates": RATES}
        cells.run(key, partial(measure, data, start, n_labeled, draw, steps, pretraining))


if __name__ == "__main__":
    main()
