"""Seconds from a stroke to the answer of `PixelForest` for the image in view.

    python tests/benchmarks/forest.py [--size 1024] [--rounds 5]

Ten strokes, drawn over nuclei and background of an image of 1024 x 1024 pixels (DSB 2018, repeated,
with noise), each a line of 80 pixels, 5 wide. One answer is a fit and the probabilities of the
whole image: with features that are in the cache, as after every stroke but the first, and without,
by turns. Medians of five.
"""

import argparse
import json
import statistics
import time

import numpy as np
from harness import data_folder, machine
from skimage.draw import line
from skimage.morphology import dilation, disk

from sskseg import PixelForest
from sskseg.datasets import load_dsb2018_nuclei


def painted(size, n_strokes=10):
    """An image, and labels of some strokes: -1 where nothing is painted."""
    rng = np.random.default_rng(0)
    X, y = load_dsb2018_nuclei(data_folder() / "dsb2018_nuclei")
    image, label = max(zip(X, y, strict=True), key=lambda pair: pair[1].max())
    repeats = [-(-size // n) for n in image.shape]
    image, label = (np.tile(a, repeats)[:size, :size] for a in (image, label))
    image = image + rng.normal(0, 10, image.shape).astype(np.float32)
    strokes = np.zeros(label.shape, bool)
    for _ in range(n_strokes):
        start = rng.integers(80, size - 80, 2)
        end = start + (80 * np.array(np.sin(rng.uniform(0, 6.3) + np.array([0, 1.57])))).astype(int)
        strokes[line(*start, *end)] = True
    return image, np.where(dilation(strokes, disk(2)), label > 0, -1)


def answer(model, image, label):
    start = time.perf_counter()
    model.fit([image], [label]).transform([image])
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    image, label = painted(options.size)
    kinds = {
        f"{n} trees, {name}": PixelForest(n, cache_size=cache, random_state=0)
        for n in (100, 50)
        for name, cache in (("features in the cache", 1), ("features computed", 0))
    }
    for model in kinds.values():
        answer(model, image, label)
    seconds = {kind: [] for kind in kinds}
    for _ in range(options.rounds):
        for kind, model in kinds.items():
            seconds[kind].append(answer(model, image, label))
    print(json.dumps({
        "size": options.size, "painted pixels": int((label >= 0).sum()), "machine": machine(),
        "seconds": {kind: round(statistics.median(each), 3) for kind, each in seconds.items()},
    }, indent=1))  # fmt: skip


if __name__ == "__main__":
    main()
