"""Downsample: a block of a coarser level of the labels."""

from __future__ import annotations

from ...io.ome_zarr.pyramid import pyramid_levels
from ..plan import Plan
from ..store import Store


def downsample_labels(plan: Plan, store: Store, k: int) -> None:
    """Store every second pixel of the finer level, so that ids stay as they are."""
    level, box = plan.pyramid[k]
    (_, fine), (_, coarse) = pyramid_levels(plan.shape)[level - 1 : level + 1]
    steps = (coarse // fine).tolist()
    region = tuple(
        slice(part.start * step, part.stop * step, step)
        for part, step in zip(box, steps, strict=True)
    )
    labels = store.read(f"labels/{level - 1}", region)
    crc = store.write(f"labels/{level}", box, labels)
    store.ledger.write("downsample", k, crc=crc)
