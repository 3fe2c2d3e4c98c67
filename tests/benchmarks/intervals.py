"""Coverage of count intervals, at 1, 4 and 16 times the objects of the images of `fit`.

    python tests/benchmarks/intervals.py [--data simulated nuclei] [--seeds 0 1 2] [--repeats 40]

"simulated": probabilities of squares, with three kinds of errors: each object is missed, and each
spurious one made, by itself ("independent"); a share of the objects that differs between images is
missed ("proportional"); as much debris in each image, however many objects it has ("debris").
Counters are fitted on 29 images of about 20 objects, or of 10 to 640. "nuclei": DSB 2018, quarters
of images of 256 x 256, a small network on 29 of them; the counter is fitted in sample or by
`CrossFitted`. Images of 4 and 16 times the objects are mosaics of test images. Nominal coverage is
0.9. "warned" is the share of calls of `predict` that warned, and why. Finished cells are kept in
``tests/benchmarks/results/intervals.jsonl``.
"""

import argparse
import warnings
from functools import partial
from itertools import product

import numpy as np
from harness import COUNTED, Cells, data_folder, markdown
from sklearn.pipeline import make_pipeline

from sskseg import (
    CrossFitted,
    ImageStack,
    InstanceCounter,
    PercentileScaler,
    SemiSupervisedSegmenter,
)
from sskseg.datasets import load_dsb2018_nuclei

COVERAGE, N_FIT, N_TEST = 0.9, 29, 40
COUNTS = (20, 80, 320)
ERRORS = ("independent", "proportional", "debris")
SIDE, PITCH = 32, 4  # squares along each side of an image, and their distance in pixels
N_NUCLEI, SIZE = 29, 128
STEPS = 300  # of a training
FIGURES = ["coverage", "width", "warned, extrapolated", "warned, in sample"]


def probabilities(rng, mean, errors):
    """An image of the foreground probability, and the true count."""
    n = rng.poisson(mean)
    missed = rng.uniform(0, 0.3) if errors == "proportional" else 0.1
    kept = rng.binomial(n, 1 - (0.02 if errors == "debris" else missed))
    spurious = rng.poisson({"independent": 0.08 * mean, "debris": 6}.get(errors, 0.02 * mean))
    image = np.zeros((SIDE * PITCH,) * 2, np.float32)
    rows, columns = np.divmod(rng.permutation(SIDE**2)[: kept + spurious], SIDE)
    for down, right in np.ndindex(2, 2):
        image[rows * PITCH + down, columns * PITCH + right] = 0.9
    return image, n


def draw(rng, means, errors):
    images, counts = zip(*(probabilities(rng, mean, errors) for mean in means), strict=True)
    return np.stack(images), np.array(counts)


def evaluate(counter, X, true):
    """Covered and warned calls, and the mean relative width; image by image, as warnings are."""
    covered, widths, extrapolated, in_sample = [], [], [], []
    for image, count in zip(X, true, strict=True):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            _, ((low, high),) = counter.predict(
                image[None], return_interval=True, coverage=COVERAGE
            )
        texts = [str(each.message) for each in caught]
        covered.append(low <= count <= high)
        widths.append((high - low) / max(count, 1))
        extrapolated.append(any("extrapolated" in text for text in texts))
        in_sample.append(any("CrossFitted" in text for text in texts))
    return {
        "coverage": float(np.mean(covered)), "width": float(np.mean(widths)),
        "warned, extrapolated": float(np.mean(extrapolated)),
        "warned, in sample": float(np.mean(in_sample)),
    }  # fmt: skip


def simulated(errors, fitted, repeats):
    """Figures by the number of objects, means over `repeats` counters."""
    rows = {mean: [] for mean in COUNTS}
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        means = np.full(N_FIT, 20.0)
        if fitted == "10 to 640":
            means = np.exp(rng.uniform(np.log(10), np.log(640), N_FIT))
        counter = InstanceCounter("components", threshold=0.5, min_size=0, merge_distance=0.0)
        counter.fit(*draw(rng, means, errors))
        for mean in COUNTS:
            rows[mean].append(evaluate(counter, *draw(rng, [mean] * N_TEST, errors)))
    return {mean: average(found) for mean, found in rows.items()}


def average(rows):
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}


def quarters():
    """Quarters of the nuclei images of 256 x 256, with an object."""
    X, y = load_dsb2018_nuclei(data_folder() / "dsb2018_nuclei")
    pairs = [(x[..., 0] if x.ndim == 3 else x, label) for x, label in zip(X, y, strict=True)
             if label.shape == (2 * SIZE, 2 * SIZE)]  # fmt: skip
    cut = [slice(0, SIZE), slice(SIZE, 2 * SIZE)]
    made = [(x[r, c], label[r, c]) for x, label in pairs for r in cut for c in cut]
    made = [(x, label) for x, label in made if label.max() > 0]
    return np.stack([x for x, _ in made]), np.stack([label for _, label in made])


def nuclei(seed):
    """Figures by counter and number of images in a mosaic."""
    X, y = quarters()
    counts = np.array([np.count_nonzero(np.unique(label)) for label in y])
    order = np.random.default_rng(seed).permutation(len(X))
    fit, test = order[:N_NUCLEI], order[N_NUCLEI:]
    segmenter = SemiSupervisedSegmenter(
        semi_supervision=None, width=8, depth=3, max_steps=STEPS, random_state=seed
    )
    cross_fitted = CrossFitted(segmenter, cv=3)
    model = make_pipeline(PercentileScaler(scope="image"), cross_fitted, InstanceCounter())
    model.fit(X[fit], y[fit])
    trained = ImageStack(model[:-1].transform(X[fit]), in_sample=True)  # of the same network
    counters = {"CrossFitted": model[-1], "in sample": InstanceCounter().fit(trained, y[fit])}
    outputs, figures = model[:-1].transform(X[test]), {}
    for side in (1, 2, 4):
        rng = np.random.default_rng(seed)
        groups = [rng.permutation(len(test))[: side**2] for _ in range(len(test) // 2)]
        images = [mosaic(outputs[group], side) for group in groups]
        true = [counts[test[group]].sum() for group in groups]
        for name, counter in counters.items():
            figures[f"{name}, {side**2}"] = evaluate(counter, images, true)
    return figures


def mosaic(images, side):
    """Put images side by side, with a gap that keeps objects apart."""
    if side == 1:
        return images[0]
    images = np.pad(images, ((0, 0), (0, 1), (0, 1), *[(0, 0)] * (images.ndim - 3)))
    _, height, width, *channels = images.shape
    grid = images.reshape(side, side, height, width, *channels).swapaxes(1, 2)
    return grid.reshape(side * height, side * width, *channels)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", nargs="+", default=["simulated", "nuclei"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3])
    parser.add_argument("--repeats", type=int, default=40)
    options = parser.parse_args()
    cells = Cells("intervals", recipe=COUNTED)
    if "simulated" in options.data:
        table = []
        for errors, fitted in product(ERRORS, ("20", "10 to 640")):
            key = {"data": "simulated", "errors": errors, "fitted on": fitted}
            measure = partial(simulated, errors, fitted, options.repeats)
            figures = cells.run({**key, "repeats": options.repeats}, measure)["figures"]
            table += [{**key, "objects": mean, **row} for mean, row in figures.items()]
        print(markdown(table, ["errors", "fitted on", "objects", *FIGURES]))
    if "nuclei" in options.data:
        keys = [{"data": "nuclei", "seed": seed, "steps": STEPS} for seed in options.seeds]
        found = [cells.run(key, partial(nuclei, key["seed"]))["figures"] for key in keys]
        table = [{"fitted, times": name, **average([row[name] for row in found]),
                  "each seed": ", ".join(f"{row[name]['coverage']:.2f}" for row in found)}
                 for name in found[0]]  # fmt: skip
        print(markdown(table, ["fitted, times", *FIGURES, "each seed"]))


if __name__ == "__main__":
    main()
