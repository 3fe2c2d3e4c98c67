"""Peak memory of `predict` on a dask array, for a stack and one eight times as long; and dask
against memory.

    python tests/benchmarks/memory.py

Each stack is predicted in a process of its own; sections are made when they are wanted, and the
result is reduced block by block.
"""

import json
import subprocess
import sys

import dask.array as da
import numpy as np
import torch
from harness import TRAINED, Cells, data_folder, markdown, resident

from sskseg import SemiSupervisedSegmenter
from sskseg.datasets import load_epfl_mitochondria, make_cells

SHAPE = (768, 1024)
SECTIONS = (16, 128)


def section(block_id):
    return np.random.default_rng(block_id[0]).integers(0, 255, (1, *SHAPE), dtype=np.uint8)


def predict_stack(n):
    """Peak resident megabytes of this process after predicting `n` sections."""
    torch.set_num_threads(2)
    X, y = make_cells(2, (128, 128), random_state=0)
    model = SemiSupervisedSegmenter(
        semi_supervision=None,
        sections="consecutive",
        max_steps=2,
        random_state=0,
        validation_fraction=0.0,
    ).fit(X, y)
    stack = da.map_blocks(
        lambda block_info=None, block_id=None: section(block_id),
        chunks=((1,) * n, (SHAPE[0],), (SHAPE[1],)),
        dtype=np.uint8,
        meta=np.empty((0, 0, 0), np.uint8),
    )
    model.predict(stack).sum(axis=(1, 2), dtype=np.int64).compute(
        scheduler="threads", num_workers=2
    )
    return resident("VmHWM")


def peaks():
    figures = {}
    for n in SECTIONS:
        output = subprocess.run(
            [sys.executable, __file__, "--sections", str(n)], capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        figures[f"MB, {n} sections"] = json.loads(output.stdout.splitlines()[-1])
    small, large = figures.values()
    return figures | {"ratio": large / small}


def agreement():
    """Largest difference in probability, and share of differing mask pixels, dask against
    memory."""
    folder = data_folder() / "epfl_mitochondria"
    X, y = load_epfl_mitochondria(folder, split="train")
    model = SemiSupervisedSegmenter(
        semi_supervision=None, sections="consecutive", time_budget=60, random_state=0
    ).fit(X[:60], np.where(np.arange(60)[:, None, None] % 10 == 0, y[:60].astype(int), -1))
    big = np.concatenate([np.concatenate(list(X[60:64]), axis=1)[None]] * 2, axis=1).repeat(3, 0)
    figures = {"shape": list(big.shape)}
    for precision in ("float32", "bfloat16"):
        model.set_params(precision=precision)
        memory = model.predict_proba(big)
        for chunks in ((1, 500, 700), (3, 768, 1024), (2, 1536, 1111)):
            lazy = model.predict_proba(da.from_array(big, chunks=chunks)).compute(scheduler="sync")
            name = f"{precision}, chunks {chunks}"
            figures[f"{name}: probability"] = float(np.abs(lazy - memory).max())
            figures[f"{name}: mask"] = float(((lazy > 0.5) != (memory > 0.5)).mean())
    return figures


if __name__ == "__main__":
    if "--sections" in sys.argv:
        print(json.dumps(predict_stack(int(sys.argv[-1]))))
        sys.exit()
    for task, run in (("peak memory", peaks), ("dask against memory", agreement)):
        cell = Cells("memory", recipe=TRAINED).run({"task": task}, run)
        rows = [{"what": name, "value": value} for name, value in cell["figures"].items()]
        print(markdown(rows, ["what", "value"]))
