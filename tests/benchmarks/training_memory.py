"""Peak memory of self-training with continuity, in bytes for each byte of a stack of uint8.

    python tests/benchmarks/training_memory.py

Stack and labels are there before, and do not count; the network, and statistics of at most four
million pixels, do.
"""

import json
import subprocess
import sys

import numpy as np
import torch
from harness import TRAINED, Cells, markdown, resident

from sskseg import SemiSupervisedSegmenter
from sskseg.segmentation.semi_supervised import Continuity, SelfTraining

SHAPE = (512, 512)
SECTIONS = (64, 128)


def stack_of(n):
    """Discs that drift from section to section, every eighth section labeled."""
    row, column = np.ogrid[: SHAPE[0], : SHAPE[1]]
    y = np.full((n, *SHAPE), -1, np.int8)
    X = np.empty((n, *SHAPE), np.uint8)
    rng = np.random.default_rng(0)
    for z in range(n):
        inside = ((row % 64 - 32) ** 2 + ((column + z) % 64 - 32) ** 2) < 400
        X[z] = 60 + 120 * inside + rng.integers(0, 40, SHAPE, dtype=np.uint8)
        if z % 8 == 0:
            y[z] = inside
    return X, y


def fit(n):
    """Resident megabytes before, and at most during, a fit of `n` sections."""
    torch.set_num_threads(1)
    X, y = stack_of(n)
    segmenter = SemiSupervisedSegmenter(
        sections="consecutive", semi_supervision=[SelfTraining(), Continuity(max_steps=8)],
        width=4, depth=1, patch_size=64, batch_size=2, max_steps=40, precision="float32",
        random_state=0, validation_fraction=0.0,
    )  # fmt: skip
    segmenter.fit(X[:8], y[:8])  # loads what is loaded once
    del segmenter.transduction_
    with open("/proc/self/clear_refs", "w") as file:  # the peak so far is forgotten
        file.write("5")
    before = resident("VmRSS")
    segmenter.fit(X, y)
    assert segmenter.continuity_ is not None
    return before, resident("VmHWM")


def peaks():
    figures = {}
    for n in SECTIONS:
        output = subprocess.run(
            [sys.executable, __file__, "--sections", str(n)], capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        before, most = json.loads(output.stdout.splitlines()[-1])
        megabytes = n * SHAPE[0] * SHAPE[1] / 2**20
        figures[f"bytes for each byte, {n} sections"] = (most - before) / megabytes
    return figures


if __name__ == "__main__":
    if "--sections" in sys.argv:
        print(json.dumps(fit(int(sys.argv[-1]))))
        sys.exit()
    cell = Cells("training_memory", recipe=TRAINED).run({"task": "peak memory"}, peaks)
    rows = [{"what": name, "value": value} for name, value in cell["figures"].items()]
    print(markdown(rows, ["what", "value"]))
