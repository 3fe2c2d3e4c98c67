"""Write: labels of a block under their final ids."""

from __future__ import annotations

import numpy as np

from ...io.ome_zarr.checks import smallest_dtype
from ...morphology import expand_runs
from ..boxes import box_shape
from ..plan import Plan
from ..store import Store
from .downsample import coarse_entry


def write_labels(plan: Plan, store: Store, i: int) -> None:
    """Renumber the labels of a block and store them."""
    ids, box = store.ledger.read("join", i)["ids"], plan.grid.boxes[i]
    ids = ids.astype(smallest_dtype(0, int(ids.max())))  # less to copy
    runs = store.ledger.read("objects", i)
    labels = expand_runs(np.take(ids, runs["values"]), runs["lengths"], box_shape(box))
    crc = store.write("labels/0", box, labels)
    store.ledger.write("write", i, crc=crc, **coarse_entry(plan, 0, box, labels))
