"""The picture on the first screen of the README: images, probabilities, objects with their counts.

    python tests/benchmarks/overview.py [--steps 400] [--out docs/images/overview.png]

Mitochondria in electron-microscope sections (EPFL, 8 of 32 sections labeled), fluorescent nuclei
(DSB 2018, 12 of 20 images labeled) and simulated neuromuscular junctions (6 of 10 scans labeled).
What is shown was not labeled in training. ``--steps`` is the length of each training.
"""

import argparse
from io import BytesIO
from pathlib import Path

import numpy as np
from harness import data_folder, foreground
from matplotlib.figure import Figure
from PIL import Image
from sklearn.pipeline import make_pipeline

from sskseg import InstanceCounter, PercentileScaler, SemiSupervisedSegmenter
from sskseg.counting import Watershed
from sskseg.datasets import (
    load_dsb2018_nuclei,
    load_epfl_mitochondria,
    make_neuromuscular_junctions,
)
from sskseg.morphology import label_objects
from sskseg.report import ProbabilityDisplay, SegmentationDisplay

OUT = Path(__file__).resolve().parents[2] / "docs" / "images" / "overview.png"
MOST_BYTES = 300_000
ASPECT = 1.6


def mitochondria():
    X, y = load_epfl_mitochondria(data_folder() / "epfl_mitochondria")
    part = slice(20, 52), slice(32, 416), slice(384)
    X, y = X[part], y[part]
    counter = InstanceCounter(
        Watershed(smoothing=3.0), sections="consecutive", spacing=(0.005,) * 3
    )
    return X, y, list(range(2, 32, 4)), 16, counter, {"sections": "consecutive"}


def nuclei():
    X, y = load_dsb2018_nuclei(data_folder() / "dsb2018_nuclei")
    rows = np.random.default_rng(1).permutation([i for i, x in enumerate(X) if max(x.shape) <= 360])
    X, y = [X[i] for i in rows[:20]], [y[i] for i in rows[:20]]
    return X, y, list(range(12)), 12, InstanceCounter(), {}


def junctions():
    X, y = make_neuromuscular_junctions(10, (192, 192), random_state=0)
    counter = InstanceCounter(fill_holes=False)
    return list(X), list(y), list(range(6)), 7, counter, {}


def predicted(make, steps):
    """Return image, reference, probability and objects of a sample unlabeled in training."""
    X, y, labeled, shown, counter, options = make()
    known = [label if i in labeled else None for i, label in enumerate(y)]
    model = make_pipeline(
        PercentileScaler(scope="dataset" if options else "image"),
        SemiSupervisedSegmenter(patch_size=128, max_steps=steps, random_state=0, **options),
        counter,
    ).fit(X, known)
    outputs = model[:-1].transform(X)
    probabilities = [foreground(np.asarray(each)) for each in outputs]
    labels = model[-1].transform(outputs)
    return [middle(np.asarray(each[shown])) for each in (X, y, probabilities, labels)]


def middle(plane):
    """A part that is wider than high, since a screen is."""
    height = round(plane.shape[1] / ASPECT)
    first = (plane.shape[0] - height) // 2
    return plane[first : first + height]


def draw(rows, names, spacings):
    figure = Figure(figsize=(9, 6.3), dpi=100, layout="constrained")
    axes = figure.subplots(3, 3)
    for row, (image, reference, probability, labels), name, spacing in zip(
        axes, rows, names, spacings, strict=True
    ):
        panels = ProbabilityDisplay(images=[image], probability=[probability], spacing=spacing)
        panels.plot(row)
        SegmentationDisplay.from_predictions([image], None, [labels], ax=row[2])
        row[2].get_legend().remove()
        n, of = (len(np.unique(x[x > 0])) for x in (labels, label_objects(reference)))
        row[0].set_title(name, fontsize=11)
        row[1].set_title("foreground probability", fontsize=11)
        row[2].set_title(f"{n} objects ({of} in the reference)", fontsize=11)
        print(f"{name}: {n} objects, {of} in the reference")
    for extra in figure.axes[9:]:
        extra.remove()  # color bars: the picture is seen small
    return figure


def save(figure, path):
    """As many colors as fit into the size that a README may have."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    image = Image.open(buffer).convert("RGB")
    for colors in (256, 128, 64, 32):
        small = BytesIO()
        image.quantize(colors).save(small, format="png", optimize=True)
        if small.tell() <= MOST_BYTES:
            break
    path.write_bytes(small.getvalue())
    print(f"{path}: {small.tell()} bytes, {colors} colors")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    rows = [predicted(make, options.steps) for make in (mitochondria, nuclei, junctions)]
    names = (
        "mitochondria, 8 of 32 sections labeled",
        "nuclei, 12 of 20 images labeled",
        "junctions, 6 of 10 scans labeled",
    )
    save(draw(rows, names, ((0.005, 0.005), None, None)), options.out)


if __name__ == "__main__":
    main()
