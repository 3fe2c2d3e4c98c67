"""Joining the blocks of a scan: which objects are one, and their ids."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..morphology import best_matches, count_overlaps
from .checkpoints import MAX_REQUESTS, Ledger
from .plan import Plan
from .stitching import Numbering, merge_ids

REASONS = ("larger than the halo", "segmented differently by two blocks")


@dataclass(frozen=True)
class Ids:
    """Final ids: 1, 2, ... in the order of the blocks.

    Parameters
    ----------
    numbering : Numbering
        Of objects before small ones are removed and sections joined.
    dropped : ndarray of int64
        Numbers of objects that are too small as a whole, sorted.
    sections : Numbering or None
        Of objects over sections.
    """

    numbering: Numbering
    dropped: np.ndarray
    sections: Numbering | None = None

    @property
    def n_objects(self) -> int:
        if self.sections is not None:
            return self.sections.n_objects
        return self.numbering.n_objects - len(self.dropped)

    def of(self, numbers: np.ndarray) -> np.ndarray:
        """Return the final ids of the numbers that `numbering` gives; 0 for what is dropped."""
        at = np.searchsorted(self.dropped, numbers)
        dropped = np.isin(numbers, self.dropped)
        ids = np.where(dropped | (numbers == 0), 0, numbers - at)
        return ids if self.sections is None else np.where(ids > 0, self.sections.of(ids), 0)

    def table(self, block: int) -> np.ndarray:
        """Return the final ids of the labels 0, 1, ... of a block."""
        return self.of(self.numbering.table(block))

    def starts(self) -> np.ndarray:
        """Return for each block, and the end, how many ids the blocks before it have.

        An object has the id of the first block that it lies in.
        """
        counts = self.numbering.offsets
        joined = [] if self.sections is None else [self.sections.joined]
        for lost in (self.numbering.joined, self.dropped, *joined):
            counts = counts - np.searchsorted(lost, counts, side="right")
        return counts


def join_blocks(plan: Plan, ledger: Ledger) -> dict[str, Any]:
    """Number the objects of all blocks, and write the final ids of each block's labels.

    Returns
    -------
    dict
        What concerns the whole scan: ``n_objects``, and ``ids`` and ``reasons`` of objects that
        are cut.

    Notes
    -----
    Memory is proportional to the number of blocks and of the objects that touch the border of one;
    with consecutive sections, of all objects.
    """
    n_blocks = len(plan.grid)
    with ThreadPoolExecutor(MAX_REQUESTS) as pool:
        matches = list(pool.map(lambda i: ledger.read("match", i), range(n_blocks)))
    counts, pairs, doubtful = _parse_matches(matches)
    numbering = merge_ids(counts, pairs)
    ids = Ids(numbering, _too_small(plan, matches, numbering))
    if plan.consecutive:
        ids = Ids(numbering, ids.dropped, _join_sections(plan, ledger, ids))
    _write_ids(ledger, ids, n_blocks)
    numbers = numbering.of(numbering.offsets[doubtful[:, 0]] + doubtful[:, 1])
    return {
        "ids": ids.of(numbers), "reasons": doubtful[:, 2], "n_objects": ids.n_objects
    }  # fmt: skip


def _write_ids(ledger, ids, n_blocks):
    """Write for each block the final ids of its labels; the range of ids of the objects that start
    in it, the first excluded; and the other blocks in which these continue."""
    starts, others = ids.starts(), defaultdict(list)

    def write(i, table, further):
        ledger.write("join", i, ids=table, range=starts[i : i + 2], others=further)

    with ThreadPoolExecutor(MAX_REQUESTS) as pool:
        # From the last block on: those in which an object continues come before that of its start.
        blocks = range(n_blocks - 1, -1, -1)
        for start in range(0, n_blocks, MAX_REQUESTS):
            part = blocks[start : start + MAX_REQUESTS]
            tables = [ids.table(i) for i in part]
            for i, table in zip(part, tables, strict=True):
                continued = table[(table > 0) & (table <= starts[i])]
                for j in np.unique(np.searchsorted(starts, continued) - 1).tolist():
                    others[j].append(i)
            further = [np.array(others.pop(i, []), np.int64) for i in part]
            list(pool.map(write, part, tables, further))


def _parse_matches(matches):
    """Objects of each block, pairs that are one object, and doubtful objects: block, label and
    reason."""
    counts, pairs, doubtful = [], [], []
    for i, matched in enumerate(matches):
        counts.append(int(matched["n"]))
        doubtful += [(i, label, 0) for label in matched["cut"].tolist()]
        doubtful += [(block, label, 1) for block, label in matched["doubtful"].tolist()]
        for j in np.unique(matched["others"]).tolist():
            pairs.append((i, j, matched["pairs"][matched["others"] == j]))
    return counts, pairs, np.array(doubtful, np.int64).reshape(-1, 3)


def _too_small(plan, matches, numbering):
    """Numbers of components that are too small as a whole, of those that may reach over blocks."""
    if not plan.exact or plan.objects.min_size == 0:
        return np.empty(0, np.int64)
    numbers, sizes = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for i, matched in enumerate(matches):
        numbers.append(numbering.table(i)[matched["edge_label"]])
        sizes.append(matched["edge_size"])
    objects, index = np.unique(np.concatenate(numbers), return_inverse=True)
    whole = np.bincount(index.ravel(), np.concatenate(sizes), len(objects))
    return objects[whole < plan.objects.min_size]


def _join_sections(plan, ledger, ids):
    """Numbering of objects that are one over neighboring sections: see `join_sections`."""
    pairs, overlaps = [np.empty((0, 2), np.int64)], [np.empty(0, np.int64)]
    areas = np.zeros(ids.n_objects + 1, np.int64)
    first_pixels = np.full(len(areas), np.iinfo(np.int64).max)
    for i in range(len(plan.grid)):
        sums, table = ledger.read("sums", i), ids.table(i)
        np.add.at(areas, table[sums["label"]], sums["size"])
        np.minimum.at(first_pixels, table[1:], sums["first"])
        pairs.append(table[sums["pairs"]])
        overlaps.append(sums["overlap"])
        j = plan.next_sections(i)
        if j is not None:
            last, first = ledger.read("edges", i)["last"], ledger.read("edges", j)["first"]
            between, overlap = count_overlaps(last, first)
            pairs.append(np.stack([table[between[:, 0]], ids.table(j)[between[:, 1]]], axis=1))
            overlaps.append(overlap)
    pairs, overlap = _add_overlaps(np.concatenate(pairs), np.concatenate(overlaps))
    same = best_matches(pairs, overlap, areas[pairs.T], first_pixels[pairs.T])
    return merge_ids([len(areas) - 1], [(0, 0, same)])


def _add_overlaps(pairs, overlaps):
    """Each pair of objects once, with the pixels that it shares in all blocks."""
    kept = (pairs > 0).all(axis=1)
    pairs, index = np.unique(pairs[kept], axis=0, return_inverse=True)
    return pairs, np.bincount(index.ravel(), overlaps[kept], len(pairs)).astype(np.int64)
