"""Connected components of arrays larger than memory."""

import numpy as np

from ..morphology import label_components
from .stitching import block_faces, boundary_pairs, merge_ids, neighbor_offsets


def label_blocks(array, connectivity=1):
    """Label the connected components of a dask array, block by block.

    Each block is labeled by itself; labels that touch across a boundary of blocks are joined. The
    components are those of the whole array, whatever the blocks.

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
        Compute it together with `labels`, ``dask.compute(labels, n_objects)``, so that components
        are found once.

    Raises
    ------
    ValueError
        If the array is not 2-D or 3-D, of floats, or of unknown size, or `connectivity` is out of
        range.

    Notes
    -----
    What is gathered in one place is proportional to the pairs of labels that touch a boundary.

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
    grid = array.numblocks
    blocks = array.to_delayed()
    label, number = dask.delayed(_label, pure=True), dask.delayed(merge_ids, pure=True)
    labels = {at: label(blocks[at], connectivity) for at in np.ndindex(grid)}
    edges = {at: dask.delayed(_edges, pure=True)(labels[at]) for at in labels}
    rows = {at: i for i, at in enumerate(labels)}
    touching = []
    for at in labels:
        for offset in neighbor_offsets(array.ndim, connectivity):
            there = tuple(a + o for a, o in zip(at, offset, strict=True))
            if there in rows:
                pairs = dask.delayed(_pairs, pure=True)(
                    edges[at], edges[there], offset, connectivity
                )
                touching.append((rows[at], rows[there], pairs))
    counts = [dask.delayed(_count, pure=True)(edges[at]) for at in labels]
    numbering = number(counts, touching)
    renumber = dask.delayed(_renumber, pure=True)
    result = np.empty(grid, object)
    for at in labels:
        shape = tuple(sizes[i] for sizes, i in zip(array.chunks, at, strict=True))
        done = renumber(labels[at], numbering, rows[at])
        result[at] = da.from_delayed(done, shape, np.int64, meta=np.empty((0,) * array.ndim, int))
    n_objects = da.from_delayed(dask.delayed(_n_objects)(numbering), (), np.int64)
    return da.block(result.tolist()), n_objects


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
    """Count of labels, and faces."""
    return int(labels.max()), block_faces(labels)


def _count(edges):
    return edges[0]


def _pairs(edges, following, offset, connectivity):
    return boundary_pairs(edges[1], following[1], offset, connectivity)


def _renumber(labels, numbering, row):
    return numbering.renumber(labels, row)


def _n_objects(numbering):
    return np.int64(numbering.n_objects)
