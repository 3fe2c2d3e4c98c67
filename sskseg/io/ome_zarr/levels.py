"""Arrays of the levels of a pyramid, written block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, product
from typing import Any, Literal, NamedTuple

import numpy as np

_MAX_CHUNK_BYTES = 2**24
_MAX_BLOCK_BYTES = 2**22  # of a coarse level, unless it is one chunk; it reads 4 or 8 times as many

Region = tuple[slice, ...]


class Codec(NamedTuple):
    """A codec of Zarr 2 and 3.

    Parameters
    ----------
    name : {"zstd", "lz4"}
    level : int
    shuffle : bool
        Whether the first bytes of all pixels come first, then the second ones.
    """

    name: Literal["zstd", "lz4"] = "zstd"
    level: int = 5
    shuffle: bool = True

    def of_format(self, zarr_format: int) -> Any:
        """Return the codec that `zarr.Group.create_array` takes.

        It is one of Blosc, which old programs know, too. In Zarr 3, zstd without shuffle is faster.
        """
        if zarr_format == 2:
            from numcodecs import Blosc

            return Blosc(cname=self.name, clevel=self.level, shuffle=int(self.shuffle))
        from zarr.codecs import BloscCodec, ZstdCodec

        if self.name == "zstd" and not self.shuffle:
            return ZstdCodec(level=self.level)
        shuffle: Any = "shuffle" if self.shuffle else "noshuffle"
        return BloscCodec(cname=self.name, clevel=self.level, shuffle=shuffle)


_ZSTD = Codec()
LABEL_CODEC = Codec(level=1, shuffle=False)  # smaller and faster than with shuffle


def write_pyramid(
    group: Any,
    source: Any,
    *,
    axes: Sequence[str],
    shapes: Sequence[tuple[int, ...]],
    chunks: Sequence[Sequence[int]],
    check: Callable[[np.ndarray], object],
    coarser: Callable[[Any, int], Callable[[Region], np.ndarray]],
    codec: Codec = _ZSTD,
) -> None:
    """Write the arrays of all levels of a group, block by block.

    Parameters
    ----------
    group : zarr.Group
    source : ndarray or dask array
        The finest level. Bools become 0 and 1 of uint8.
    axes : sequence of str
        Their names.
    shapes, chunks : sequence of tuple of int
        Of each level; chunks become smaller where they are too large or lie in several blocks.
    check : callable
        Raises for a block of `source` that cannot be written.
    coarser : callable
        ``coarser(fine, level)`` returns a function that reads regions of that level from the array
        of the finer one.
    codec : Codec, default=zstd
    """
    dtype = np.dtype(np.uint8) if source.dtype.kind == "b" else source.dtype.newbyteorder("=")

    def convert(block):
        check(block)
        return block.astype(dtype, copy=False)

    sides = choose_chunks(shapes[0], chunks[0], dtype, source)
    array = create_array(group, "0", axes, codec, shape=shapes[0], chunks=sides, dtype=dtype)
    write_finest(array, source, convert)
    for level in range(1, len(shapes)):
        fine, sides = array, choose_chunks(shapes[level], chunks[level], dtype)
        array = create_array(
            group, str(level), axes, codec, shape=shapes[level], chunks=sides, dtype=dtype
        )
        write_blocks(array, coarser(fine, level))


def create_array(
    group: Any, name: str, axes: Sequence[str], codec: Codec | None = _ZSTD, **shared: Any
) -> Any:
    """Create an array, as the version of its group requires it.

    Parameters
    ----------
    group : zarr.Group
    name : str
    axes : sequence of str
        Their names; Zarr 2 has none.
    codec : Codec or None, default=zstd
        None: values are not compressed.
    **shared
        Shape, chunks and dtype, as both versions take them.

    Returns
    -------
    zarr.Array
    """
    zarr_format = group.metadata.zarr_format
    shared["compressors"] = None if codec is None else codec.of_format(zarr_format)
    if zarr_format == 3:
        return group.create_array(name, dimension_names=tuple(axes), **shared)
    separator = {"name": "v2", "separator": "/"}  # nested folders, which version 0.4 requires
    return group.create_array(name, chunk_key_encoding=separator, **shared)


def choose_chunks(
    shape: Sequence[int], preferred: Sequence[int], dtype: Any, source: Any = None
) -> tuple[int, ...]:
    """Choose chunks that are not too large, and lie in one block each of a dask array.

    Parameters
    ----------
    shape, preferred : sequence of int
    dtype : dtype
    source : dask array, default=None
        Where its blocks are irregular or have no suitable divisor, chunks lie in several of them.

    Returns
    -------
    tuple of int
    """
    sides = [max(1, min(side, size)) for side, size in zip(preferred, shape, strict=True)]
    while np.prod(sides) * np.dtype(dtype).itemsize > _MAX_CHUNK_BYTES:
        longest = int(np.argmax(sides))
        sides[longest] = -(-sides[longest] // 2)
    if not hasattr(source, "dask"):
        return tuple(sides)
    return tuple(map(_side_within, sides, source.chunks))


def _side_within(side, blocks):
    """The side of a chunk that divides the blocks of a dask array along an axis."""
    if len(blocks) == 1 or len(set(blocks[:-1])) > 1 or blocks[-1] > blocks[0]:
        return side
    divisors = [n for n in range(max(1, side // 4), side + 1) if blocks[0] % n == 0]
    return blocks[0] if blocks[0] <= side else max(divisors, default=side)


def write_finest(array: Any, source: Any, convert: Callable[[np.ndarray], np.ndarray]) -> None:
    """Write the finest level from an array; of dask, each block is computed once.

    Parameters
    ----------
    array : zarr.Array
    source : ndarray or dask array of its shape
    convert : callable
        Checks a block, and returns it in the dtype of `array`.
    """
    if not hasattr(source, "dask"):
        write_blocks(array, lambda region: convert(source[region]))
        return
    import dask
    import dask.array as da
    from dask.system import CPU_COUNT

    converted = source.map_blocks(convert, dtype=array.dtype, meta=np.empty((0,) * array.ndim))
    starts = [list(accumulate(blocks[:-1])) for blocks in source.chunks]
    is_aligned = all(
        start % side == 0 for axis, side in zip(starts, array.chunks, strict=True) for start in axis
    )
    # Where a block raises an error, the pool waits for those that others write meanwhile.
    n_threads = dask.config.get("num_workers", None) or CPU_COUNT
    with ThreadPoolExecutor(n_threads) as pool, dask.config.set(pool=pool):
        # Two blocks in one chunk must not be written at once.
        da.store(converted, array, lock=not is_aligned)


def write_blocks(array: Any, read: Callable[[Region], np.ndarray]) -> None:
    """Write an array in blocks of whole chunks.

    Parameters
    ----------
    array : zarr.Array
    read : callable
        Returns the values of a region.
    """
    for region in _regions(array.shape, array.chunks, array.dtype.itemsize):
        array[region] = read(region)


def _regions(shape, chunks, itemsize) -> Iterator[Region]:
    sides = list(chunks)
    for axis in reversed(range(len(sides))):  # the last axis is the fastest
        n_chunks = _MAX_BLOCK_BYTES // (int(np.prod(sides)) * itemsize)
        sides[axis] = min(shape[axis], sides[axis] * max(1, n_chunks))
    axes = [
        [slice(start, min(start + side, size)) for start in range(0, size, side)]
        for side, size in zip(sides, shape, strict=True)
    ]
    yield from product(*axes)


def sample(fine: Any, indices: Sequence[np.ndarray]) -> Callable[[Region], np.ndarray]:
    """Return a function that reads some pixels of a finer level.

    Parameters
    ----------
    fine : zarr.Array
    indices : sequence of ndarray of int
        Along each axis, which pixels of `fine` the coarse level has.

    Returns
    -------
    callable
        Of a region of the coarse level.
    """

    def read(region):
        parts = [axis[part] for axis, part in zip(indices, region, strict=True)]
        block = fine[tuple(slice(part[0], part[-1] + 1) for part in parts)]
        return block[np.ix_(*(part - part[0] for part in parts))]

    return read


def average(fine: Any, steps: Sequence[int]) -> Callable[[Region], np.ndarray]:
    """Return a function that reads means over the pixels of a finer level.

    Parameters
    ----------
    fine : zarr.Array
    steps : sequence of {1, 2}
        How many of its pixels a pixel of the coarse level has along each axis.

    Returns
    -------
    callable
        Of a region of the coarse level; it rounds to integers where `fine` holds these.
    """

    def read(region):
        block = fine[
            tuple(
                slice(part.start * step, part.stop * step)
                for part, step in zip(region, steps, strict=True)
            )
        ]
        for axis in [axis for axis, step in enumerate(steps) if step == 2]:
            block = _halved(block, axis)
        return np.rint(block).astype(fine.dtype) if fine.dtype.kind in "iu" else block

    return read


def _halved(block, axis):
    """Means of pairs of pixels; a single one at the end stays."""
    pairs = np.moveaxis(block, axis, 0)
    means = pairs[::2].astype(np.result_type(block.dtype, np.float32))
    seconds = pairs[1::2]
    means[: len(seconds)] = (means[: len(seconds)] + seconds) / 2
    return np.moveaxis(means, 0, axis)
