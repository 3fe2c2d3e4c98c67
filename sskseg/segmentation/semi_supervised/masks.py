"""Masks of sections by their neighbors, while predictions pass: memory holds bits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from ...images import section_indices
from .pseudo_labels import low_confidence, mean_of


class PackedMasks(Sequence):
    """Masks in an eighth of the memory.

    Parameters
    ----------
    n : int
        How many masks there will be; set each once.
    """

    def __init__(self, n: int):
        self._bits: list = [None] * n
        self._shapes: list = [()] * n

    def __setitem__(self, i: int, mask: np.ndarray):
        self._bits[i], self._shapes[i] = np.packbits(mask), mask.shape

    def __getitem__(self, i):
        """Unpack a mask, bool."""
        shape = self._shapes[i]
        bits = np.unpackbits(self._bits[i], count=int(np.prod(shape)))
        return bits.reshape(shape).view(bool)

    def __len__(self):
        return len(self._bits)


def masks_by_context(
    outputs: Iterable[np.ndarray],
    order: np.ndarray,
    positions: np.ndarray,
    contexts: Sequence[int],
    labels: Sequence[np.ndarray],
    confidence: float | None = None,
) -> dict[int, tuple[PackedMasks, PackedMasks]]:
    """Threshold the mean probability of the foreground over neighbors, for several contexts.

    Parameters
    ----------
    outputs : iterable of ndarray of shape (1, *spatial)
        Probabilities of sections in `order`; only those that others still need are held.
    order : ndarray of int
        Indices of the sections, run by run.
    positions : ndarray of int
    contexts : sequence of int
        Sections on each side.
    labels : list of ndarray of int, shape (*spatial)
        -1 unlabeled.
    confidence : float, default=None
        Below it, unlabeled pixels are uncertain; None: none is computed.

    Returns
    -------
    dict
        By context: masks, and masks of uncertain pixels (shape (1, *spatial) and (*spatial)).
    """
    n = len(positions)
    results = {context: (PackedMasks(n), PackedMasks(n)) for context in contexts}
    indices = {context: section_indices(positions, context) for context in contexts}
    widest = indices[max(contexts)]
    time = np.argsort(order)  # when each section is predicted
    ready = time[widest].max(axis=1)  # when all of its neighbors are
    held: dict[int, np.ndarray] = {}
    until = np.zeros(n, int)
    np.maximum.at(until, widest, ready[:, None])
    for now, (section, output) in enumerate(zip(order.tolist(), outputs, strict=True)):
        held[section] = torch.from_numpy(output).half().numpy()
        for i in np.flatnonzero(ready == now).tolist():
            for context, (masks, uncertain) in results.items():
                mean = mean_of([held[k] for k in indices[context][i].tolist()])
                masks[i] = mean > 0.5
                if confidence is not None:
                    (uncertain[i],) = low_confidence([mean], [labels[i]], confidence)
        for k in np.flatnonzero(until == now).tolist():
            held.pop(k, None)
    return results
