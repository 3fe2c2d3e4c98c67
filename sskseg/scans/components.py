"""Connected components of arrays larger than memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..morphology import label_components
from .stitching import block_faces, boundary_pairs, merge_ids, neighbor_offsets


def label_blocks(array: Any, connectivity: int = 1) -> tuple[Any, Any]:
    """Label the connected components of a dask array, block by block.

    Each block is labeled by itself; labels that touch across a boundary of blocks are joined. The
    components are those of the whole array for any blocks.

    Parameters
    ----------
    array : dask array of bool or int, 2-D or 3-D
        Pixels > 0 are foreground. Its chunks are the blocks.
    connectivity : int, default=1
        1 joins pixels that share a face, up to ``array.ndim`` which joins those that share a
        corner.

    Returns
    -------
    labels : dask array of int64
        0 background; 1, 2, ... in the order of the blocks.
    n_objects : dask array of int64, shape ()
        Compute both together, ``dask.compute(labels, n_objects)``, to label the array once.

    Raises
    ------
    ValueError
        If the array is not 2-D or 3-D, of floats, or of unknown size, or `connectivity` is out of
        range.

    Notes
    -----
    Memory of one process is proportional to the pairs of labels that touch across a boundary.

    Examples
    --------
    >>> import dask
    >>> import dask.array as da
    >>> import numpy as np
    >>> from sskseg.scans import label_blocks
    >>> mask = da.from_array(np.array([[1, 1, 1, 0, 1]]), chunks=(1, 2))
    >>> labels, n_objects = dask.compute(*label_blocks(mask))
    >>> labels, int(n_objects)
    (array([[1, 1, 1, 0, 2]]), 2)
    """
    import dask
    import dask.array as da

    _check(array, connectivity)
    if 0 in array.shape:
        return da.zeros(array.shape, dtype=np.int64, chunks=array.chunks), da.zeros((), np.int64)
    blocks = array.to_delayed()
    label = dask.delayed(_label, pure=True)
    labels = {at: label(blocks[at], connectivity) for at in np.ndindex(array.numblocks)}
    edges = {at: dask.delayed(_edges, pure=True)(block) for at, block in labels.items()}
    touching = _touching(edges, array.ndim, connectivity)
    counts = [dask.delayed(_count, pure=True)(edge) for edge in edges.values()]
    numbering = dask.delayed(merge_ids, pure=True)(counts, touching)
    n_objects = da.from_delayed(dask.delayed(_n_objects)(numbering), (), np.int64)
    return _renumbered(array, labels, numbering), n_objects


def _touching(edges, ndim, connectivity):
    """Pairs of blocks that are neighbors, with their labels that touch."""
    import dask

    pairs = dask.delayed(_pairs, pure=True)
    index = {at: i for i, at in enumerate(edges)}
    touching = []
    for at in edges:
        for offset in neighbor_offsets(ndim, connectivity):
            there = tuple(a + o for a, o in zip(at, offset, strict=True))
            if there in index:
                labels = pairs(edges[at], edges[there], offset, connectivity)
                touching.append((index[at], index[there], labels))
    return touching


def _renumbered(array, labels, numbering):
    """The labels of all blocks under their final ids, as one array."""
    import dask
    import dask.array as da

    renumber = dask.delayed(_renumber, pure=True)
    result = np.empty(array.numblocks, object)
    meta = np.empty((0,) * array.ndim, int)
    for block, at in enumerate(labels):
        shape = tuple(sizes[i] for sizes, i in zip(array.chunks, at, strict=True))
        done = renumber(labels[at], numbering, block)
        result[at] = da.from_delayed(done, shape, np.int64, meta=meta)
    return da.block(result.tolist())


def _check(array, connectivity):
    if array.ndim not in (2, 3) or array.dtype.kind not in "bui":
        raise ValueError(
            "array must be a 2-D or 3-D dask array of bool or int, got "
            f"{array.ndim} axes of {array.dtype}."
        )
    if any(not np.isfinite(size) for size in array.shape):
        raise ValueError(f"array must be of known size, got shape {array.shape}.")
    if not 1 <= connectivity <= array.ndim:
        raise ValueError(f"connectivity must be between 1 and {array.ndim}, got {connectivity!r}.")


def _label(block, connectivity):
    block = np.asarray(block)
    return label_components(block if block.dtype == bool else block > 0, connectivity)


def _edges(labels):
    """Number of labels, and faces."""
    return int(labels.max()), block_faces(labels)


def _count(edges):
    return edges[0]


def _pairs(edges, following, offset, connectivity):
    return boundary_pairs(edges[1], following[1], offset, connectivity)


def _renumber(labels, numbering, block):
    return numbering.renumber(labels, block)


def _n_objects(numbering):
    return np.int64(numbering.n_objects)
