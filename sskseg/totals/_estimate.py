"""The total number of objects, from all counts of a network and some of a person."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ._intervals import half_width, simulate_coverage, standard_error
from ._plan import AuditPlan, check_counts, split_errors
from ._regions import totals_by_region


@dataclass(frozen=True, eq=False)
class TotalEstimate:
    """A total with its interval.

    Attributes
    ----------
    total : float
        Number of objects in all tiles.
    interval : tuple of float
        Lower and upper end.
    standard_error : float
    confidence : float
        Nominal coverage of `interval`.
    coverage : float
        Share of intervals that hold the total where audits are drawn from the errors audited (a
        double bootstrap), shrunk to `confidence` as if 8 further audits had found it. Errors that
        are so rare that no audit met one are not in it. NaN if all audited errors are equal.
    predicted : float
        Sum of the counts of the network.
    design_effect : float
        Variance, divided by that of counting as many tiles by hand alone, drawn with equal
        probability. NaN where that variance is 0.
    audits_saved : float
        Audits that counting by hand alone needs besides, for the same variance.
    n_audits : int
        Draws, and tiles of the certainty stratum.
    size : float
        Sum of the column ``size`` of the tiles, or their number.
    by_region : pandas.DataFrame or None
        ``region``, ``predicted`` by the network, ``total``, ``standard_error``, ``low`` and
        ``high`` (the interval; NaN with fewer than 5 audits in the region), ``n_audits``. Totals
        sum up to `total`, their ends do not.
    """

    total: float
    interval: tuple[float, float]
    standard_error: float
    confidence: float
    coverage: float
    predicted: float
    design_effect: float
    audits_saved: float
    n_audits: int
    size: float
    by_region: pd.DataFrame | None = None

    def __str__(self) -> str:
        low, high = self.interval
        known = self.coverage == self.coverage
        coverage = f"about {self.coverage:.0%} in simulation" if known else "coverage unknown"
        return (
            f"{self.total:,.0f} objects, {self.confidence:.0%} interval {low:,.0f} to {high:,.0f}"
            f" ({coverage}; {self.n_audits} audits, design effect {self.design_effect:.2f})"
        )

    def sentence(self, objects: str = "objects") -> str:
        """Return the result and the method as text for a paper.

        Parameters
        ----------
        objects : str, default="objects"
            What was counted.

        Returns
        -------
        str
        """
        low, high = self.interval
        known = self.coverage == self.coverage
        coverage = f"covers about {self.coverage:.0%}" if known else "has an unknown coverage"
        return (
            f"There were {self.total:,.0f} {objects} ({self.confidence:.0%} interval {low:,.0f} to"
            f" {high:,.0f}). A network counted {self.predicted:,.0f} {objects} in all tiles. Blind"
            f" counts of tiles ({self.n_audits} audits, drawn with replacement and unequal"
            " probability) corrected this total (Hansen-Hurwitz difference estimator, symmetric"
            " bootstrap-t interval). In a simulation with the audited errors the interval"
            f" {coverage}."
        )


def estimate_total(
    plan: AuditPlan,
    audited: Mapping[int, float],
    *,
    confidence: float = 0.95,
    random_state: int | None = 0,
) -> TotalEstimate:
    """Correct the counts of a network by those of a person on the tiles of a plan.

    The total is the sum of all counts and the Hansen-Hurwitz estimate of their errors (the
    difference estimator). It is unbiased whatever the network does. The interval is a symmetric
    bootstrap-t, never narrower than Student's [1]_. If all tiles are audited, the total is the sum
    of their counts, without an error.

    Parameters
    ----------
    plan : AuditPlan
    audited : dict of int to float, or pandas.Series
        Number of objects in each tile of ``plan.to_audit``, by its index.
    confidence : float in (0, 1), default=0.95
        Nominal coverage. Few audits with rare and large errors cover less; read
        ``TotalEstimate.coverage`` beside it.
    random_state : int or None, default=0
        Seed of the bootstrap.

    Returns
    -------
    TotalEstimate

    Raises
    ------
    ValueError
        If audits are missing, of other tiles, negative or not finite.

    Warns
    -----
    UserWarning
        If all audited errors are equal, so that nothing says how large others are, or if a region
        has too few audits for an interval.

    References
    ----------
    .. [1] Hall. On symmetric bootstrap confidence intervals. Journal of the Royal Statistical
       Society B 1988. :doi:`10.1111/j.2517-6161.1988.tb01707.x`

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sskseg.totals import estimate_total, plan_audit
    >>> reference = np.random.default_rng(0).poisson(20, 200)
    >>> tiles = pd.DataFrame({"count": reference - reference % 3, "disagreement": reference % 2})
    >>> plan = plan_audit(tiles, k=20, random_state=0)
    >>> result = estimate_total(plan, {i: reference[i] for i in plan.to_audit})
    >>> bool(result.interval[0] < reference.sum() < result.interval[1])
    True
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence!r}.")
    by_hand = _check_audits(plan, audited)
    count = plan.tiles["count"].to_numpy(float)
    errors = np.zeros(len(count))
    errors[plan.to_audit] = by_hand - count[plan.to_audit]
    known, weighted = split_errors(plan, errors)
    total, error = count.sum() + known + weighted.mean(), float(standard_error(weighted))
    is_unknown = error == 0 and not plan.is_complete
    if is_unknown:
        warnings.warn(
            f"The errors of all {len(plan.draws)} audited draws are equal, so that the interval has"
            " no width and its coverage is unknown. Audit more tiles: rare errors were not met.",
            stacklevel=2,
        )
    rng = np.random.default_rng(random_state)
    half = half_width(weighted, confidence, rng)
    effect = error**2 / _variance_by_hand(plan, count + errors)
    n_audits = len(plan.draws) + len(plan.certain)
    by_region = None
    if "region" in plan.tiles:
        by_region = totals_by_region(plan, errors, confidence, rng)
    return TotalEstimate(
        total=float(total),
        interval=(float(max(0.0, total - half)), float(total + half)),
        standard_error=error,
        confidence=confidence,
        coverage=np.nan if is_unknown else simulate_coverage(weighted, confidence, rng),
        predicted=float(count.sum()),
        design_effect=float(effect),
        audits_saved=float(n_audits / effect - n_audits) if effect > 0 else float("nan"),
        n_audits=n_audits,
        size=float(plan.tiles["size"].sum() if "size" in plan.tiles else len(count)),
        by_region=by_region,
    )


def _check_audits(plan, audited):
    if not isinstance(plan, AuditPlan):
        raise ValueError(f"plan must be an AuditPlan, got {type(plan).__name__}: use plan_audit.")
    expected = plan.to_audit.tolist()
    if not isinstance(audited, Mapping | pd.Series):
        raise ValueError(
            "audited must be a dict of counts by the index of their tile, got "
            f"{type(audited).__name__}."
        )
    if not len(audited):
        raise ValueError(f"audited must have the {len(expected)} tiles of the plan, got none.")
    given = {*audited.keys()}
    lacking, others = sorted({*expected} - given), sorted(given - {*expected})
    if lacking or others:
        raise ValueError(
            f"audited must have exactly the {len(expected)} tiles of the plan: tiles {lacking[:5]}"
            f" are missing ({len(lacking)}), tiles {others[:5]} are not of the plan"
            f" ({len(others)})."
        )
    counts = [audited[i] for i in expected]
    return check_counts(counts, len(expected), "audited", expected)


def _variance_by_hand(plan, reference):
    """Estimate the variance of the total from as many tiles, drawn with equal probability."""
    n, k = len(reference), len(plan.draws)
    weight = 1 / (k * plan.probability[plan.draws])
    drawn = np.concatenate([reference[plan.draws], reference[plan.certain]])
    weight = np.concatenate([weight, np.ones(len(plan.certain))])
    variance = np.cov(drawn, aweights=weight, ddof=0)
    return n**2 * variance / (k + len(plan.certain)) if variance > 0 else np.float64("nan")
