"""Calibration of the probabilities of sparse objects: temperature, and slope with offset.

    python tests/benchmarks/calibration.py [--seeds 0 1] [--steps 500] [--images 16] [--table]

Simulated scans of muscle with a few junctions each, about one percent of the pixels. One network is
trained, on three quarters of the labeled images; the others calibrate it in three ways: not at all,
by a temperature, and by a slope with an offset (what the segmenter does). All are tested on other
images: expected calibration error (ECE), Dice of probabilities above 0.5, and the sum of the
probabilities, divided by the area of the junctions. About two minutes a seed. Each finished cell is
kept in ``tests/benchmarks/results/calibration.jsonl``.
"""

import argparse

import numpy as np
from harness import TRAINED, Cells, markdown
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from sskseg import SemiSupervisedSegmenter
from sskseg.datasets import make_neuromuscular_junctions
from sskseg.metrics import dice, expected_calibration_error

SHAPE = (384, 384)
N_TEST = 16
SCANS = {"n_junctions": 4, "radius": 9.0, "noise": 0.2, "bleed_through": 0.3}


def scans(n, seed):
    return make_neuromuscular_junctions(n, SHAPE, random_state=seed, **SCANS)


def temperature(probabilities, y):
    """The calibration without an offset, as slope and offset."""
    logits = logit(np.clip(np.asarray(probabilities, float), 1e-6, 1 - 1e-6))

    def loss(log_slope):
        p = expit(np.exp(log_slope) * logits)
        return -np.mean(np.log(np.where(y > 0, p, 1 - p)))

    return np.exp(minimize_scalar(loss, bounds=np.log([0.25, 4]), method="bounded").x), 0.0


def measure(seed, steps, images):
    X, y = scans(images, 1000 + seed)
    model = SemiSupervisedSegmenter(
        "unet-shuffle", semi_supervision=None, patch_size=128, max_steps=steps,
        validation_fraction=0.25, random_state=seed,
    ).fit(X, y)  # fmt: skip
    fitted, nothing = model.calibration_, np.array([1.0, 0.0])
    held_out = model.validation_indices_
    model.calibration_ = nothing
    found = temperature(model.predict_proba(X[held_out]), y[held_out])
    ways = {"none": nothing, "temperature": np.array(found), "slope and offset": fitted}
    X, y = scans(N_TEST, 2000 + seed)
    return {
        "foreground": float(np.mean(y > 0)),
        **{name: figures(model, calibration, X, y) for name, calibration in ways.items()},
    }


def figures(model, calibration, X, y):
    model.calibration_ = calibration
    p = model.predict_proba(X)
    return {
        "slope": float(calibration[0]),
        "offset": float(calibration[1]),
        "ece": expected_calibration_error(y, p),
        "dice": float(np.mean([dice(*pair) for pair in zip(y, p > 0.5, strict=True)])),
        "sum": float(p.sum(dtype=float) / np.sum(y > 0)),
    }


def table(rows):
    lines = [
        {"seed": row["key"]["seed"], "calibration": name, **values}
        for row in rows
        for name, values in row["figures"].items()
        if isinstance(values, dict)
    ]
    print(markdown(lines, ["seed", "calibration", "slope", "offset", "ece", "dice", "sum"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--table", action="store_true", help="only show what is there")
    options = parser.parse_args()
    cells = Cells("calibration", recipe=TRAINED)
    size = {"steps": options.steps, "images": options.images}
    if not options.table:
        for seed in options.seeds:
            cells.run({"seed": seed, **size}, lambda seed=seed: measure(seed, **size))
    table(cells.rows)


if __name__ == "__main__":
    main()
