"""Scans at the object size of a network, whose objects have an unknown diameter."""

from __future__ import annotations

import logging
from typing import Any

from .crops import preprocessed_crops
from .plan import Plan
from .validation import check_predictor

_LOGGER = logging.getLogger("sskseg")


def measure_diameter(segmenter: Any, plan: Plan) -> float | None:
    """Measure the diameter of the objects of a scan, if the segmenter needs it.

    Parameters
    ----------
    segmenter : estimator
    plan : Plan
        Without the network.

    Returns
    -------
    float or None
        Pixels; None if the segmenter needs none, or there are no objects.
    """
    if not hasattr(segmenter, "measure_diameter"):
        return None

    def read_crops():
        # Before a pixel is read; channels and sections are the same whatever the diameter is.
        predictor = segmenter.block_predictor(plan.shape, object_diameter=1.0)
        check_predictor(predictor, plan.objects, plan.scan, plan.steps)
        return preprocessed_crops(plan, len(plan.steps))

    diameter = segmenter.measure_diameter(read_crops)
    if diameter is not None:
        _LOGGER.info("Objects of the scan have a diameter of %g pixels.", diameter)
    return diameter
