"""A session of the window, played by a script: strokes on three images, forest and network.

    python tests/benchmarks/window.py [--seeds 0 1 2] [--seconds 10 60 300] [--trained-only]

Nuclei of DSB 2018. Three images of 256 x 256 pixels are drawn from the training part, and five
strokes are painted on each: two on the background, and three through the middle of nuclei, none of
which crosses a border. No region is complete. The forest is that of the window, `ForestView`,
which equals `PixelForest` with 30 trees. The network is trained as the button "Train" does it,
once for each number of seconds, from random weights and from a trained model that has seen no real
image. ("nuclei", which the window may choose, was trained on most images of this data set.)
Objects are those of `InstanceCounter`, with the minimum size that the window takes from strokes.
Both are evaluated on the three images themselves, and on 40 images of the test part. "Shown" is
what the window shows: the forest until the network has caught up.
"""

import argparse
import time
from contextlib import suppress
from functools import partial

import numpy as np
from harness import Cells, foreground, nuclei, quality
from scipy.ndimage import distance_transform_edt
from skimage.draw import line
from skimage.morphology import dilation, disk
from sklearn.pipeline import make_pipeline

from sskseg import InstanceCounter
from sskseg.metrics import dice
from sskseg.napari import ForestView, Session, Training, View
from sskseg.napari.annotations import BACKGROUND, OBJECTS
from sskseg.napari.calibration import stroke_size

CLASSES = (BACKGROUND, OBJECTS, OBJECTS, BACKGROUND, OBJECTS)  # of the strokes on an image
HALF_LENGTHS = {BACKGROUND: 40, OBJECTS: 10}  # pixels
N_TEST = 40
STARTS = ("cells-simulated", None)  # it learned from simulated images: it knows no nuclei of these


def stroke(labels, kind, rng):
    """The pixels of a stroke, 5 wide: through the middle of a nucleus, or on the background."""
    if kind == OBJECTS:
        region = labels == rng.choice(np.unique(labels[labels > 0]))
        depth = distance_transform_edt(region)
        middle = np.unravel_index(depth.argmax(), depth.shape)
    else:
        region = labels == 0
        middle = rng.permutation(np.argwhere(region))[0]
    angle, half = rng.uniform(0, np.pi), HALF_LENGTHS[kind]
    offset = np.round(half * np.array([np.sin(angle), np.cos(angle)])).astype(int)
    rows, columns = line(*(middle - offset), *(middle + offset))
    inside = (rows >= 0) & (columns >= 0) & (rows < labels.shape[0]) & (columns < labels.shape[1])
    drawn = np.zeros(labels.shape, bool)
    drawn[rows[inside], columns[inside]] = True
    return dilation(drawn, disk(2)) & region


def painted_images(seed):
    """Three images, their labels, and what is painted after each stroke: a list of five."""
    rng = np.random.default_rng(seed)
    X, y, _, _ = nuclei()
    fitting = [i for i, x in enumerate(X) if x.shape == (256, 256) and y[i].max() >= 10]
    for i in rng.choice(fitting, 3, replace=False):
        painted, states = np.zeros(y[i].shape, np.int32), []
        for kind in CLASSES:
            painted = np.where(stroke(y[i], kind, rng), kind, painted)
            states.append(painted)
        yield X[i], y[i], states


def full_session(seed):
    session = Session()
    for number, (image, _, states) in enumerate(painted_images(seed)):
        session.add(f"nuclei {number}", image)
        session.paint(f"nuclei {number}", states[-1])
    return session


def scores(model, X, y):
    """Dice of the foreground, and F1 and count errors of objects."""
    probabilities = list(model[:-1].transform(X))
    found = model[-1].transform(probabilities)
    overlap = [dice(label > 0, foreground(p) > 0.5) for label, p in zip(y, probabilities)]
    return {"dice": float(np.mean(overlap)), **quality(y, found)}


def both(model, seed):
    """Scores of the three images themselves, and of held-out images."""
    images, labels, _ = zip(*painted_images(seed))
    _, _, X, y = nuclei()
    own = scores(model, list(images), labels)
    held_out = scores(model, X[:N_TEST], y[:N_TEST])
    return {**held_out, "own dice": own["dice"], "own f1": own["f1_0.5"], "own wape": own["wape"]}


def forest(seed):
    """The forest, and seconds from the last stroke on an image to its whole answer."""
    session, seconds = Session(), []
    window = ForestView(session)
    for number, (image, _, states) in enumerate(painted_images(seed)):
        name = f"nuclei {number}"
        session.add(name, image)
        for painted in states:
            start = time.perf_counter()
            session.paint(name, painted)
            window.request({name: View(None, tuple(slice(0, n) for n in image.shape))})
            with suppress(ValueError):  # until both classes are painted
                window.wait()
                seconds.append(time.perf_counter() - start)
    _, y, _ = session.training_data()
    counter = InstanceCounter(min_size=stroke_size(y)).fit(window.forest.transform(session.stack()))
    return {
        "seconds to the first answer": round(seconds[0], 3),
        "seconds to an answer": round(float(np.median(seconds)), 3),
        **both(make_pipeline(window.forest, counter), seed),
    }


def network(seed, seconds, start_from):
    training = Training(
        full_session(seed), time_budget=float(seconds), random_state=0, start_from=start_from
    )
    start = time.perf_counter()
    training.start()
    training.wait()
    shown = time.perf_counter() - start  # with the predictions of the three images
    figures = {"seconds to the answer": round(shown, 1), **both(training.model, seed)}
    if training.comparison is not None:
        network, forest = training.comparison
        figures |= {"squared error": network, "squared error of the forest": forest}
        figures["shown"] = "forest" if training.comparison.is_network_behind else "network"
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--seconds", type=int, nargs="+", default=[10, 60, 300])
    parser.add_argument("--trained-only", action="store_true", help="no random weights")
    options = parser.parse_args()
    starts = STARTS[:1] if options.trained_only else STARTS
    results = Cells("window")
    for seed in options.seeds:
        results.run({"method": "PixelForest", "seed": seed}, partial(forest, seed))
        for seconds in options.seconds:
            for start_from in starts:
                method = f"network, from {start_from or 'random weights'}"
                key = {"method": method, "training": seconds, "seed": seed}
                results.run(key, partial(network, seed, seconds, start_from))


if __name__ == "__main__":
    main()
