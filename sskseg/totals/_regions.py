"""Totals of regions."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from ._intervals import half_width, standard_error
from ._plan import AuditPlan, check_regions, split_errors

_MIN_AUDITS = 5


def totals_by_region(
    plan: AuditPlan, errors: np.ndarray, confidence: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Return a table with one row for each region of the tiles.

    Parameters
    ----------
    plan : AuditPlan
    errors : ndarray of shape (n_tiles,)
        Counts of a person minus those of the network; 0 where nothing was audited.
    confidence : float
    rng : numpy.random.Generator

    Returns
    -------
    pandas.DataFrame
        As `TotalEstimate.by_region`.

    Warns
    -----
    UserWarning
        If a region has too few audits for an interval.
    """
    check_regions(plan.tiles)
    region = plan.tiles["region"].to_numpy()
    lines = [
        {"region": name, **_total(plan, errors, region == name, confidence, rng)}
        for name in np.unique(region)
    ]
    table = pd.DataFrame(lines)
    lacking = table.loc[table["low"].isna(), "region"].tolist()
    if lacking:
        warnings.warn(
            f"Regions {lacking[:5]} have no interval ({len(lacking)} of {len(table)} regions): they"
            f" have fewer than {_MIN_AUDITS} audits each, or only audits without an error. Draw"
            " more tiles, or a plan for each region.",
            stacklevel=3,
        )
    return table


def _total(plan, errors, is_inside, confidence, rng):
    # Draws outside are zeros: how many fall inside is random, too.
    inside = errors * is_inside
    known, weighted = split_errors(plan, inside)
    predicted = plan.tiles.loc[is_inside, "count"].sum()
    total = predicted + known + weighted.mean()
    n_draws = int(is_inside[plan.draws].sum())
    error, half = float(standard_error(weighted)), np.nan
    if plan.is_complete or is_inside[plan.certain].sum() == is_inside.sum():
        half = 0.0
    elif n_draws >= _MIN_AUDITS and error > 0:
        half = half_width(weighted, confidence, rng)
    return {
        "predicted": predicted,
        "total": float(total),
        "standard_error": error,
        "low": max(0.0, float(total - half)) if half == half else np.nan,
        "high": float(total + half),
        "n_audits": n_draws + int(is_inside[plan.certain].sum()),
    }
