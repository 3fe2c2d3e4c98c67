"""Resident memory over many fits of tiny models: what does not come back grows with their number.

    python tests/benchmarks/memory_leak.py [FITS]

Each estimator is fitted, used, saved and loaded 200 times in a process of its own. Reported is the
resident memory every tenth fit, and the slope of a line through the second half of them, in kB a
fit. The curve is drawn to ``tests/benchmarks/results/memory_leak.png`` where matplotlib is.
"""

import gc
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from harness import RESULTS, Cells, markdown, resident

from sskseg import (
    InstanceCounter,
    ProxyPretrainer,
    SemiSupervisedSegmenter,
    SimulatedRefiner,
    pretraining,
    refinement,
)
from sskseg.datasets import make_cells

SMALL = {"width": 4, "depth": 1, "max_steps": 3, "batch_size": 2}
ESTIMATORS = {
    "segmenter": lambda seed: SemiSupervisedSegmenter(random_state=seed, **SMALL),
    "segmenter of sections": lambda seed: SemiSupervisedSegmenter(
        sections="consecutive",
        semi_supervision=("continuity", "self-training"),
        random_state=seed,
        **SMALL,
    ),
    "pretrainer": lambda seed: ProxyPretrainer(("rotation",), random_state=seed, **SMALL),
    "refiner": lambda seed: SimulatedRefiner(random_state=seed, **SMALL),
    "counter": lambda seed: InstanceCounter(),
}
EVERY = 10


def use(name, seed, folder):
    X, y = make_cells(4, (48, 48), random_state=seed)
    X, y[2:] = np.clip(X, 0, 1), -1
    model = ESTIMATORS[name](seed).fit(X, y)
    model.save(folder / "model")
    model = type(model).load(folder / "model")
    model.predict(y.clip(0) if name == "refiner" else X)


def curve(name, fits):
    """Resident megabytes before the first fit, and after every tenth."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    found = []
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(pretraining, "_CROPS", 16),  # what is looked at beside the training
        patch.object(refinement, "_POOL", 16),
    ):
        for seed in range(fits + 1):
            if seed % EVERY == 0:
                gc.collect()
                found.append(resident())
            use(name, seed, Path(folder))
    return found


def measure(name, fits):
    command = [sys.executable, __file__, str(fits), name]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    megabytes = json.loads(output)
    late = megabytes[len(megabytes) // 2 :]
    slope = np.polyfit(np.arange(len(late)) * EVERY, late, 1)[0] if len(late) > 1 else float("nan")
    return {"megabytes": megabytes, "kB a fit": round(float(slope) * 1024, 2)}


def draw(curves):
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        return
    figure, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
    for name, megabytes in curves.items():
        steps = np.arange(len(megabytes)) * EVERY
        ax.plot(steps, np.array(megabytes) - megabytes[1], label=name)
    ax.set(xlabel="fits", ylabel="resident memory since fit 10, MB")
    ax.legend(frameon=False)
    figure.savefig(RESULTS / "memory_leak.png", dpi=120)


def main(fits):
    cells, rows, curves = Cells("memory_leak"), [], {}
    for name in ESTIMATORS:
        figures = cells.run(
            {"estimator": name, "fits": fits}, lambda name=name: measure(name, fits)
        )["figures"]
        curves[name] = figures["megabytes"]
        rows.append({
            "estimator": name,
            "MB before": figures["megabytes"][0],
            "MB after 10": figures["megabytes"][1],
            f"MB after {fits}": figures["megabytes"][-1],
            "kB a fit, second half": figures["kB a fit"],
        })  # fmt: skip
    print(markdown(rows, list(rows[0])))
    draw(curves)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        print(json.dumps(curve(sys.argv[2], int(sys.argv[1]))))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
