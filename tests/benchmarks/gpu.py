"""How fast a GPU trains, beside what the network alone could do: under ten minutes.

    python tests/benchmarks/gpu.py [--widths 16 64] [--steps 200] [--rounds 3] [--seconds 120]
        [--device cuda]

Steps a second of `SemiSupervisedSegmenter.fit` on EPFL sections (simulated cells where they are
missing), with patches that are warped on the device and on the CPU, by turns, and of the network
alone: forward, loss, backward and optimizer on one batch that is reused. Then IoU of 4 labeled
sections after ``--seconds`` of training, and megapixels a second of `predict`. Prints a table, and
keeps it in ``tests/benchmarks/results/gpu.jsonl``. ``--device cpu --widths 8 --steps 3 --rounds 1
--seconds 5`` tries the script out on a CPU.
"""

import argparse
import time
from unittest.mock import patch

import numpy as np
import torch
from harness import TRAINED, Cells, data_folder, markdown, mitochondria_block, network_steps

from sskseg import SemiSupervisedSegmenter
from sskseg.datasets import make_cells
from sskseg.metrics import iou
from sskseg.segmentation import _training
from sskseg.training import DeviceBatches, PatchBatches, optimize

CLASSES = {"warped on the device": DeviceBatches, "warped on the CPU": PatchBatches}


def images():
    """Sections for training and evaluation, of which 4 are labeled."""
    if (data_folder() / "epfl_mitochondria").is_dir():
        return mitochondria_block()
    X, y = make_cells(48, (512, 512), random_state=0)
    X, y = (255 * X).astype(np.uint8), (y > 0).astype(np.int8)
    known = np.full_like(y[:40], -1)
    known[4::9] = y[:40][4::9]
    return X[:40], known, X[40:], y[40:]


def segmenter(options, width, **budget):
    return SemiSupervisedSegmenter(
        width=width, batch_size=16, device=options.device, random_state=0, **budget
    )


def steps_per_second(kind, options, width):
    """Of the second half of a training, without start-up."""
    X, y, *_ = images()
    labeled = [i for i in range(len(y)) if (y[i] >= 0).all()]
    model = segmenter(options, width, max_steps=options.steps, semi_supervision=None)
    with patch.object(_training, "batches_on", lambda device: CLASSES[kind]):
        model.fit(X[labeled], y[labeled])
    rows = [(row["step"], row["time"]) for row in model.history_ if row["phase"] == "network"]
    half = next((row for row in rows if row[0] >= options.steps // 2), rows[0])
    if rows[-1][0] == half[0]:
        return rows[-1][0] / rows[-1][1]
    return (rows[-1][0] - half[0]) / (rows[-1][1] - half[1])


def network_alone(options, width):
    """Steps a second with one batch that is made once."""
    measured = {}

    def reuse(network, batches, *arguments, **more):
        batch = next(iter(batches))
        start = time.perf_counter()
        history = optimize(network, iter(lambda: batch, None), *arguments, **more)
        measured["steps"] = history[-1]["step"] / (time.perf_counter() - start)
        return history

    X, y, *_ = images()
    labeled = [i for i in range(len(y)) if (y[i] >= 0).all()]
    model = segmenter(options, width, max_steps=options.steps, semi_supervision=None)
    with patch("sskseg.base.optimize", reuse):
        model.fit(X[labeled], y[labeled])
    return measured["steps"]


def accuracy(options, width):
    X, y, X_test, y_test = images()
    model = segmenter(options, width, time_budget=options.seconds, sections="consecutive")
    model.set_params(semi_supervision="auto").fit(X, y)
    start = time.perf_counter()
    masks = model.predict(X_test)
    seconds = time.perf_counter() - start
    return {
        "IoU, 4 labels": iou(y_test > 0, masks > 0),
        "steps": network_steps(model),
        "predict MP/s": X_test.size / seconds / 1e6,
    }


def measure(options, width):
    rates = {kind: [] for kind in CLASSES}
    for _ in range(options.rounds):
        for kind, found in rates.items():
            found.append(steps_per_second(kind, options, width))
    figures = {f"steps/s, {kind}": float(np.median(found)) for kind, found in rates.items()}
    return (
        figures
        | {"steps/s, network alone": network_alone(options, width)}
        | accuracy(options, width)
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--steps", type=int, default=200, help="of a timed training")
    parser.add_argument("--rounds", type=int, default=3, help="by turns")
    parser.add_argument("--seconds", type=float, default=120.0, help="of the training to evaluate")
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("no GPU: --device cpu tries the script out")
    cells = Cells("gpu", recipe=TRAINED)
    for width in options.widths:
        key = {"width": width, **{k: v for k, v in vars(options).items() if k != "widths"}}
        row = cells.run(key, lambda: measure(options, width))  # noqa: B023
        shown = {"width": width, **row["figures"]}
        print(markdown([shown], [*shown]))


if __name__ == "__main__":
    main()
