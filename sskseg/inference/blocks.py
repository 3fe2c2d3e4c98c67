"""Run a function over the blocks of a dask array, each with the halo that it needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def predict_blocks(
    array: Any,
    function: Callable[[Any, np.ndarray], np.ndarray],
    model: Any,
    *,
    core: tuple[int, ...],
    halo: tuple[int, ...],
    output_channels: int | None,
    dtype: Any,
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

    Returns
    -------
    dask array of shape (n_samples, *spatial) or (n_samples, *spatial, output_channels)
    """
    import dask
    import dask.array as da

    spatial = range(1, array.ndim - 1)
    core = tuple(min(size, array.shape[axis]) for axis, size in zip(spatial, core, strict=True))
    # Dask requires every chunk, the last one too, to be at least as long as the halo.
    chunks = {
        axis: cut(array.shape[axis], size, margin)
        for axis, size, margin in zip(spatial, core, halo, strict=True)
    }
    array = array.rechunk({**chunks, array.ndim - 1: -1})
    depth = {
        axis: margin if len(chunks[axis]) > 1 else 0
        for axis, margin in zip(spatial, halo, strict=True)
    }
    overlapping = da.overlap.overlap(array, depth, boundary="none")
    channels = () if output_channels is None else ((output_channels,),)
    result = da.map_blocks(
        _call,
        overlapping,
        function=function,
        model=dask.delayed(model, pure=True),
        dtype=dtype,
        drop_axis=array.ndim - 1 if output_channels is None else None,
        chunks=(*overlapping.chunks[:-1], *channels),
        meta=np.empty((0,) * (array.ndim - (output_channels is None)), dtype),
    )
    return da.overlap.trim_internal(result, depth, boundary="none")


def cut(size: int, core: int, margin: int) -> tuple[int, ...]:
    """Return the sizes of the blocks along an axis; a rest below `margin` joins the last one."""
    chunks = [core] * (size // core) + ([size % core] if size % core else [])
    if len(chunks) > 1 and chunks[-1] < margin:
        chunks[-2:] = [chunks[-2] + chunks[-1]]
    return tuple(chunks)


def _call(block, *, function, model):
    return function(model, block)
