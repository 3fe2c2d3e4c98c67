"""Stitching of blocks: which labels of different blocks are one object, and its number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ..morphology import count_overlaps
from .boxes import Box

Faces = dict[tuple[int, int], np.ndarray]
_CACHED = 2**15  # labels
_MIN_IOU = 0.5  # of one object in two blocks


def neighbor_offsets(ndim: int, connectivity: int) -> list[tuple[int, ...]]:
    """List the steps to the blocks after a block that may hold parts of its objects.

    Parameters
    ----------
    ndim : int
    connectivity : int
        1: blocks that share a face; up to `ndim`: a corner.

    Returns
    -------
    list of tuple of int
        Each of -1, 0 and 1, the first that is not 0 being 1, so that each pair is met once.
    """
    steps = product((-1, 0, 1), repeat=ndim)
    return [o for o in steps if 0 < sum(map(abs, o)) <= connectivity and next(filter(None, o)) == 1]


def block_faces(labels: np.ndarray) -> Faces:
    """Extract the outermost pixels of a block, which are all that stitching needs.

    Parameters
    ----------
    labels : ndarray of int

    Returns
    -------
    dict of (axis, side) to ndarray
        `side` is 0 or -1.
    """
    return {
        (axis, side): np.ascontiguousarray(labels.take(side, axis))
        for axis in range(labels.ndim)
        for side in (0, -1)
    }


def boundary_pairs(
    faces: Faces, following: Faces, offset: tuple[int, ...], connectivity: int = 1
) -> np.ndarray:
    """Find the labels of two blocks that touch across their boundary.

    Parameters
    ----------
    faces, following : dict
        `block_faces` of a block and of the one that is `offset` further; 0 is background.
    offset : tuple of int
        One of `neighbor_offsets`.
    connectivity : int, default=1

    Returns
    -------
    ndarray of shape (n, 2), int64
        Each pair once.
    """
    a, b = _shared(faces, offset, 1), _shared(following, offset, -1)
    spare = connectivity - sum(map(abs, offset))
    pairs = []
    for shift in product((-1, 0, 1), repeat=a.ndim):
        if sum(map(abs, shift)) > spare:
            continue
        here = a[tuple(slice(max(0, -s), a.shape[i] - max(0, s)) for i, s in enumerate(shift))]
        there = b[tuple(slice(max(0, s), b.shape[i] - max(0, -s)) for i, s in enumerate(shift))]
        both = (here > 0) & (there > 0)
        pairs.append(np.stack([here[both], there[both]], axis=1).astype(np.int64))
    return unique_pairs(np.concatenate(pairs))


def _shared(faces, offset, direction):
    """The face, edge or corner of a block that lies at its neighbor."""
    axis = next(i for i, o in enumerate(offset) if o)
    face = faces[axis, -1 if offset[axis] * direction > 0 else 0]
    rest = [o * direction for i, o in enumerate(offset) if i != axis]
    return face[tuple({0: slice(None), 1: -1, -1: 0}[o] for o in rest)]


def overlap_pairs(
    a: np.ndarray, b: np.ndarray, core_of_a: Box, core_of_b: Box
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Match the objects of two blocks one to one, by their IoU where the blocks overlap.

    Parameters
    ----------
    a, b : ndarray of int
        Labels of the region where two blocks with their halos overlap.
    core_of_a, core_of_b : tuple of slice
        The parts of the region that the blocks write.

    Returns
    -------
    pairs : ndarray of shape (n, 2), int64
        IoU above one half, so that no object is in two pairs.
    unmatched_a, unmatched_b : ndarray of int64
        Objects of one block that reach into the core of the other and have no match there.
    """
    keys, inter = count_overlaps(a, b)
    sizes_a, sizes_b = np.bincount(a[a > 0]), np.bincount(b[b > 0])
    union = sizes_a[keys[:, 0]] + sizes_b[keys[:, 1]] - inter
    pairs = keys[inter > _MIN_IOU * union]
    reaching = np.unique(a[core_of_b]), np.unique(b[core_of_a])
    unmatched = [
        np.setdiff1d(labels[labels > 0], same).astype(np.int64)
        for labels, same in zip(reaching, pairs.T, strict=True)
    ]
    return pairs, *unmatched


def unique_pairs(pairs: np.ndarray) -> np.ndarray:
    """Sort an array of pairs and remove duplicates."""
    if not len(pairs):
        return np.empty((0, 2), np.int64)
    order = np.lexsort(pairs.T[::-1])
    pairs = pairs[order]
    return pairs[np.r_[True, (pairs[1:] != pairs[:-1]).any(axis=1)]]


@dataclass(frozen=True)
class Numbering:
    """Numbers of objects over all blocks: 1, 2, ... without gaps, in the order of the blocks.

    Memory is proportional to the number of blocks and of objects that touch a boundary.

    Parameters
    ----------
    offsets : ndarray of int64, shape (n_blocks + 1,)
        Label k of block i is ``offsets[i] + k`` before blocks are joined.
    joined : ndarray of int64
        Numbers that objects lose when they are joined with another, sorted.
    roots : ndarray of int64
        For each of `joined` the number that its object keeps.
    """

    offsets: np.ndarray
    joined: np.ndarray
    roots: np.ndarray

    @property
    def n_objects(self) -> int:
        return int(self.offsets[-1] - len(self.joined))

    def of(self, numbers: np.ndarray) -> np.ndarray:
        """Return the final ids of numbers before blocks were joined."""
        numbers = np.array(numbers, np.int64)
        if len(self.joined):
            at = np.searchsorted(self.joined, numbers).clip(max=len(self.joined) - 1)
            lost = self.joined[at] == numbers
            numbers[lost] = self.roots[at[lost]]
        return numbers - np.searchsorted(self.joined, numbers)

    def table(self, block: int) -> np.ndarray:
        """Return the final ids of the labels 0, 1, ... of a block; int64."""
        first, last = self.offsets[block], self.offsets[block + 1]
        return np.concatenate([[0], self.of(np.arange(first + 1, last + 1))])

    def renumber(self, labels: np.ndarray, block: int) -> np.ndarray:
        """Replace the labels of a block by their final ids; int64."""
        table, labels = self.table(block), np.ascontiguousarray(labels)
        result = np.empty(labels.shape, np.int64)
        source, target = labels.ravel(), result.reshape(-1)
        # In parts that fit in the processor's cache, with the copies that numpy makes of them.
        for start in range(0, source.size, _CACHED):
            part = slice(start, start + _CACHED)
            target[part] = table[source[part]]
        return result


def merge_ids(counts: Sequence[int], pairs: Iterable[tuple[int, int, np.ndarray]]) -> Numbering:
    """Number the objects of all blocks.

    Parameters
    ----------
    counts : sequence of int
        Labels of each block, which are 1 to that.
    pairs : iterable of (int, int, ndarray of shape (n, 2))
        Two blocks and the labels of each that are one object.

    Returns
    -------
    Numbering
    """
    offsets = np.concatenate([[0], np.cumsum(np.asarray(counts, np.int64))]).astype(np.int64)
    numbers = [p + offsets[[a, b]] for a, b, p in pairs if len(p)]
    if not numbers:
        return Numbering(offsets, np.empty(0, np.int64), np.empty(0, np.int64))
    edges = np.concatenate(numbers)
    ids, index = np.unique(edges, return_inverse=True)
    index = index.reshape(edges.shape)
    graph = coo_matrix((np.ones(len(index), bool), index.T), (len(ids), len(ids)))
    _, component = connected_components(graph, directed=False)
    smallest = np.full(component.max() + 1, np.iinfo(np.int64).max)
    np.minimum.at(smallest, component, ids)
    roots = smallest[component]
    lost = roots != ids
    return Numbering(offsets, ids[lost], roots[lost])
