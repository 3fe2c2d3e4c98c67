"""Downsample: a block of a coarser level of the labels."""

from __future__ import annotations

import numpy as np

from ..boxes import Box, box_shape, relative
from ..plan import Plan
from ..pyramid import coarser_box, coarser_labels
from ..store import Store


def downsample_labels(plan: Plan, store: Store, k: int) -> None:
    """Store every second pixel of the finer level, so that ids stay as they are.

    These pixels are in the entries of the finer blocks: no labels are read.
    """
    level, box = plan.pyramid[k]
    task, finer = plan.finer_blocks(k)
    parts = [store.ledger.read(task, j)["coarse"] for j in finer]
    labels = np.empty(box_shape(box), np.result_type(*parts))
    for j, part in zip(finer, parts, strict=True):
        finer_box = plan.grid.boxes[j] if task == "write" else plan.pyramid[j][1]
        labels[relative(coarser_box(plan.shape, level, finer_box), box)] = part
    crc = store.write(f"labels/{level}", box, labels)
    store.ledger.write("downsample", k, crc=crc, **coarse_entry(plan, level, box, labels))


def coarse_entry(plan: Plan, level: int, box: Box, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Return what the next coarser level keeps of a block; nothing of the coarsest level."""
    if level + 1 == len(plan.levels):
        return {}
    return {"coarse": coarser_labels(plan.shape, level + 1, box, labels)}
