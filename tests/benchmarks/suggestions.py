"""Which five images to label: suggested ones beside random ones.

    python tests/benchmarks/suggestions.py [--draws 20] [--steps 150] [--table]

Nuclei of DSB 2018. In each draw, 80 of 160 images are at hand, and five of them are labeled: those
that `suggest_samples` suggests, or random ones. A pipeline with the defaults of the library is
trained on these five, and evaluated on 80 other images. 150 steps take less than a minute.
"""

import argparse
import statistics
from functools import partial

import numpy as np
from harness import STARTED, Cells, markdown, nuclei, quality
from sklearn.pipeline import make_pipeline

from sskseg import InstanceCounter, PercentileScaler, SemiSupervisedSegmenter, suggest_samples

WAYS = ("random", "suggested")
FIGURES = ("f1_0.5", "f1_0.7", "ap", "wape")
N_POOL, N_LABELED = 80, 5


def measure(way, draw, steps):
    X, y, X_test, y_test = nuclei()
    pool = np.random.default_rng(draw).permutation(len(X))[:N_POOL]  # in random order
    images = [X[i] for i in pool]
    chosen = suggest_samples(images, N_LABELED) if way == "suggested" else range(N_LABELED)
    segmenter = SemiSupervisedSegmenter(max_steps=steps, random_state=draw)
    model = make_pipeline(PercentileScaler(scope="image"), segmenter, InstanceCounter())
    model.fit([images[i] for i in chosen], [y[pool[i]] for i in chosen])
    return quality(y_test, model.transform(X_test))


def table(rows):
    """Means over draws, the standard deviation of F1, and the worst draw."""
    lines = []
    for way in WAYS:
        cells = [row["figures"] for row in rows if row["key"]["way"] == way]
        if len(cells) > 1:
            f1 = [cell["f1_0.5"] for cell in cells]
            means = {name: statistics.fmean(cell[name] for cell in cells) for name in FIGURES}
            spread = {"sd of f1_0.5": statistics.stdev(f1), "lowest f1_0.5": min(f1)}
            lines.append({"images": way, "draws": len(cells), **means, **spread})
    return markdown(lines, list(lines[0])) if lines else "no two cells are finished"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--table", action="store_true", help="of the finished cells, no training")
    options = parser.parse_args()
    cells = Cells("suggestions", recipe=STARTED)
    for draw in range(0 if options.table else options.draws):
        for way in WAYS:
            key = {"way": way, "draw": draw, "steps": options.steps}
            cells.run(key, partial(measure, way, draw, options.steps))
    print(table(cells.rows))


if __name__ == "__main__":
    main()
