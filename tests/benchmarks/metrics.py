"""Seconds of the metrics, of scikit-image's and scikit-learn's, and how both grow with the image.

    python tests/benchmarks/metrics.py [--sizes 256 512 1024 2048] [--rounds 5]

Two label images of one object to 500 pixels, the second one disturbed; ours and the independent
library in turn, medians. Values are compared too.
"""

import argparse
import time
from functools import partial

import numpy as np
from harness import Cells, markdown
from scipy import ndimage
from skimage import metrics as skimage_metrics
from sklearn import metrics as sklearn_metrics

import sskseg.metrics as ours

PIXELS_PER_OBJECT = 500


def cells_of(seeds, shape):
    """Label image of the cells nearest to each seed, with borders of 0."""
    image = np.zeros(shape, np.int64)
    image[tuple(np.clip(seeds, 0, shape[0] - 1).T)] = np.arange(1, len(seeds) + 1)
    _, nearest = ndimage.distance_transform_edt(image == 0, return_indices=True)
    labels = image[tuple(nearest)]
    borders = ndimage.maximum_filter(labels, 3) != labels
    return np.where(borders, 0, labels)


def images(size):
    rng = np.random.default_rng(0)
    seeds = rng.integers(0, size, (max(1, size**2 // PIXELS_PER_OBJECT), 2))
    true = cells_of(seeds, (size, size))
    pred = cells_of(seeds + rng.integers(-3, 4, seeds.shape), (size, size))
    return true, pred


def information(true, pred):
    return sum(skimage_metrics.variation_of_information(true, pred))


def rand(true, pred):
    return 1 - sklearn_metrics.rand_score(true.ravel(), pred.ravel())


def adapted_rand(true, pred):
    return skimage_metrics.adapted_rand_error(true, pred)[0]


def flat(metric):
    return lambda true, pred: metric(true.ravel() > 0, pred.ravel() > 0)


def per_class(true, pred):
    return sklearn_metrics.jaccard_score(true.ravel() % 5, pred.ravel() % 5, average="macro")


# Each with the same of an independent library, where there is one.
PAIRS = {
    "dice": (ours.dice, flat(sklearn_metrics.f1_score)),
    "iou": (ours.iou, flat(sklearn_metrics.jaccard_score)),
    "iou, mean of 5 classes": (
        lambda true, pred: ours.iou(true % 5, pred % 5, average="macro"), per_class),
    "pixel_error": (ours.pixel_error, flat(sklearn_metrics.zero_one_loss)),
    "pixel_rand_error": (
        ours.pixel_rand_error, lambda true, pred: rand(true > 0, pred > 0)),
    "rand_error": (ours.rand_error, rand),
    "adapted_rand_error": (ours.adapted_rand_error, adapted_rand),
    "variation_of_information": (ours.variation_of_information, information),
    "v_rand": (ours.v_rand, None),
    "v_info": (ours.v_info, None),
    "warping_error": (ours.warping_error, None),
    "average_precision": (
        partial(ours.average_precision, thresholds=np.arange(0.5, 1, 0.05)), None),
    "panoptic_quality": (ours.panoptic_quality, None),
}  # fmt: skip


def seconds(function, *arrays):
    start = time.perf_counter()
    value = function(*arrays)
    return time.perf_counter() - start, value


def measure(name, size, rounds):
    true, pred = images(size)
    mine, theirs = PAIRS[name]
    times = {"ours": [], "peer": []}
    value = expected = None
    for _ in range(rounds):
        elapsed, value = seconds(mine, true, pred)
        times["ours"].append(elapsed)
        if theirs is not None:
            elapsed, expected = seconds(theirs, true, pred)
            times["peer"].append(elapsed)
    row = {"ours, ms": 1000 * float(np.median(times["ours"]))}
    if theirs is not None:
        ratios = np.divide(times["peer"], times["ours"])
        row |= {
            "peer, ms": 1000 * float(np.median(times["peer"])),
            "peer / ours": float(np.median(ratios)),
            "difference": float(abs(np.mean(value) - expected)),
        }
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024, 2048])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    cells, rows = Cells("metrics"), []
    for name in PAIRS:
        row = {"metric": name}
        for size in options.sizes:
            key = {"metric": name, "size": size, "rounds": options.rounds}
            figures = cells.run(key, partial(measure, name, size, options.rounds))["figures"]
            row[f"{size}²: ms"] = f"{figures['ours, ms']:.1f}"
            if "peer / ours" in figures:
                row[f"{size}²: peer / ours"] = f"{figures['peer / ours']:.1f}"
        rows.append(row)
    columns = [name for size in options.sizes for name in (f"{size}²: ms", f"{size}²: peer / ours")]
    print(markdown(rows, ["metric", *columns]))


if __name__ == "__main__":
    main()
