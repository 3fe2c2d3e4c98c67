"""Run a function over the blocks of a dask array, each with the halo that it needs."""

import numpy as np


def predict_blocks(array, function, model, *, core, halo, output_channels, dtype):
    """Apply a function to overlapping blocks of a dask array.

    The array is cut into blocks of `core` pixels (the whole axis where `core` is at least as long),
    so that the function sees what it would see of the whole image in tiles of that size.

    Parameters
    ----------
    array : dask array of shape (n_samples, *spatial, n_channels)
    function : callable
        ``function(model, block) -> block``, with a block of the same samples and spatial shape, and
        `output_channels` channels last (none where that is None).
    model : object
        Handed to every call; stands in the graph once, so that it is shipped to a worker once.
    core, halo : tuple of int
        Pixels that a block writes, and reads beyond that on each side where the image goes on.
    output_channels : int or None
    dtype : numpy dtype

    Returns
    -------
    dask array of shape (n_samples, *spatial) or (n_samples, *spatial, output_channels)
    """
    import dask
    import dask.array as da

    spatial = range(1, array.ndim - 1)
    core = [min(size, array.shape[axis]) for axis, size in zip(spatial, core, strict=True)]
    # Dask wants every chunk, the last one too, to be at least as long as the halo.
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


def cut(size, core, margin):
    """Sizes of the blocks along an axis; what is shorter than the margin goes to the last one."""
    chunks = [core] * (size // core) + ([size % core] if size % core else [])
    if len(chunks) > 1 and chunks[-1] < margin:
        chunks[-2:] = [chunks[-2] + chunks[-1]]
    return tuple(chunks)


def _call(block, *, function, model):
    return function(model, block)
