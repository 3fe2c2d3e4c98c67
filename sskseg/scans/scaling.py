"""Scalers that need the whole scan, of which a block is a part."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sklearn.base import clone

from ..images import unwrap
from ..preprocessing import PercentileScaler
from .checkpoints import Ledger
from .plan import Plan
from .reading import NOT_FINITE, filled_scan
from .store import Store


def freeze_scaling(plan: Plan, ledger: Ledger | None = None) -> Plan:
    """Give scalers of ``scope="image"`` the percentiles of the whole scan.

    Parameters
    ----------
    plan : Plan
    ledger : Ledger, default=None
        Keeps the percentiles, so that another call does not read the whole scan again.

    Returns
    -------
    Plan
    """
    steps = list(plan.steps)
    for index, step in enumerate(steps):
        if needs_scan(step):
            steps[index] = _frozen(step, index, plan, ledger)
    return replace(plan, steps=tuple(steps))


def needs_scan(step: Any) -> bool:
    """Whether a step of the pipeline needs the whole scan."""
    return isinstance(step, PercentileScaler) and step.scope == "image"


def fit_scaling(plan: Plan, store: Store, index: int) -> None:
    """Compute the percentiles of a step, and store them."""
    _frozen(plan.steps[index], index, plan, store.ledger)


def _frozen(step: PercentileScaler, index: int, plan: Plan, ledger: Ledger | None):
    scaler = clone(step).set_params(scope="dataset")
    if ledger is not None and ledger.has("scaling", index):
        saved = ledger.read("scaling", index)
        scaler.low_, scaler.high_ = saved["low"], saved["high"]
        return scaler
    try:
        scaler.fit(_transformed(plan, index))
    except ValueError as error:
        if "NaN or infinity" in str(error):
            raise ValueError(NOT_FINITE) from error
        raise
    if ledger is not None:
        ledger.write("scaling", index, low=scaler.low_, high=scaler.high_)
    return scaler


def _transformed(plan, n_steps):
    """The scan as its first steps return it, lazily."""
    images = filled_scan(plan)[None]
    for step in plan.steps[:n_steps]:
        images = unwrap(step.transform(images))
    return images
