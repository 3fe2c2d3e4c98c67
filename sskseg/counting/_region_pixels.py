"""Images of regions, read block by block."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, product
from typing import Any

import numpy as np

_MAX_PIXELS = 2**26  # of a block of an array without chunks
Box = tuple[slice, ...]


def blocks_of(array: Any) -> Iterator[Box]:
    """Yield the chunks of an array, or slabs of one that has none.

    Parameters
    ----------
    array : array of numpy, dask, zarr or h5py
        Chunks of zarr and h5py are sizes, those of dask sizes of each chunk.

    Yields
    ------
    tuple of slice
    """
    edges = [[0, *np.cumsum(sizes).tolist()] for sizes in _chunks(array)]
    for parts in product(*(pairwise(axis) for axis in edges)):
        yield tuple(slice(a, b) for a, b in parts)


def _chunks(array):
    """Sizes of the chunks along each axis."""
    chunks = getattr(array, "chunks", None)
    if not chunks:  # in slabs
        row = max(1, int(np.prod(array.shape[1:])))
        chunks = (max(1, _MAX_PIXELS // row), *array.shape[1:])
    return [
        chunk if isinstance(chunk, tuple) else _equal_parts(n, chunk)
        for n, chunk in zip(array.shape, chunks, strict=True)
    ]


def _equal_parts(n, size):
    parts = [size] * (n // size if size else 0)
    return [*parts, n - sum(parts)] if sum(parts) < n else parts


def find_regions(
    regions: Any, at: np.ndarray, outside: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read regions at pixels, and count the pixels of each region.

    Parameters
    ----------
    regions : array of int
        Each block is read once.
    at : ndarray of int, shape (k, ndim)
        Pixels, in or outside of the image.
    outside : int
        Region of pixels outside.

    Returns
    -------
    values : ndarray of int64
        Sorted.
    sizes : ndarray of int64
        Pixels of each.
    found : ndarray of int64, shape (k,)
    """
    found = np.full(len(at), outside, np.int64)
    inside = np.flatnonzero(((at >= 0) & (at < regions.shape)).all(axis=1))
    chunks = _chunks(regions)
    ends = [np.cumsum(sizes) for sizes in chunks]
    axes = [np.searchsorted(e, x, side="right") for e, x in zip(ends, at[inside].T, strict=True)]
    block = np.ravel_multi_index(axes, [len(sizes) for sizes in chunks])
    order = inside[np.argsort(block, kind="stable")]
    n_blocks = int(np.prod([len(sizes) for sizes in chunks]))
    starts = np.concatenate([[0], np.cumsum(np.bincount(block, minlength=n_blocks))])
    total: dict[int, int] = {}
    for i, box in enumerate(blocks_of(regions)):
        pixels = np.asarray(regions[box])
        pixels = pixels.view(np.uint8) if pixels.dtype == bool else pixels
        _add(total, pixels)
        here = order[starts[i] : starts[i + 1]]
        found[here] = pixels[tuple((at[here] - [part.start for part in box]).T)]
    return *_sorted(total), found


def count_pixels(regions: Any) -> tuple[np.ndarray, np.ndarray]:
    """Count the pixels of each region.

    Parameters
    ----------
    regions : array of int

    Returns
    -------
    values, sizes : ndarray of int64
        As in `find_regions`.
    """
    return find_regions(regions, np.empty((0, regions.ndim), np.int64), 0)[:2]


def _add(total, pixels):
    if pixels.min() >= 0 and pixels.max() < pixels.size:  # faster than sorting
        counts = np.bincount(pixels.ravel())
        values = np.flatnonzero(counts)
        counts = counts[values]
    else:
        values, counts = np.unique(pixels, return_counts=True)
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        total[value] = total.get(value, 0) + count


def _sorted(total):
    values = sorted(total)
    return np.array(values, np.int64), np.array([total[v] for v in values], np.int64)
