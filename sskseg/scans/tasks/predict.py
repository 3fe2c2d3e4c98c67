"""Predict: foreground probabilities of a block of the network's grid."""

from __future__ import annotations

import numpy as np

from ..boxes import box_shape, relative
from ..devices import worker_device
from ..plan import Plan
from ..reading import input_checksum, preprocess, read_input, read_mask
from ..store import Store


def predict_block(plan: Plan, store: Store, i: int) -> None:
    """Predict a block and store its probabilities."""
    block = read_input(plan, i)
    probability = predict_probability(plan, i, block)
    crc = store.write("probabilities", plan.network_grid.boxes[i], probability)
    store.ledger.write("predict", i, crc=crc, input_crc=input_checksum(block))


def predict_probability(plan: Plan, i: int, block: np.ndarray | None) -> np.ndarray:
    """Predict the core of block i, from what `read_input` returned; 0 outside the mask."""
    grid = plan.network_grid
    core, box = grid.boxes[i], grid.input_box(i)
    if block is None or plan.predictor is None:
        return np.zeros(box_shape(core), np.float32)
    positions = np.arange(box[0].start, box[0].stop) if plan.consecutive else None
    images = preprocess(plan, block)
    predicted = plan.predictor.predict(images, positions=positions, device=worker_device())
    predicted = predicted[relative(core, box)]
    allowed = read_mask(plan, core)
    return predicted if allowed is None else np.where(allowed, predicted, np.float32(0))
