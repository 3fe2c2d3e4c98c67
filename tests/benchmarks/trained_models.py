"""Train the pipelines that come with the package, and write them with their cards.

    python tests/benchmarks/trained_models.py nuclei [--steps 8000] [--segmenter FILE]

Writes ``sskseg/models/trained/NAME.sskseg`` and ``NAME.json``. Figures of the card are those of
images that the model was not trained on, as the written file predicts them. ``--segmenter`` takes a
segmenter that was trained before (``--keep FILE`` writes it). Data are those of `SSKSEG_DATA`.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from harness import data_folder, machine, quality
from skimage.io import imread
from sklearn.pipeline import Pipeline

import sskseg
from sskseg import DomainCheck, InstanceCounter, PercentileScaler, SemiSupervisedSegmenter
from sskseg.datasets import load_dsb2018_nuclei, make_neuromuscular_junctions
from sskseg.models import load_model, save_model
from sskseg.simulation import CellSimulator

FOLDER = Path(sskseg.__file__).parent / "models" / "trained"
N_HELD_OUT = 60


@dataclass
class Recipe:
    """How a model is made."""

    load: Callable  # () -> training images, labels, held-out images, labels
    steps: int
    summary: str
    images: str
    data: str
    limits: list[str]
    unlike: Callable = dict  # () -> images of other kinds, by name
    real: Callable | None = None  # () -> {name: (images, labels)}: learned from simulated ones only


def shuffled(X, y):
    order = np.random.default_rng(0).permutation(len(X))
    return [X[i] for i in order], [y[i] for i in order]


def fluorescence():
    """DSB 2018: 60 of the images, in a random order, are held out."""
    X, y = shuffled(*load_dsb2018_nuclei(data_folder() / "dsb2018_nuclei"))
    test, first = slice(60, 60 + N_HELD_OUT), slice(0, 60)
    rest = slice(test.stop, None)
    return X[first] + X[rest], y[first] + y[rest], X[test], y[test]


def other_nuclei(color):
    """The other kinds of nuclei of the same set: stained ones (RGB) or bright-field ones (gray)."""
    folder = data_folder() / "dsb2018_other"
    names = sorted(path.name for path in (folder / "images").glob("*.png"))
    X, y = ([imread(folder / kind / name) for name in names] for kind in ("images", "masks"))
    chosen = [i for i, image in enumerate(X) if (image.ndim == 3) == color]
    return [X[i] for i in chosen], [y[i].astype(np.int32) for i in chosen]


def stained():
    """Stained nuclei: 14 of 54 images are held out."""
    X, y = shuffled(*other_nuclei(color=True))
    return X[14:], y[14:], X[:14], y[:14]


def random_cells(n, seed):
    """Cells of simulators whose parameters are drawn at random (domain randomization)."""
    rng = np.random.default_rng(seed)
    X, y = [], []
    for _ in range(n):
        low, high = sorted(rng.uniform(0.05, 0.95, 2))
        high = max(high, low + 0.15)
        radius = np.exp(rng.uniform(np.log(4), np.log(20)))
        simulator = CellSimulator(
            shape=(256, 256), radius=radius, coverage=rng.uniform(0.02, 0.6),
            radius_spread=rng.uniform(0.1, 0.5), elongation=rng.uniform(1.1, 2.5),
            roughness=rng.uniform(0.02, 0.12), overlap=rng.uniform(0, 0.4),
            foreground=high, background=low, foreground_spread=rng.uniform(0.1, 0.5),
            texture=rng.uniform(0.02, 0.4), background_spread=rng.uniform(0, 0.25) * (high - low),
            background_texture=tuple(rng.uniform(0, 0.1, 6) * (high - low)),
            psf=rng.uniform(0.5, 2.5), noise=rng.uniform(0.01, 0.2) * (high - low),
            defocus=rng.uniform(0, 2),
        )  # fmt: skip
        image, label = simulator.sample(1, int(rng.integers(2**31)))
        X.append(image[0])
        y.append(label[0])
    return X, y


def real_cells():
    """Bright on dark: images that no simulator was fitted to."""
    folder = data_folder() / "nissl_rat_cortex"
    images, masks = (
        [imread(p) for p in sorted((folder / k).iterdir())] for k in ("images", "masks")
    )
    tissue, labels = other_nuclei(color=True)
    return {
        "60 images of fluorescence nuclei": fluorescence()[2:],
        "Nissl-stained cortex (3 images), in gray, inverted": (
            inverted(images), [mask.astype(np.int32) for mask in masks],
        ),
        f"stained tissue ({len(tissue)} images), in gray, inverted": (inverted(tissue), labels),
    }  # fmt: skip


def inverted(images):
    return [np.round(255 - image[..., :3].mean(-1)).astype(np.uint8) for image in images]


def simulated_cells():
    X, y = random_cells(400, 0)
    return X, y, *random_cells(40, 1)


def random_junctions(n, seed):
    """Scans of muscle whose parameters are drawn at random."""
    rng = np.random.default_rng(seed)
    X, y = [], []
    for _ in range(n):
        image, label = make_neuromuscular_junctions(
            1, (256, 256), radius=np.exp(rng.uniform(np.log(7), np.log(24))),
            fragmentation=rng.uniform(0.1, 0.9), bleed_through=rng.uniform(0, 0.4),
            noise=rng.uniform(0.02, 0.25), random_state=int(rng.integers(2**31)),
        )  # fmt: skip
        X.append(image[0])
        y.append(label[0])
    return X, y


def simulated_junctions():
    X, y = random_junctions(300, 0)
    return X, y, *random_junctions(40, 1)


def unlike_nuclei():
    gray = [np.round(image.mean(-1)).astype(np.uint8) for image in other_nuclei(color=True)[0]]
    return {"stained nuclei, in gray": gray, "bright-field nuclei": other_nuclei(color=False)[0]}


CC0 = "Data Science Bowl 2018, stage 1 (BBBC038, CC0)"
RECIPES = {
    "nuclei": Recipe(
        fluorescence, 8000, "Counts nuclei in fluorescence images.",
        "fluorescence, bright nuclei on a dark background, 7 to 50 pixels wide; one channel",
        f"{CC0}: 211 of 271 gray fluorescence images; 60 were held out",
        ["not for bright-field images or stained tissue: use another model, or train your own",
         "nuclei that overlap in a projection are separated only by the shape of their outline"],
        unlike_nuclei,
    ),
    "nuclei-stained": Recipe(
        stained, 3000, "Counts nuclei in stained tissue (RGB).",
        "bright-field RGB of stained tissue, such as hematoxylin and eosin",
        f"{CC0}: 40 of 54 images of stained tissue; 14 were held out",
        ["trained on few images of few tissues: check counts by eye before you trust them"],
    ),
    "cells-simulated": Recipe(
        simulated_cells, 4000,
        "Counts bright cells on a dark background; trained on simulated images only.",
        "one channel, bright cells of 8 to 40 pixels on a darker background",
        "400 images of CellSimulator with random parameters; no real image",
        ["for a start without labels: models trained on labels of your images are better, and much "
         "better if these differ from the simulated images",
         "has no domain check: real images always differ from its simulated training images"],
        real=real_cells,
    ),
    "junctions-simulated": Recipe(
        simulated_junctions, 3000,
        "Counts neuromuscular junctions; trained on simulated images only.",
        "single planes with two channels, junctions and autofluorescence; junctions 14 to 50 "
        "pixels wide",
        "300 images of make_neuromuscular_junctions with random parameters; no real image",
        ["never compared with labels of real muscle",
         "counts single planes: a junction in several planes is counted in each of them",
         "has no domain check: real images always differ from its simulated training images"],
        real=dict,
    ),
}  # fmt: skip


def train(recipe, steps, X, y):
    """A segmenter, and the scaled images."""
    scaler = PercentileScaler(scope="image").fit(X)
    segmenter = SemiSupervisedSegmenter(random_state=0, semi_supervision=None, max_steps=steps)
    return segmenter.fit(scaler.transform(X), y)


def assemble(segmenter, X, y, *, check):
    """The pipeline, with a domain check or without.

    Fitted to the nuclei of the validation set alone, which the network was not trained on, the
    counter has fewer cuts to learn from: F1 is 0.912 instead of 0.917.
    """
    scaler = PercentileScaler(scope="image").fit(X)
    counter = InstanceCounter().fit(segmenter.transform(scaler.transform(X)), y)
    segmenter.set_params(max_steps=None)
    first = [("check", DomainCheck().fit(X))] if check else []
    return Pipeline([*first, ("scaler", scaler), ("segmenter", segmenter), ("counter", counter)])


def milliseconds(model, channels):
    """Median time to count one image of 256 x 256 pixels."""
    image = np.random.default_rng(0).random((1, 256, 256, *channels)).astype(np.float32)
    times = []
    for _ in range(15):
        start = time.perf_counter()
        model.predict(image)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def evaluate(model, recipe, X, y):
    """Scores on held-out images, and shares of images that the domain check warns about."""
    check, model = (model[0], model[1:]) if recipe.real is None else (None, model)
    rows = []
    for name, augmented in (("", False), (", segmenter__test_time_augmentation=True", True)):
        model.set_params(segmenter__test_time_augmentation=augmented)
        rows.append({"data": f"{len(X)} held-out images{name}", **scores(model, X, y)})
    model.set_params(segmenter__test_time_augmentation=False)
    if check is None:
        rows += [{"data": name, **scores(model, *pair)} for name, pair in recipe.real().items()]
        return rows
    share = float((check.predict(X) == -1).mean())
    rows.append({"data": "held-out images", "share with a domain warning": round(share, 3)})
    for name, images in recipe.unlike().items():
        share = float((check.predict(images) == -1).mean())
        rows.append({"data": name, "share with a domain warning": round(share, 3)})
    return rows


def scores(model, X, y):
    found = quality(y, list(model.transform(X)))
    figures = {
        "F1 at IoU 0.5": found["f1_0.5"],
        "F1 at 0.7 and 0.8, mean": (found["f1_0.7"] + found["f1_0.8"]) / 2,
        "AP at 0.5": found["ap"], "count error": found["wape"],
    }  # fmt: skip
    return {name: round(float(value), 3) for name, value in figures.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=sorted(RECIPES))
    parser.add_argument("--steps", type=int)
    parser.add_argument("--segmenter", help="a segmenter that was trained before")
    parser.add_argument("--keep", help="where to write the segmenter before the counter is fitted")
    options = parser.parse_args()
    recipe = RECIPES[options.name]
    X, y, X_test, y_test = recipe.load()
    if options.segmenter:
        segmenter = SemiSupervisedSegmenter.load(options.segmenter)
    else:
        segmenter = train(recipe, options.steps or recipe.steps, X, y)
        if options.keep:
            segmenter.save(options.keep)
    steps = max(row["step"] for row in segmenter.history_)
    path = FOLDER / f"{options.name}.sskseg"
    save_model(assemble(segmenter, X, y, check=recipe.real is None), path, half_precision=True)
    figures = evaluate(load_model(path), recipe, X_test, y_test)
    card = {
        "name": options.name,
        "summary": recipe.summary,
        "images": recipe.images,
        "data": recipe.data,
        "command": f"python tests/benchmarks/trained_models.py {options.name} --steps {steps}",
        "figures": figures,
        "limits": recipe.limits,
    }
    text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    (FOLDER / f"{options.name}.json").write_text(text, "utf-8")
    model = load_model(path)
    speed = milliseconds(model[1:] if recipe.real is None else model, np.shape(X_test[0])[2:])
    print(text, f"{path.stat().st_size / 1e6:.2f} MB, {speed:.0f} ms for 256 x 256, {machine()}")


if __name__ == "__main__":
    main()
