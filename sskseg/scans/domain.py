"""Scans that a model does not know."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from ..images import check_images, intensity_range
from ..preprocessing import DomainCheck, PercentileScaler
from ..preprocessing.pixel_size import warn_of_pixel_size
from .crops import preprocessed_crops
from .plan import Plan
from .scaling import needs_scan

_MAX_RATIO = 4  # of ranges of intensities


def check_domain(plan: Plan) -> Plan:
    """Measure crops of the scan, and warn if they are unlike the training images.

    A block may hold no object. Crops of the size of training images are therefore measured once,
    instead of all blocks. A `DomainCheck` knows no intensities: they are compared with those of a
    `PercentileScaler` that keeps them.

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
        If most of these crops are unlike the training images, or their range of intensities or the
        size of a pixel is.
    """
    _check_size(plan)
    steps = tuple(step for step in plan.steps if not isinstance(step, DomainCheck))
    for i, step in enumerate(plan.steps):
        if isinstance(step, DomainCheck):
            _check_appearance(plan, step, i)
        elif isinstance(step, PercentileScaler) and not needs_scan(step) and steps != plan.steps:
            _check_intensities(plan, step, i)
    return replace(plan, steps=steps)


def _check_size(plan):
    """Compare the pixels, unless a known diameter of the objects fits pixels of any size."""
    if plan.object_diameter is None:
        scan, objects = plan.scan, plan.objects
        size, trained = (scan.spacing, scan.unit), (objects.spacing, getattr(objects, "unit", None))
        warn_of_pixel_size(scan.source, size, trained, stacklevel=4)


def _check_appearance(plan, step, i):
    crops = preprocessed_crops(plan, i, step.shape_)
    unlike, about = step.compare(crops, name="") if len(crops) else ((), "")
    if 2 * len(unlike) > len(crops):
        warnings.warn(
            f"{plan.scan.source}: {len(unlike)} of {len(crops)} crops are unlike {about}",
            stacklevel=4,
        )


def _check_intensities(plan, step, i):
    crops = preprocessed_crops(plan, i)
    if not len(crops):
        return
    # Extremes are left out, as of the training images.
    low, high = intensity_range(check_images(crops, step.spatial_ndim), step.percentiles)
    ratio = (high - low) / np.maximum(step.high_ - step.low_, np.finfo(np.float32).tiny)
    is_apart = (low > step.high_) | (high < step.low_)
    unlike = np.flatnonzero((ratio > _MAX_RATIO) | (ratio < 1 / _MAX_RATIO) | is_apart)
    if unlike.size:
        c = unlike[0]
        warnings.warn(
            f"{plan.scan.source} has intensities from {low[c]:.3g} to {high[c]:.3g}, and the "
            f"training images from {step.low_[c]:.3g} to {step.high_[c]:.3g} (channel {c}): the "
            "results may be wrong. PercentileScaler(scope='dataset') keeps the scale of the "
            "training images: convert the scan to it, or train with scope='image'.",
            stacklevel=4,
        )
