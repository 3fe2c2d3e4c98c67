"""Match: which objects of neighboring blocks are one."""

from __future__ import annotations

import numpy as np

from ..boxes import intersection, relative
from ..plan import Plan
from ..stitching import boundary_pairs, overlap_pairs
from ..store import Store
from .edges import edge_boxes


def match_objects(plan: Plan, store: Store, i: int) -> int:
    """Match the objects of a block with those of the blocks after it.

    The entry holds all that *join* needs of the block, which is little, so that this short step of
    one process reads nothing else (but for consecutive sections).

    Returns
    -------
    int
        As `count_ending` does.
    """
    edges, pairs, others = store.ledger.read("edges", i), [], []
    doubtful: set[tuple[int, int]] = set()
    for offset, j in plan.neighbors(i).items():
        matched, *unmatched = _pairs(plan, edges, store.ledger.read("edges", j), i, j, offset)
        pairs.append(matched)
        others.append(np.full(len(matched), j))
        for block, labels in zip((i, j), unmatched, strict=True):
            doubtful.update((block, label) for label in labels.tolist())
    entry = _summary(plan, edges, store.ledger.read("sums", i)) | {
        "pairs": np.concatenate([np.empty((0, 2), np.int64), *pairs]),
        "others": np.concatenate([np.empty(0, np.int64), *others]),
        "doubtful": np.array(sorted(doubtful), np.int64).reshape(-1, 2),
    }
    store.ledger.write("match", i, **entry)
    return count_ending(entry)


def count_ending(entry: dict[str, np.ndarray]) -> int:
    """Count the objects of a block that do not continue in a block after it.

    The sum over all blocks is about the number of objects, each in its last block. (Parts that only
    an earlier block joins are counted apart.)

    Parameters
    ----------
    entry : dict of str to ndarray
        What `match_objects` has written.
    """
    return int(entry["n"]) - len(np.unique(entry["pairs"][:, 0]))


def _summary(plan, edges, sums):
    """How many objects a block has, those that are cut, and sizes of those that reach its edges.

    Only components that are too small may grow beyond an edge. Sections still have all of them.
    """
    summary = {"n": sums["n"], "cut": sums["cut"]}
    if not plan.exact or plan.objects.min_size == 0:
        return summary
    labels = sums["label"] if plan.consecutive else _labels_at(edges)
    sizes = sums["size"][np.searchsorted(sums["label"], labels)]
    return summary | {"edge_label": labels, "edge_size": sizes}


def _labels_at(edges):
    faces = [face.ravel() for name, face in edges.items() if name != "n"]
    labels = np.unique(np.concatenate(faces))
    return labels[labels > 0]


def _pairs(plan, edges, following, i, j, offset):
    """Pairs of labels that are one object, and the unmatched labels of each block."""
    if plan.exact:
        faces, others = (_faces(each, len(plan.shape)) for each in (edges, following))
        return boundary_pairs(faces, others, offset), *[np.empty(0, np.int64)] * 2
    axis = next(axis for axis, step in enumerate(offset) if step)
    shared = intersection(plan.grid.input_box(i), plan.grid.input_box(j))
    a = edges[f"{axis}-1"][relative(shared, edge_boxes(plan, i)[axis, -1])]
    b = following[f"{axis}0"][relative(shared, edge_boxes(plan, j)[axis, 0])]
    cores = [relative(intersection(plan.grid.boxes[k], shared), shared) for k in (i, j)]
    pairs, of_a, of_b = overlap_pairs(a, b, *cores)
    n_a, n_b = int(edges["n"]), int(following["n"])
    in_cores = (pairs[:, 0] <= n_a) & (pairs[:, 1] <= n_b)
    return pairs[in_cores], of_a[of_a <= n_a], of_b[of_b <= n_b]


def _faces(edges, ndim):
    """Edges of components in the form of `block_faces`: without the axis of one pixel."""
    return {
        (axis, side): edges[f"{axis}{side}"].take(0, axis)
        for axis in range(ndim)
        for side in (0, -1)
        if f"{axis}{side}" in edges
    }
