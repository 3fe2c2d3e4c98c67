"""Run a function over the blocks of a dask array, each with the halo that it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np


def predict_blocks(
    array: Any,
    function: Callable[..., np.ndarray],
    model: Any,
    *,
    core: tuple[int, ...],
    halo: tuple[int, ...],
    output_channels: int | None,
    dtype: Any,
    takes_part: bool = False,
) -> Any:
    """Apply a function to overlapping blocks of a dask array.

    The array is cut into blocks of `core` pixels (the whole axis where `core` is at least as long),
    so that the function gets what it would get of the whole image in tiles of that size.

    Parameters
    ----------
    array : dask array of shape (n_samples, *spatial, n_channels)
    function : callable
        ``function(model, block) -> block``, with a block of the same samples and spatial shape, and
        `output_channels` channels last (none where that is None).
    model : object
        Passed to every call; it is in the graph once, so that it is sent to a worker once.
    core, halo : tuple of int
        Pixels that a block writes, and reads beyond that on each side where the image continues.
    output_channels : int or None
    dtype : numpy dtype
    takes_part : bool, default=False
        Whether the function takes a third argument, the part of the spatial axes that the block
        writes, and returns that part alone.

    Returns
    -------
    dask array of shape (n_samples, *spatial) or (n_samples, *spatial, output_channels)
    """
    import dask
    import dask.array as da

    chunks = _spatial_chunks(array, core, halo)
    array = array.rechunk({**chunks, array.ndim - 1: -1})
    depth = {
        axis: margin if len(chunks[axis]) > 1 else 0
        for axis, margin in zip(chunks, halo, strict=True)
    }
    overlapping = da.overlap.overlap(array, depth, boundary="none")
    channels = () if output_channels is None else ((output_channels,),)
    return da.map_blocks(
        _call,
        overlapping,
        function=function,
        model=dask.delayed(model, pure=True),
        depth=tuple(depth.values()),
        n_blocks=overlapping.numblocks[1:-1],
        takes_part=takes_part,
        dtype=dtype,
        drop_axis=array.ndim - 1 if output_channels is None else None,
        chunks=(*array.chunks[:-1], *channels),
        meta=np.empty((0,) * (array.ndim - (output_channels is None)), dtype),
    )


def predict_windows(
    array: Any,
    indices: np.ndarray,
    function: Callable[[Any, np.ndarray, Any, tuple[slice, ...]], np.ndarray],
    model: Any,
    options: Sequence[Any],
    *,
    core: tuple[int, ...],
    halo: tuple[int, ...],
    output_channels: int | None,
    dtype: Any,
) -> Any:
    """Apply a function to overlapping blocks of neighboring samples of a dask array.

    One task for each block of a sample reads all that it needs of the blocks around it, whereas
    `predict_blocks` has tasks for each part of the halo, and neighbors that are joined as channels
    have one each.

    Parameters
    ----------
    array, model, core, halo, output_channels, dtype
        As `predict_blocks` takes them.
    indices : ndarray of int, shape (n_predicted, n_sections)
        Samples whose channels make up each predicted one.
    function : callable
        ``function(model, block, option, part) -> block``, of one sample: of a block with its halo
        the part that it writes.
    options : sequence of length n_predicted

    Returns
    -------
    dask array of shape (n_predicted, *spatial) or (n_predicted, *spatial, output_channels)
    """
    import dask
    import dask.array as da
    from dask.base import tokenize
    from dask.highlevelgraph import HighLevelGraph

    chunks = _spatial_chunks(array, core, halo)
    array = array.rechunk({0: 1, **chunks, array.ndim - 1: -1})
    network = dask.delayed(model, pure=True)
    last = () if output_channels is None else (0,)
    token = tokenize(array.name, network.key, indices, list(options), core, halo)
    name = f"predict-{token}"
    tasks: dict[Any, Any] = {}
    for k, (sections, option) in enumerate(zip(indices.tolist(), options, strict=True)):
        for at in product(*(range(len(sizes)) for sizes in chunks.values())):
            sides = [
                [step for step in (-1, 0, 1) if 0 <= i + step < len(sizes)]
                for i, sizes in zip(at, chunks.values(), strict=True)
            ]
            call = partial(_call_window, function, sides=sides, halo=halo, option=option)
            blocks = [_around((array.name, z), at, sides) for z in sections]
            tasks[(name, k, *at, *last)] = (call, network.key, blocks)
    graph = HighLevelGraph.from_collections(name, tasks, dependencies=[array, network])
    channels = () if output_channels is None else ((output_channels,),)
    shape = ((1,) * len(indices), *chunks.values(), *channels)
    return da.Array(graph, name, shape, meta=np.empty((0,) * len(shape), dtype))


def _around(key, at, sides):
    """Keys of a block and of those around it, nested by axis."""
    if not at:
        return (*key, 0)
    return [_around((*key, at[0] + step), at[1:], sides[1:]) for step in sides[0]]


def _call_window(function, model, blocks, *, sides, halo, option):
    sections = [_joined(block, sides, halo) for block in blocks]
    window = np.concatenate(sections, axis=-1) if len(sections) > 1 else sections[0]
    inner = tuple(
        slice(margin * (-1 in steps), size - margin * (1 in steps))
        for steps, margin, size in zip(sides, halo, window.shape[1:], strict=False)
    )
    return function(model, window, option, inner)


def _joined(blocks, sides, halo, axis=0):
    """A block with its halo, from those around it."""
    if axis == len(sides):
        return blocks
    parts = []
    for step, block in zip(sides[axis], blocks, strict=True):
        part = _joined(block, sides, halo, axis + 1)
        size, margin = part.shape[axis + 1], halo[axis]
        kept = {-1: slice(size - margin, None), 0: slice(None), 1: slice(margin)}[step]
        parts.append(part[(slice(None),) * (axis + 1) + (kept,)])
    return np.concatenate(parts, axis=axis + 1) if len(parts) > 1 else parts[0]


def _spatial_chunks(array, core, halo):
    """Sizes of the blocks along each spatial axis.

    Every block, the last one too, is at least as long as the halo, so that it is in neighbors.
    """
    sides = zip(range(1, array.ndim - 1), core, halo, strict=True)
    return {
        axis: cut(array.shape[axis], min(size, array.shape[axis]), margin)
        for axis, size, margin in sides
    }


def cut(size: int, core: int, margin: int) -> tuple[int, ...]:
    """Return the sizes of the blocks along an axis; a rest below `margin` joins the last one."""
    chunks = [core] * (size // core) + ([size % core] if size % core else [])
    if len(chunks) > 1 and chunks[-1] < margin:
        chunks[-2:] = [chunks[-2] + chunks[-1]]
    return tuple(chunks)


def _call(block, *, function, model, depth, n_blocks, takes_part, block_id):
    inner = tuple(
        slice(margin * (i > 0), size - margin * (i < n - 1))
        for i, n, margin, size in zip(block_id[1:], n_blocks, depth, block.shape[1:], strict=False)
    )
    if takes_part:
        return function(model, block, inner)
    return function(model, block)[(slice(None), *inner)]
