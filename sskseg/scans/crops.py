"""Crops of a scan that hold objects."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from sklearn.base import clone

from ..images import unwrap
from ..preprocessing import DomainCheck
from .plan import Plan
from .reading import filled_scan, read_mask
from .scaling import needs_scan

_MAX_SIDE = {2: 512, 3: 96}  # of a crop, pixels
_N_PER_AXIS = {2: 4, 3: 3}
_N_CROPS = 5


def varied_crops(plan: Plan, shape: tuple[int, ...] | None = None) -> list[np.ndarray]:
    """Read the crops of a regular grid that vary most, within the mask.

    They may hold objects where a block of the scan holds none.

    Parameters
    ----------
    plan : Plan
    shape : tuple of int, default=None
        Size of a crop along the last axes, at most 512 pixels in a plane and 96 in a volume. None
        is the largest one.

    Returns
    -------
    list of ndarray of shape (*shape, n_channels)
        At most 5, without NaN, the most varied one first. A scan without variation within the mask
        has none.
    """
    ndim = len(plan.shape) - plan.consecutive if shape is None else len(shape)
    wanted = (_MAX_SIDE[ndim],) * ndim if shape is None else shape
    sides = (1,) * (len(plan.shape) - ndim) + tuple(min(s, _MAX_SIDE[ndim]) for s in wanted)
    starts = [
        np.unique(np.linspace(first, max(first, stop - side), _N_PER_AXIS[ndim]).astype(int))
        for (first, stop), side in zip(_extent(plan), sides, strict=True)
    ]
    scan, crops, spread = filled_scan(plan), [], []
    for corner in product(*starts):
        axes = zip(corner, sides, plan.shape, strict=True)
        box = tuple(slice(s, min(s + side, size)) for s, side, size in axes)
        mask = read_mask(plan, box)
        if mask is None or mask.any():
            crop = np.asarray(scan[box])
            crops.append(crop.reshape(*crop.shape[len(plan.shape) - ndim : len(plan.shape)], -1))
            spread.append(_spread(crops[-1], mask))
    best = np.argsort(spread)[: -_N_CROPS - 1 : -1]
    return [crops[i] for i in best if spread[i] > 0]


def preprocessed_crops(plan: Plan, n_steps: int, shape: tuple[int, ...] | None = None) -> Any:
    """Read the crops of `varied_crops`, as the first `n_steps` steps return them.

    Parameters
    ----------
    plan : Plan
    n_steps : int
    shape : tuple of int, default=None

    Returns
    -------
    sequence of ndarray
        Empty for a scan without variation.
    """
    crops: Any = varied_crops(plan, shape)
    for step in plan.steps[:n_steps] if crops else ():
        if needs_scan(step):  # percentiles of all crops stand for those of the whole scan
            step = clone(step).set_params(scope="dataset").fit(crops)
        if not isinstance(step, DomainCheck):
            crops = unwrap(step.transform(crops))
    return crops


def _extent(plan):
    """First pixel and end of what the mask leaves, along each axis."""
    everything = [(0, size) for size in plan.shape]
    if plan.mask is None:
        return everything
    import dask.array as da

    mask, axes = da.asarray(plan.mask) > 0, range(len(plan.shape))
    used = da.compute(*(mask.any(axis=tuple(a for a in axes if a != axis)) for axis in axes))
    if not used[0].any():
        return everything
    ends = [(at[0], at[-1] + 1) for at in map(np.flatnonzero, used)]
    return [
        tuple(-(-int(end) * fine // coarse) for end in pair)  # rounded up, as `read_mask` needs it
        for pair, fine, coarse in zip(ends, plan.shape, mask.shape, strict=True)
    ]


def _spread(crop, mask):
    """Mean standard deviation of the channels within the mask; 0 without variation, or with NaN.

    Channels are compared with themselves alone: they may have different backgrounds.
    """
    pixels = crop.reshape(-1, crop.shape[-1])
    pixels = pixels if mask is None else pixels[mask.ravel()]
    if not np.isfinite(crop).all() or (pixels.min(axis=0) == pixels.max(axis=0)).all():
        return 0.0
    return float(pixels.std(axis=0, dtype=np.float64).mean())
