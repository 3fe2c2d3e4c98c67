"""Scans at the object size of a network, whose objects have an unknown diameter."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from sklearn.base import clone
from sklearn.pipeline import Pipeline

from ..images import unwrap
from ..preprocessing import DomainCheck
from .crops import varied_crops
from .plan import Plan, make_plan
from .scaling import needs_scan
from .validation import split_pipeline

_LOGGER = logging.getLogger("sskseg")


def plan_at_object_size(
    estimator: Pipeline,
    source: Any,
    *shapes: Any,
    object_diameter: float | None = None,
    **options: Any,
) -> Plan:
    """Plan a scan, and measure the diameter of its objects if the segmenter needs it.

    Parameters
    ----------
    estimator, source, *shapes, **options
        As `sskseg.scans.plan.make_plan` takes them.
    object_diameter : float, default=None
        As `count_scan` takes it.

    Returns
    -------
    Plan
    """
    measure = getattr(split_pipeline(estimator)[1], "measure_diameter", None)
    if object_diameter is None and measure is not None:
        # Crops are the same whatever the diameter is.
        plan = partial(make_plan, estimator, source, *shapes, object_diameter=1.0, **options)
        object_diameter = measure(lambda: _crops(plan()))
        if object_diameter is not None:
            _LOGGER.info("Objects of the scan have a diameter of %g pixels.", object_diameter)
    elif object_diameter is not None:
        object_diameter = float(object_diameter)  # as runs are compared: 20 is 20.0
    return make_plan(estimator, source, *shapes, object_diameter=object_diameter, **options)


def _crops(plan):
    """Crops of a scan, as the segmenter takes them."""
    crops: Any = varied_crops(plan)
    for step in plan.steps:
        if not crops or isinstance(step, DomainCheck):
            continue
        if needs_scan(step):  # percentiles of all crops stand for those of the whole scan
            step = clone(step).set_params(scope="dataset").fit(crops)
        crops = unwrap(step.transform(crops))
    return crops
