"""Objects that span several sections."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

_MIN_AGREEING = 0.9  # share of ids


def join_sections(
    labels: Sequence[np.ndarray], positions: np.ndarray, min_overlap: float = 0.5
) -> list[np.ndarray]:
    """Join objects that overlap in neighboring sections under one id.

    Two objects are joined if each is the other's best match and they overlap by at least
    `min_overlap` of the area of the smaller one.

    Parameters
    ----------
    labels : sequence of ndarray of int, each 2-D and of one shape
        Objects of each section, not negative; ids need not agree between sections.
    positions : ndarray of shape (n_sections,), int
        Unique; two sections are neighbors exactly if their positions differ by one.
    min_overlap : float in (0, 1], default=0.5

    Returns
    -------
    list of ndarray of int64
        In the order of `labels`; ids are 1, 2, ... over all sections.
    """
    offsets, tables = [0], []
    for label in labels:
        ids, inverse = np.unique(label, return_inverse=True)
        tables.append((np.cumsum(ids > 0) * (ids > 0), inverse.reshape(label.shape)))
        offsets.append(offsets[-1] + int((ids > 0).sum()))
    numbered = [
        np.where(new[inverse] > 0, new[inverse] + offset, 0).astype(np.int64)
        for (new, inverse), offset in zip(tables, offsets, strict=False)
    ]
    index_of = {int(position): index for index, position in enumerate(positions)}
    links = [
        _mutual_best(numbered[index], numbered[index_of[position + 1]], min_overlap)
        for position, index in index_of.items()
        if position + 1 in index_of
    ]
    total = offsets[-1]
    pairs = np.concatenate(links) - 1 if links else np.empty((0, 2), np.int64)
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(total, total))
    _, group = connected_components(graph, directed=False)
    table = np.concatenate([[0], group + 1])
    return [table[label] for label in numbered]


def label_over_sections(labels: Sequence[np.ndarray], positions: np.ndarray) -> list[np.ndarray]:
    """Label reference objects over sections: by their ids if these agree, else by `join_sections`.

    A label volume has one id for an object in all sections. If each section was labeled by itself,
    the same id is another object in the next section.

    Parameters
    ----------
    labels, positions
        As in `join_sections`.

    Returns
    -------
    list of ndarray of int
        In the order of `labels`; one id per object over all sections.
    """
    if ids_agree(labels, positions):
        return list(labels)
    return join_sections(labels, positions)


def ids_agree(labels: Sequence[np.ndarray], positions: np.ndarray) -> bool:
    """Whether an id is the same object in neighboring sections: there, it overlaps with itself.

    Nine of ten have to, since those of slanted objects may lie side by side. False if no id occurs
    in two neighboring sections.
    """
    index_of = {int(position): index for index, position in enumerate(positions)}
    common = overlapping = 0
    for position, index in index_of.items():
        if position + 1 not in index_of:
            continue
        lower, upper = labels[index], labels[index_of[position + 1]]
        common += len(np.intersect1d(lower[lower > 0], upper[upper > 0]))
        overlapping += len(np.unique(lower[(lower == upper) & (lower > 0)]))
    return common > 0 and overlapping >= _MIN_AGREEING * common


def _mutual_best(lower, upper, min_overlap):
    """Pairs (id in lower, id in upper), shape (n, 2)."""
    pairs, overlap = count_overlaps(lower, upper)
    areas, firsts = [], []
    for label, column in ((lower, 0), (upper, 1)):
        ids, first, counts = np.unique(label, return_index=True, return_counts=True)
        at = np.searchsorted(ids, pairs[:, column])
        areas.append(counts[at])
        firsts.append(first[at])
    return best_matches(pairs, overlap, areas, firsts, min_overlap)


def count_overlaps(lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count the pixels that objects of two label images share.

    Parameters
    ----------
    lower, upper : ndarray of int, of one shape

    Returns
    -------
    pairs : ndarray of int64, shape (n, 2)
        Sorted.
    overlap : ndarray of int64, shape (n,)
    """
    both = (lower > 0) & (upper > 0)
    first, second = lower[both].astype(np.int64), upper[both].astype(np.int64)
    base = int(second.max(initial=0)) + 1
    if int(first.max(initial=0)) >= 2**62 // base:
        return np.unique(np.stack([first, second], axis=1), axis=0, return_counts=True)
    keys, overlap = np.unique(first * base + second, return_counts=True)  # scalars sort faster
    return np.stack(np.divmod(keys, base), axis=1), overlap


def best_matches(
    pairs: np.ndarray,
    overlap: np.ndarray,
    areas: Sequence[np.ndarray],
    firsts: Sequence[np.ndarray],
    min_overlap: float = 0.5,
) -> np.ndarray:
    """Select the pairs of objects that are each other's best match and overlap enough.

    Parameters
    ----------
    pairs : ndarray of int, shape (n, 2)
        Unique.
    overlap : ndarray of int, shape (n,)
    areas : sequence of two ndarray of int, shape (n,)
        Areas of the first and of the second object of each pair.
    firsts : sequence of two ndarray of int, shape (n,)
        Raveled indices of their first pixels; they break ties between equal overlaps.
    min_overlap : float, default=0.5
        Fraction of the area of the smaller object.

    Returns
    -------
    ndarray of int, shape (n_kept, 2)
    """
    order = np.lexsort(firsts[::-1])
    pairs, overlap = pairs[order], overlap[order]
    areas = [area[order] for area in areas]
    enough = overlap >= min_overlap * np.minimum(*areas)
    best = _is_best(pairs[:, 0], overlap) & _is_best(pairs[:, 1], overlap)
    return pairs[enough & best]


def _is_best(ids, overlap):
    """Whether a pair has the greatest overlap of its id, ties broken by order."""
    order = np.lexsort((-overlap, ids))
    first = np.ones(len(ids), bool)
    first[1:] = ids[order][1:] != ids[order][:-1]
    result = np.zeros(len(ids), bool)
    result[order] = first
    return result
