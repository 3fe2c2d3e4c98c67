"""Downsample: a block of a coarser level of the labels."""

from __future__ import annotations

from ..plan import Plan
from ..pyramid import finer_region
from ..store import Store


def downsample_labels(plan: Plan, store: Store, k: int) -> None:
    """Store every second pixel of the finer level, so that ids stay as they are."""
    level, box = plan.pyramid[k]
    labels = store.read(f"labels/{level - 1}", finer_region(plan.shape, level, box))
    crc = store.write(f"labels/{level}", box, labels)
    store.ledger.write("downsample", k, crc=crc)
