"""Write: labels of a block under their final ids."""

from __future__ import annotations

import numpy as np

from ..plan import Plan
from ..store import Store


def write_labels(plan: Plan, store: Store, i: int) -> None:
    """Renumber the labels of a block and store them."""
    ids = store.ledger.read("join", i)["ids"]
    labels = np.take(ids, store.ledger.read("objects", i)["labels"])
    crc = store.write("labels/0", plan.grid.boxes[i], labels)
    store.ledger.write("write", i, crc=crc)
