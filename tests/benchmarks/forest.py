"""Seconds from a stroke to the answer of the forest for the image in view.

    python tests/benchmarks/forest.py [--size 1024] [--rounds 5]

Ten strokes, drawn over nuclei and background of an image of 1024 x 1024 pixels (DSB 2018, repeated,
with noise), each a line of 80 pixels, 5 wide. One answer is a training and the probabilities of the
whole image: of the window, 30 trees, after a stroke, and the first one, for which features are
computed; and of `PixelForest` with more trees. By turns; medians of five. `taskset -c 0` measures
on one core.
"""

import argparse
import os
import statistics
import time

import numpy as np
from harness import Cells, data_folder
from skimage.draw import line
from skimage.morphology import dilation, disk

from sskseg import PixelForest
from sskseg.datasets import load_dsb2018_nuclei
from sskseg.napari import ForestView, Session, View


def drawn(size, n_strokes=10):
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


def window_answer(forest, session, painted, region):
    """Seconds of the window from a change of what is painted to the whole answer."""
    start = time.perf_counter()
    session.paint("image", painted)
    forest.request({"image": View(None, region)})
    forest.wait()
    return time.perf_counter() - start


def measure(size, rounds):
    image, label = drawn(size)
    region = (slice(0, size), slice(0, size))
    painted = np.where(label < 0, 0, 1 + label)
    session = Session()
    session.add("image", image)
    forest = ForestView(session)
    window_answer(forest, session, painted, region)
    estimators = {
        f"{n} trees, {name}": PixelForest(n, cache_size=cache, random_state=0)
        for n in (50, 100)
        for name, cache in (("features in memory", 4), ("features computed", 0))
    }
    for model in estimators.values():
        model.fit([image], [label]).transform([image])
    seconds = {kind: [] for kind in ("window, a stroke", "window, the first answer", *estimators)}
    for _ in range(rounds):
        for kind, one in (
            ("window, a stroke", forest), ("window, the first answer", ForestView(session)),
        ):  # fmt: skip
            session.paint("image", np.zeros_like(painted))
            seconds[kind].append(window_answer(one, session, painted, region))
        for kind, model in estimators.items():
            start = time.perf_counter()
            model.fit([image], [label]).transform([image])
            seconds[kind].append(time.perf_counter() - start)
    return {"painted pixels": int((label >= 0).sum())} | {
        kind: round(statistics.median(each), 3) for kind, each in seconds.items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    key = {"size": options.size, "cores": len(os.sched_getaffinity(0))}
    Cells("forest").run(key, lambda: measure(options.size, options.rounds))


if __name__ == "__main__":
    main()
