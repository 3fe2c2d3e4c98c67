"""Accuracy after as many steps, paired with another checkout of the library.

    python tests/benchmarks/learning_changes.py --other PATH_OF_ANOTHER_CHECKOUT [--steps 300]

Both checkouts train in turn, each time in a process of its own, with the same seed, images and
number of steps: nuclei (60 labeled images, supervised) and mitochondria (four labeled of 24
sections, "auto"). F1 at IoU 0.5 of objects, Dice at probability 0.5, expected calibration error
(ECE) and the sum of probabilities relative to the true area, all of test images.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from harness import data_folder, foreground, in_process, markdown
from harness import nuclei as load_nuclei

TASKS = ("nuclei", "mitochondria")
HERE = Path(__file__).resolve().parents[2]


def nuclei(steps, seed):
    from sklearn.pipeline import make_pipeline

    from sskseg import InstanceCounter, PercentileScaler, SemiSupervisedSegmenter

    X, y, X_test, y_test = load_nuclei()
    X, y, X_test, y_test = X[:60], y[:60], X_test[:50], y_test[:50]
    options = {"max_steps": steps, "random_state": seed, "semi_supervision": None}
    segmenter = SemiSupervisedSegmenter("unet-shuffle", **options)
    model = make_pipeline(PercentileScaler(scope="image"), segmenter, InstanceCounter())
    model.fit(X, y)
    probabilities = model[:-1].transform(X_test)
    return [foreground(p) for p in probabilities], y_test, model[-1].label(probabilities)


def mitochondria(steps, seed):
    from sskseg import SemiSupervisedSegmenter
    from sskseg.datasets import load_epfl_mitochondria

    X, y = load_epfl_mitochondria(data_folder() / "epfl_mitochondria", split="train")
    X_test, y_test = load_epfl_mitochondria(data_folder() / "epfl_mitochondria", split="test")
    y = y[:24].astype(int)
    y[[i for i in range(24) if i not in (3, 9, 15, 21)]] = -1
    model = SemiSupervisedSegmenter(max_steps=steps, random_state=seed, sections="consecutive")
    model.fit(X[:24], y)
    return model.predict_proba(X_test[:12]), y_test[:12], None


def figures(task, steps, seed):
    from sskseg.metrics import dice, expected_calibration_error, f1_instances

    probabilities, truths, labels = {"nuclei": nuclei, "mitochondria": mitochondria}[task](
        steps, seed
    )
    pairs = list(zip(truths, probabilities, strict=True))
    found = {
        "Dice": np.mean([dice(np.sign(true), p > 0.5) for true, p in pairs]),
        "ECE": expected_calibration_error(
            np.concatenate([(t > 0).ravel() for t in truths]).astype(int),
            np.concatenate([p.ravel() for p in probabilities]),
        ),
        "area": sum(float(p.sum()) for p in probabilities) / sum((t > 0).sum() for t in truths),
    }
    if labels is not None:
        found["F1"] = f1_instances(list(truths), list(labels))
    return {name: float(value) for name, value in found.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--other", type=Path, help="root of another checkout")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--task", choices=TASKS, help="train here, once")
    options = parser.parse_args()
    if options.task:
        print(json.dumps(figures(options.task, options.steps, options.seed)))
        return
    rows = []
    for task in TASKS:
        for seed in (0, 1):
            for name, checkout in (("here", HERE), ("other", options.other)):
                found = in_process(checkout, __file__, task=task, steps=options.steps, seed=seed)
                rows.append({"task": task, "seed": seed, "checkout": name, "F1": "", **found})
    print(markdown(rows, list(rows[0])))


if __name__ == "__main__":
    main()
