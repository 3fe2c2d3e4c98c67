"""Scans that a model does not know."""

from __future__ import annotations

import warnings
from dataclasses import replace
from itertools import product

import numpy as np

from ..preprocessing import DomainCheck
from .plan import Plan
from .reading import filled_scan

_MAX_SIDE = {2: 512, 3: 96}  # of a crop, pixels
_N_PER_AXIS = {2: 4, 3: 3}
_N_MEASURED = 5  # of these crops, those with the greatest variation


def check_domain(plan: Plan) -> Plan:
    """Measure crops of the scan where the pipeline has a `DomainCheck`, and warn.

    A block may hold no object. So crops of the size of training images are measured once, in the
    place of all blocks: those of a regular grid that vary most.

    Parameters
    ----------
    plan : Plan

    Returns
    -------
    Plan
        Without the `DomainCheck`.

    Warns
    -----
    UserWarning
        If most of these crops are unlike the training images.
    """
    for step in plan.steps:
        if isinstance(step, DomainCheck):
            crops = _varied_crops(plan, step.shape_)
            n_unlike = int((step.predict(crops) == -1).sum()) if crops else 0
            if 2 * n_unlike > len(crops):
                warnings.warn(
                    f"{plan.scan.source}: {n_unlike} of {len(crops)} crops are unlike the images "
                    "that the model was trained on: its results may be wrong. Compare some with "
                    "the scan, or train on images like these.",
                    stacklevel=3,
                )
    return replace(plan, steps=tuple(s for s in plan.steps if not isinstance(s, DomainCheck)))


def _varied_crops(plan, shape):
    """Crops of about the shape of training images that vary most, without NaN."""
    scan, ndim = filled_scan(plan), len(shape)
    sides = (1,) * (len(plan.shape) - ndim) + tuple(min(s, _MAX_SIDE[ndim]) for s in shape)
    starts = [
        np.unique(np.linspace(0, max(0, size - side), _N_PER_AXIS[ndim]).astype(int))
        for size, side in zip(plan.shape, sides, strict=True)
    ]
    crops = []
    for corner in product(*starts):
        box = tuple(slice(s, s + side) for s, side in zip(corner, sides, strict=True))
        crop = np.asarray(scan[box])
        crop = crop.reshape(*crop.shape[len(plan.shape) - ndim : len(plan.shape)], -1)
        if np.isfinite(crop).all() and crop.min() < crop.max():
            crops.append(crop)
    spread = [float(crop.std()) for crop in crops]
    return [crops[i] for i in np.argsort(spread)[: -_N_MEASURED - 1 : -1]]
