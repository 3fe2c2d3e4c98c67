"""Scans that a model does not know."""

from __future__ import annotations

import warnings
from dataclasses import replace

from ..preprocessing import DomainCheck
from .crops import varied_crops
from .plan import Plan


def check_domain(plan: Plan) -> Plan:
    """Measure crops of the scan where the pipeline has a `DomainCheck`, and warn.

    A block may hold no object. Crops of the size of training images are therefore measured once,
    instead of all blocks.

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
            crops = varied_crops(plan, step.shape_)
            n_unlike = int((step.predict(crops) == -1).sum()) if crops else 0
            if 2 * n_unlike > len(crops):
                warnings.warn(
                    f"{plan.scan.source}: {n_unlike} of {len(crops)} crops are unlike the images "
                    "that the model was trained on: its results may be wrong. Compare some with "
                    "the scan, or train on images like these.",
                    stacklevel=3,
                )
    return replace(plan, steps=tuple(s for s in plan.steps if not isinstance(s, DomainCheck)))
