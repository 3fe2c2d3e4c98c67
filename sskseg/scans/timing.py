"""How long the tasks of a scan take: measured on one block."""

from __future__ import annotations

import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np

from ..io.storage import FileStorage
from .boxes import box_shape
from .plan import Plan
from .store import Store
from .tasks import find_objects, predict_block, write_labels


def block_seconds(plan: Plan, k: int) -> dict[str, float]:
    """Measure the seconds of each task for a block, in a temporary folder.

    Parameters
    ----------
    plan : Plan
    k : int
        Block of the network's grid, or of that of the objects if they are found in images.

    Returns
    -------
    dict of str to float
        Of the tasks predict, objects and write. What lies beyond the block of the network is
        background.
    """
    network_grid, grid = plan.network_grid, plan.grid
    i = k if plan.from_images else _central(grid.overlapping(network_grid.boxes[k]))
    with tempfile.TemporaryDirectory() as folder:
        store = Store(FileStorage(Path(folder)))
        store.create(plan)
        predict = 0.0 if plan.from_images else _seconds(predict_block, plan, store, k)
        _write_background(plan, store, i, k)
        objects = _seconds(find_objects, plan, store, i)
        n = int(store.ledger.read("objects", i)["values"].max(initial=0))
        store.create_labels(plan, n)
        store.ledger.write("join", i, ids=np.arange(n + 1))
        write = _seconds(write_labels, plan, store, i)
    return {"predict": predict, "objects": objects, "write": write}


def _write_background(plan, store, i, k):
    """Let block i find no probabilities but those of block k of the network."""
    read = [] if plan.from_images else plan.network_grid.overlapping(plan.grid.input_box(i))
    for j in read:
        if j != k:
            shape = box_shape(plan.network_grid.boxes[j])
            zeros = np.zeros((len(plan.probability_arrays), *shape), np.float32)
            store.write_probabilities(plan, j, zeros)


def _central(blocks):
    return blocks[len(blocks) // 2]


def _seconds(task, plan, store, block):
    start = perf_counter()
    task(plan, store, block)
    return perf_counter() - start
