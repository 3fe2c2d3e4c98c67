"""Crops of a scan that hold objects."""

from __future__ import annotations

from itertools import product

import numpy as np

from .plan import Plan
from .reading import filled_scan

_MAX_SIDE = {2: 512, 3: 96}  # of a crop, pixels
_N_PER_AXIS = {2: 4, 3: 3}
_N_CROPS = 5


def varied_crops(plan: Plan, shape: tuple[int, ...] | None = None) -> list[np.ndarray]:
    """Read the crops of a regular grid that vary most. A block of a scan may hold no object.

    Parameters
    ----------
    plan : Plan
    shape : tuple of int, default=None
        Size of a crop along the last axes, at most 512 pixels in a plane and 96 in a volume. None
        is the largest one.

    Returns
    -------
    list of ndarray of shape (*shape, n_channels)
        At most 5, without NaN, the most varied one first. A scan without variation has none.
    """
    ndim = len(plan.shape) - plan.consecutive if shape is None else len(shape)
    wanted = (_MAX_SIDE[ndim],) * ndim if shape is None else shape
    sides = (1,) * (len(plan.shape) - ndim) + tuple(min(s, _MAX_SIDE[ndim]) for s in wanted)
    starts = [
        np.unique(np.linspace(0, max(0, size - side), _N_PER_AXIS[ndim]).astype(int))
        for size, side in zip(plan.shape, sides, strict=True)
    ]
    scan, crops = filled_scan(plan), []
    for corner in product(*starts):
        box = tuple(slice(s, s + side) for s, side in zip(corner, sides, strict=True))
        crop = np.asarray(scan[box])
        crop = crop.reshape(*crop.shape[len(plan.shape) - ndim : len(plan.shape)], -1)
        if np.isfinite(crop).all() and crop.min() < crop.max():
            crops.append(crop)
    spread = [float(crop.std()) for crop in crops]
    return [crops[i] for i in np.argsort(spread)[: -_N_CROPS - 1 : -1]]
