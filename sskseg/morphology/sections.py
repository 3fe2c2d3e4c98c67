"""Objects that span several sections."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

_MAX_SHARE = 0.5  # of the numbers up to the largest one that a section of a volume has
_MIN_AGREEING = 0.5  # share of ids


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
    numbered, _ = _number(labels)
    return _merge(numbered, [
        _mutual_best(numbered[i], numbered[j], min_overlap) for i, j in _neighbors(positions)
    ])  # fmt: skip


def label_over_sections(labels: Sequence[np.ndarray], positions: np.ndarray) -> list[np.ndarray]:
    """Label reference objects over sections: by their ids if these agree, else by `join_sections`.

    A label volume has one id for an object in all sections. If each section was labeled by itself,
    the same id is another object in the next section. Sections that have more than half of the
    numbers up to their largest one look so: their ids agree if all that occur in two neighboring
    sections overlap there. In others, half of these have to, since the cross-sections of a slanted
    object may lie side by side. Ids that occur in one section each are joined by overlap: regions
    that were drawn section by section are numbered so.

    Parameters
    ----------
    labels, positions
        As in `join_sections`.

    Returns
    -------
    list of ndarray of int64
        In the order of `labels`; ids are 1, 2, ... over all sections.
    """
    numbered, numbers = _number(labels)
    neighbors = _neighbors(positions)
    common = [sorted(numbers[i].keys() & numbers[j].keys()) for i, j in neighbors]
    n_overlapping = sum(_n_overlapping(labels[i], labels[j]) for i, j in neighbors)
    n_common = sum(map(len, common))
    n_agreeing = n_common if _starts_anew(numbers) else _MIN_AGREEING * n_common
    if not n_common or n_overlapping < n_agreeing:
        return join_sections(labels, positions)
    return _merge(numbered, [  # an id that ends and occurs again later is another object
        np.array([(numbers[i][id], numbers[j][id]) for id in same], np.int64).reshape(-1, 2)
        for (i, j), same in zip(neighbors, common, strict=True)
    ])  # fmt: skip


def _starts_anew(numbers):
    """Whether the ids of sections look like 1, 2, ... in each; a few may have been removed."""
    largest = sum(max(each, default=0) for each in numbers)
    return sum(map(len, numbers)) > _MAX_SHARE * largest


def _n_overlapping(lower, upper):
    """Number of ids that overlap with themselves in another section."""
    return len(np.unique(lower[(lower == upper) & (lower > 0)]))


def _neighbors(positions):
    """Pairs of indices of neighboring sections, the lower one first."""
    index_of = {int(position): index for index, position in enumerate(positions)}
    return [(i, index_of[p + 1]) for p, i in index_of.items() if p + 1 in index_of]


def _number(labels):
    """Number the objects of all sections 1, 2, ...; return the number of each id, by section."""
    numbered, numbers, n = [], [], 0
    for label in labels:
        ids = np.unique(label)
        table = np.where(ids > 0, np.cumsum(ids > 0) + n, 0)
        numbered.append(table[np.searchsorted(ids, label)].astype(np.int64, copy=False))
        numbers.append(dict(zip(ids[ids > 0].tolist(), table[ids > 0].tolist(), strict=True)))
        n += len(numbers[-1])
    return numbered, numbers


def _merge(numbered, links):
    """Give numbers that are linked, directly or by others, one id."""
    n = max((int(label.max(initial=0)) for label in numbered), default=0)
    pairs = np.concatenate(links) - 1 if links else np.empty((0, 2), np.int64)
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, group = connected_components(graph, directed=False)
    table = np.concatenate([[0], group + 1])
    return [table[label] for label in numbered]


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
