"""Labels of blocks are those of the whole array, up to their numbers."""

import dask
import dask.array as da
import numpy as np
import pytest

from sskseg.morphology import label_components
from sskseg.scans import label_blocks
from sskseg.scans.joining import Ids
from sskseg.scans.stitching import merge_ids, overlap_pairs


def same(labels, expected):
    """Whether two label images differ in the numbers of objects only."""
    pairs = np.unique(np.stack([labels.ravel(), expected.ravel()], axis=1), axis=0)
    return all(len(np.unique(column)) == len(pairs) for column in pairs.T)


def both(mask, chunks, connectivity=1):
    labels, n = dask.compute(
        *label_blocks(da.from_array(mask, chunks=chunks), connectivity), scheduler="synchronous"
    )
    expected = label_components(mask > 0, connectivity)
    assert labels.dtype == np.int64
    assert n == expected.max()
    assert np.array_equal(np.unique(labels[labels > 0]), np.arange(1, n + 1))
    assert np.array_equal(labels > 0, mask > 0)
    return labels, expected


@pytest.mark.parametrize("seed", range(240))
def test_random_arrays(seed):
    rng = np.random.default_rng(seed)
    ndim = int(rng.integers(2, 4))
    shape = rng.integers(1, 40 if ndim == 2 else 16, ndim)
    mask = rng.random(shape) < rng.choice([0.1, 0.3, 0.5, 0.65])
    mask = mask.astype([bool, np.uint8, np.int32, np.int64, np.uint16][seed % 5])
    chunks = tuple(int(rng.integers(max(1, size // 3), size + 1)) for size in shape)
    labels, expected = both(mask, chunks, int(rng.integers(1, ndim + 1)))
    assert same(labels, expected)


def spiral(side):
    """One long object, a pixel wide."""
    mask = np.zeros((side, side), bool)
    y = x = 0
    dy, dx = 0, 1
    mask[0, 0] = True
    turns = 0
    while turns < 2:
        a, b = y + 2 * dy, x + 2 * dx
        ahead = 0 <= y + dy < side and 0 <= x + dx < side
        if ahead and not (0 <= a < side and 0 <= b < side and mask[a, b]):
            y, x, turns = y + dy, x + dx, 0
            mask[y, x] = True
        else:
            dy, dx, turns = dx, -dy, turns + 1
    return mask


@pytest.mark.parametrize("chunks", [(1, 1), (3, 5), (7, 2), (31, 4)])
def test_snakes_and_spirals(chunks):
    mask = spiral(31 if max(chunks) > 1 else 15)
    labels, expected = both(mask, chunks)
    assert expected.max() == 1
    assert labels.max() == 1
    snake = np.zeros((31, 30) if max(chunks) > 1 else (15, 14), bool)
    snake[::2] = True
    snake[1::4, -1] = snake[3::4, 0] = True
    assert both(snake, chunks)[0].max() == 1


def test_a_snake_through_a_volume():
    volume = np.zeros((9, 11, 12), bool)
    volume[::2, :, :11] = spiral(11)
    volume[1::4, 0, 0] = volume[3::4, 10, 10] = True
    for connectivity in (1, 2, 3):
        assert same(*both(volume, (2, 3, 5), connectivity))


def test_irregular_blocks_and_nothing():
    rng = np.random.default_rng(0)
    mask = rng.random((20, 30)) < 0.6
    assert same(*both(mask, ((3, 10, 7), (1, 9, 20))))
    labels, n = dask.compute(*label_blocks(da.zeros((4, 0), dtype=bool)))
    assert (labels.shape, n) == ((4, 0), 0)
    assert dask.compute(label_blocks(da.zeros((4, 4), dtype=bool, chunks=2))[1])[0] == 0


@pytest.mark.parametrize(
    ("array", "connectivity", "message"),
    [
        (da.zeros(4, dtype=bool), 1, "2-D or 3-D dask array of bool or int, got 1 axes"),
        (da.zeros((4, 4)), 1, "of float64"),
        (da.zeros((4, 4), dtype=bool), 3, "connectivity must be between 1 and 2, got 3"),
    ],
)
def test_other_arrays_are_refused(array, connectivity, message):
    with pytest.raises(ValueError, match=message):
        label_blocks(array, connectivity)


def test_numbers_have_no_gaps_and_need_memory_for_what_touches_only():
    pairs = [(0, 1, np.array([[2, 1]])), (1, 2, np.array([[1, 5], [3, 5]]))]
    numbering = merge_ids([10**12, 3, 5], pairs)
    assert numbering.n_objects == 10**12 + 3 + 5 - 3
    assert len(numbering.joined) == 3
    assert numbering.table(1).tolist() == [0, 2, 10**12 + 1, 2]
    assert numbering.table(2).tolist() == [0, *(10**12 + 2 + np.arange(4)), 2]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("has_sections", [False, True])
def test_an_object_has_an_id_of_the_first_block_that_it_lies_in(seed, has_sections):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 5, 8)
    full = np.flatnonzero(counts).tolist()
    pairs = [(a, b, rng.integers(1, [counts[a] + 1, counts[b] + 1], (2, 2)))
             for a, b in rng.choice(full, (5, 2)).tolist()]  # fmt: skip
    numbering = merge_ids(counts, pairs)
    n = numbering.n_objects
    dropped = np.flatnonzero(rng.random(n) < 0.3) + 1
    ids = Ids(numbering, dropped)
    if has_sections and ids.n_objects > 1:
        same = rng.integers(1, ids.n_objects + 1, (3, 2))
        ids = Ids(numbering, dropped, merge_ids([ids.n_objects], [(0, 0, same)]))
    starts, largest = ids.starts(), 0
    for block in range(len(counts)):
        assert starts[block] == largest
        largest = max(largest, int(ids.table(block).max()))
    assert starts[-1] == largest == ids.n_objects


def test_overlaps_match_one_to_one_and_return_the_unmatched():
    a, b = np.zeros((2, 6, 12), np.int32)
    a[:, :4], b[:, :4] = 1, 7  # the same object
    a[:2, 6:], b[:2, 6:9], b[:2, 9:] = 2, 8, 9  # one here, two there
    cores = (slice(0, 6), slice(0, 5)), (slice(0, 6), slice(5, 12))
    pairs, of_a, of_b = overlap_pairs(a, b, *cores)
    assert pairs.tolist() == [[1, 7]]
    assert of_a.tolist() == [2]
    assert of_b.tolist() == []


def test_an_object_that_the_other_block_splits_at_the_border_is_unmatched():
    a, b = np.zeros((2, 4, 12), np.int32)
    a[:, 2:6], a[:, 6:10], b[:, 2:10] = 1, 2, 7
    cores = (slice(0, 4), slice(0, 6)), (slice(0, 4), slice(6, 12))
    pairs, of_a, of_b = overlap_pairs(a, b, *cores)
    assert pairs.tolist() == []
    assert of_a.tolist() == [2]
    assert of_b.tolist() == [7]
