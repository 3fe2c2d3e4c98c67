"""Joining the blocks of a scan: which objects are one, and their numbers."""

from dataclasses import dataclass

import numpy as np

from ..morphology import best_matches, count_overlaps
from .stitching import Numbering, merge_ids

REASONS = ("larger than the halo", "seen differently by two blocks")


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
    def n_objects(self):
        if self.sections is not None:
            return self.sections.n_objects
        return self.numbering.n_objects - len(self.dropped)

    def of(self, numbers):
        """Final ids of the numbers that `numbering` gives; 0 for what is dropped."""
        at = np.searchsorted(self.dropped, numbers)
        gone = self.dropped[at.clip(max=len(self.dropped) - 1)] == numbers if len(
            self.dropped) else np.zeros(np.shape(numbers), bool)  # fmt: skip
        ids = np.where(gone | (numbers == 0), 0, numbers - at)
        return ids if self.sections is None else np.where(ids > 0, self.sections.of(ids), 0)

    def table(self, block):
        """Final ids of the labels 0, 1, ... of a block."""
        return self.of(self.numbering.table(block))

    def parts(self):
        """Final ids of objects that may be in more blocks than one, sorted."""
        joined = self.numbering
        found = [self.of(joined.of(np.concatenate([joined.joined, joined.roots])))]
        if self.sections is not None:
            over = self.sections
            found.append(over.of(np.concatenate([over.joined, over.roots])))
        found = np.unique(np.concatenate(found))
        return found[found > 0]


def join_blocks(job, ledger):
    """Number the objects of all blocks; for each block the final ids of its labels.

    What is kept in memory is proportional to the number of blocks and to the objects that touch
    the border of one; of consecutive sections, to the objects.
    """
    n_blocks = len(job.grid)
    if ledger.has("join", n_blocks):
        return
    counts, doubtful, pairs = [], [], []
    for i in range(n_blocks):
        found, matched = ledger.read("sums", i), ledger.read("match", i)
        counts.append(int(found["n"]))
        doubtful += [(i, k, 0) for k in found["cut"].tolist()]
        doubtful += [(block, k, 1) for block, k in matched["doubtful"].tolist()]
        for j in np.unique(matched["others"]).tolist():
            pairs.append((i, j, matched["pairs"][matched["others"] == j]))
    numbering = merge_ids(counts, pairs)
    ids = Ids(numbering, _too_small(job, ledger, numbering))
    if job.consecutive:
        ids = Ids(numbering, ids.dropped, _over_sections(job, ledger, ids))
    for i in range(n_blocks):
        ledger.write("join", i, ids=ids.table(i))
    rows = np.array(doubtful, np.int64).reshape(-1, 3)
    numbers = numbering.of(numbering.offsets[rows[:, 0]] + rows[:, 1])
    ledger.write(
        "join", n_blocks, ids=ids.of(numbers), reasons=rows[:, 2], parts=ids.parts(),
        n_objects=ids.n_objects,
    )  # fmt: skip


def _too_small(job, ledger, numbering):
    """Numbers of components that are too small as a whole.

    Those that touch no other block are gone already.
    """
    if not job.exact or job.counter.min_size_ == 0:
        return np.empty(0, np.int64)
    numbers, sizes = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for i in range(len(job.grid)):
        found, edges = ledger.read("sums", i), ledger.read("edges", i)
        labels = np.unique(np.concatenate([face.ravel() for name, face in edges.items()
                                           if name != "n"]))  # fmt: skip
        if job.consecutive:  # of which nothing was removed before
            labels = found["label"]
        labels = labels[labels > 0]
        numbers.append(numbering.table(i)[labels])
        sizes.append(found["size"][np.searchsorted(found["label"], labels)])
    numbers, index = np.unique(np.concatenate(numbers), return_inverse=True)
    whole = np.bincount(index.ravel(), np.concatenate(sizes), len(numbers))
    return numbers[whole < job.counter.min_size_]


def _over_sections(job, ledger, ids):
    """Numbering of objects where those of neighboring sections are one: see `join_sections`."""
    pairs, overlaps = [np.empty((0, 2), np.int64)], [np.empty(0, np.int64)]
    areas = np.zeros(ids.n_objects + 1, np.int64)
    firsts = np.full(len(areas), np.iinfo(np.int64).max)
    for i in range(len(job.grid)):
        found, table = ledger.read("sums", i), ids.table(i)
        np.add.at(areas, table[found["label"]], found["size"])
        np.minimum.at(firsts, table[1:], found["first"])
        pairs.append(table[found["pairs"]])
        overlaps.append(found["overlap"])
        above = job.above(i)
        if above is not None:
            last, first = ledger.read("edges", i)["last"], ledger.read("edges", above)["first"]
            between, overlap = count_overlaps(last, first)
            next_ids = ids.table(above)
            pairs.append(np.stack([table[between[:, 0]], next_ids[between[:, 1]]], axis=1))
            overlaps.append(overlap)
    pairs, overlaps = np.concatenate(pairs), np.concatenate(overlaps)
    real = (pairs > 0).all(axis=1)
    pairs, index = np.unique(pairs[real], axis=0, return_inverse=True)
    overlap = np.bincount(index.ravel(), overlaps[real], len(pairs)).astype(np.int64)
    same = best_matches(pairs, overlap, areas[pairs.T], firsts[pairs.T])
    return merge_ids([len(areas) - 1], [(0, 0, same)])
