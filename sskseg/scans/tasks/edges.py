"""What other blocks need of the objects of a block: those at its edges."""

from __future__ import annotations

import numpy as np

from ..boxes import Box, relative
from ..plan import Plan

Edges = dict[tuple[int, int], Box]


def edge_boxes(plan: Plan, i: int) -> Edges:
    """Locate the edges of a block in the scan, by axis and side (0 or -1).

    Of components they are the outermost pixels; of other objects all that two blocks share.
    """
    box, edges = plan.grid.input_box(i), {}
    for axis in range(plan.consecutive, len(box)):
        part = box[axis]
        width = 1 if plan.exact else 2 * plan.grid.halo[axis]
        ends = {
            0: slice(part.start, min(part.start + width, part.stop)),
            -1: slice(max(part.stop - width, part.start), part.stop),
        }
        for side, end in ends.items():
            edges[axis, side] = (*box[:axis], end, *box[axis + 1 :])
    return edges


def edge_labels(plan: Plan, i: int, labels: np.ndarray, table: np.ndarray) -> dict[str, np.ndarray]:
    """Cut the edges out of the labels of a block with its halo, by axis and side as text.

    Each label k becomes ``table[k]``.
    """
    box = plan.grid.input_box(i)
    return {
        f"{axis}{side}": np.take(table, labels[relative(edge, box)])
        for (axis, side), edge in edge_boxes(plan, i).items()
    }


def objects_at_border(
    plan: Plan, labels: np.ndarray, table: np.ndarray, n: int, box: Box
) -> np.ndarray:
    """Find the objects 1 to n, after `table`, that reach the end of the halo, where the scan
    continues: they are larger than the halo."""
    if plan.exact:
        return np.empty(0, np.int64)
    border = [np.empty(0, np.int64)]
    for axis in range(plan.consecutive, len(box)):
        part, size = box[axis], plan.shape[axis]
        border += [labels.take(0, axis).ravel()] if part.start > 0 else []
        border += [labels.take(-1, axis).ravel()] if part.stop < size else []
    found = np.unique(np.take(table, np.concatenate(border))).astype(np.int64)
    return found[(found > 0) & (found <= n)]
