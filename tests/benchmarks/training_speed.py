"""Steps per second of training, paired with another checkout of the library.

    python tests/benchmarks/training_speed.py --other PATH_OF_ANOTHER_CHECKOUT [--rounds 7]

Both checkouts train in turn, each time in a process of its own, with the same seed, images and
number of steps: supervised on independent images, and self-training with continuity on sections
(EPFL mitochondria). The ratios of each pair count; single figures depend on what else the machine
does. Prediction is timed in the same processes.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from harness import data_folder, in_process, markdown

TASKS = ("supervised", "sections")
HERE = Path(__file__).resolve().parents[2]


def train(task, steps):
    """Steps per second of `fit`, and megapixels per second of `predict`, in this process."""
    from sskseg import SemiSupervisedSegmenter
    from sskseg.datasets import load_epfl_mitochondria

    X, y = load_epfl_mitochondria(data_folder() / "epfl_mitochondria", split="train")
    X, y = X[:24, :512, :512], y[:24, :512, :512].astype(int)
    options = {"semi_supervision": None}
    if task == "sections":
        y[[i for i in range(24) if i not in (6, 18)]] = -1
        options = {
            "semi_supervision": ("self-training", "continuity"), "sections": "consecutive",
        }  # fmt: skip
    model = SemiSupervisedSegmenter(max_steps=steps, random_state=0, **options)
    start = time.perf_counter()
    model.fit(X, y)
    seconds = time.perf_counter() - start
    network = [row for row in model.history_ if row.get("phase", row.get("stage")) == "network"]
    start = time.perf_counter()
    probability = model.predict_proba(X)
    predicting = time.perf_counter() - start
    return {
        "steps/s": steps / network[-1]["time"],
        "fit s": seconds,
        "predict Mpixel/s": X.size / predicting / 1e6,
        "mean probability": float(np.mean(probability)),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--other", type=Path, help="root of another checkout")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--task", choices=TASKS, help="train here, once")
    options = parser.parse_args()
    if options.task:
        print(json.dumps(train(options.task, options.steps)))
        return
    rows = []
    for task in TASKS:
        pairs = [
            [
                in_process(checkout, __file__, task=task, steps=options.steps)
                for checkout in (HERE, options.other)
            ]
            for _ in range(options.rounds)
        ]
        same = all(a["mean probability"] == b["mean probability"] for a, b in pairs)
        for name in ("steps/s", "fit s", "predict Mpixel/s"):
            ours, theirs = ([pair[i][name] for pair in pairs] for i in (0, 1))
            ratios = np.divide(ours, theirs)
            rows.append({
                "task": task, "figure": name, "here": float(np.median(ours)),
                "other": float(np.median(theirs)), "ratio": float(np.median(ratios)),
                "least": float(ratios.min()), "most": float(ratios.max()), "same bits": same,
            })  # fmt: skip
    print(markdown(rows, list(rows[0])))


if __name__ == "__main__":
    main()
