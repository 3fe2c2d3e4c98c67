"""Reading the pixels of a scan, within the mask."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from ..images import check_images, unwrap
from ..io.storage import AccessRefused, StoreFailed
from .boxes import Box, boxes, relative
from .checkpoints import checksum
from .grid import Grid
from .plan import Plan

NOT_FINITE = (
    "source contains NaN or infinity; finite values are required. Where nothing was imaged, "
    "mask must be 0; replace such values elsewhere."
)


def read_input(plan: Plan, i: int) -> np.ndarray | None:
    """Read what the network reads for block i of its grid.

    Returns
    -------
    ndarray or None
        None where the mask excludes all that objects are found in, or no pixel is above
        `skip_below`: the block is background then.
    """
    box = plan.network_grid.boxes[i]
    allowed = read_mask(plan, box)
    if allowed is not None and plan.from_images:
        allowed = allowed[relative(plan.grid.boxes[i], box)]
    if allowed is not None and not allowed.any():
        return None
    block = read_scan(plan, plan.network_grid.input_box(i))
    if plan.skip_below is not None and not (block > plan.skip_below).any():
        return None
    return block


def read_scan(plan: Plan, box: Box) -> np.ndarray:
    """Read the pixels of a box, in this thread; NaN and infinities outside of the mask are 0."""
    part = plan.scan.data[box]
    try:
        block = np.asarray(part.compute(scheduler="synchronous"))
    except (AccessRefused, StoreFailed, MemoryError):
        raise
    except Exception as error:  # decoders raise errors of many kinds
        _name_unreadable(plan.scan, box, part, error)
        raise
    return _fill_excluded(plan, block, box)


def _name_unreadable(scan, box, part, error):
    """Add a note to an error: the pixels of the first chunk that raises it."""
    starts = [each.start for each in box] + [0] * (part.ndim - len(box))
    for place, chunk in zip(np.ndindex(part.numblocks), boxes(part.chunks), strict=True):
        try:
            part.blocks[place].compute(scheduler="synchronous")
        except type(error):
            axes = zip(scan.axes, starts, chunk, strict=True)
            pixels = [f"{axis} {at + own.start} to {at + own.stop - 1}" for axis, at, own in axes]
            error.add_note(f"Pixels of {scan.source} that cannot be read: {', '.join(pixels)}.")
            return


def _fill_excluded(plan, block, box):
    """Scans hold NaN where nothing was imaged; networks read beyond the mask, and need a number."""
    if plan.mask is None or block.dtype.kind != "f" or np.isfinite(block).all():
        return block
    excluded = ~cast(np.ndarray, read_mask(plan, box))
    excluded = excluded.reshape(excluded.shape + (1,) * (block.ndim - excluded.ndim))
    return np.where(excluded & ~np.isfinite(block), block.dtype.type(0), block)


def filled_scan(plan: Plan) -> Any:
    """Return the scan as `read_scan` reads it, as a dask array."""
    import dask.array as da

    data = plan.scan.data
    if plan.mask is None or data.dtype.kind != "f":
        return data

    def fill(block, block_info):
        places = block_info[0]["array-location"][: len(plan.shape)]
        return _fill_excluded(plan, block, tuple(slice(*place) for place in places))

    return da.map_blocks(fill, data, dtype=data.dtype, meta=data._meta)


def read_mask(plan: Plan, box: Box) -> np.ndarray | None:
    """Evaluate the mask, which may be coarser than the scan, at the pixels of a box.

    Returns
    -------
    ndarray of bool, or None where there is no mask
    """
    if plan.mask is None:
        return None
    indices = [
        (np.arange(part.start, part.stop) * coarse) // fine
        for part, coarse, fine in zip(box, plan.mask.shape, plan.shape, strict=True)
    ]
    part = plan.mask[tuple(slice(index[0], index[-1] + 1) for index in indices)]
    if hasattr(part, "compute"):
        part = part.compute(scheduler="synchronous")
    return (np.asarray(part) > 0)[np.ix_(*(index - index[0] for index in indices))]


def allowed_blocks(plan: Plan, grid: Grid) -> list[int]:
    """List the indices of the blocks in which the mask is not 0 everywhere."""
    if plan.mask is None:
        return list(range(len(grid)))
    return [i for i, box in enumerate(grid.boxes) if np.any(read_mask(plan, box))]


def preprocess(plan: Plan, block: np.ndarray) -> Any:
    """Apply the preprocessing steps to a block, one by one: a pipeline of some of the steps may
    consider itself not fitted.

    Raises
    ------
    ValueError
        If pixels that the mask does not exclude are NaN or infinite, unless a step replaces them.
    """
    images: Any = block if plan.consecutive else block[None]
    finite = block.dtype.kind != "f" or bool(np.isfinite(block).all())
    try:
        for step in plan.steps:
            images = step.transform(images)
        images = unwrap(images)
        if not finite:
            check_images(images, len(plan.shape) - plan.consecutive)
    except ValueError as error:
        if not finite:
            raise ValueError(NOT_FINITE) from error
        raise
    return images if plan.consecutive else images[0]


def input_checksum(block: np.ndarray | None) -> np.ndarray:
    """Compute the checksum of what `read_input` returns."""
    return np.array(0, np.uint32) if block is None else checksum(block)
