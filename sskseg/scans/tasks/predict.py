"""Predict: foreground probabilities of a block of the network's grid."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..boxes import box_shape, relative
from ..devices import worker_device
from ..plan import Plan, predicts_cores
from ..reading import input_checksum, preprocess, read_input, read_mask
from ..store import Store


def predict_block(plan: Plan, store: Store, i: int) -> None:
    """Predict a block and store its probabilities."""
    block = read_input(plan, i)
    checksums = store.write_probabilities(plan, i, predict_probability(plan, i, block))
    store.ledger.write("predict", i, **checksums, input_crc=input_checksum(block))


def predict_probability(plan: Plan, i: int, block: np.ndarray | None) -> np.ndarray:
    """Predict the core of block i, from what `read_input` returned; 0 outside the mask.

    Returns
    -------
    ndarray of float32, shape (n_arrays, *shape)
        Of each of `plan.probability_arrays`.
    """
    grid, n_arrays = plan.network_grid, len(plan.probability_arrays)
    core, box = grid.boxes[i], grid.input_box(i)
    if block is None or plan.predictor is None:
        return np.zeros((n_arrays, *box_shape(core)), np.float32)
    positions = np.arange(box[0].start, box[0].stop) if plan.consecutive else None
    images = preprocess(plan, block)
    options: dict[str, Any] = {"positions": positions, "device": worker_device()}
    inner = relative(core, box)
    if getattr(plan.predictor, "takes_core", False):
        predicted = plan.predictor.predict(images, core=inner, **options)
    else:
        predicted = plan.predictor.predict(images, **options)[inner]
    channels = np.moveaxis(predicted, -1, 0) if predicts_cores(plan.predictor) else predicted[None]
    allowed, channels = read_mask(plan, core), np.ascontiguousarray(channels[:n_arrays])
    return channels if allowed is None else np.where(allowed, channels, np.float32(0))
