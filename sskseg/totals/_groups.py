"""Groups of animals, compared by their totals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from ._estimate import TotalEstimate

_PER, _METHODS = ("total", "size"), ("welch", "permutation")
_N_PERMUTATIONS = 9999
_NAMES = {"welch": "Welch's test", "permutation": "permutation test"}
_MAX_SIZE_RATIO = 1.25


@dataclass(frozen=True)
class GroupComparison:
    """The second group over the first.

    Attributes
    ----------
    groups : tuple of two
        Names, in the order of their first animal.
    n_animals : tuple of two int
    ratio : float
        Ratio of geometric means.
    interval : tuple of float
        Confidence interval of `ratio`.
    p_value : float
        Two-sided, of `method`, on logarithms.
    method : {"welch", "permutation"}
    confidence : float
    counting_share : float in [0, 1]
        Share of the variance between animals of a group that counting causes; the rest is between
        animals.
    standard_error : float
        Standard error of the logarithm of `ratio`.
    one_more_animal : float
        Expected `standard_error` with another animal in each group.
    one_more_audit : float
        Expected `standard_error` with another audit in each animal.
    """

    groups: tuple
    n_animals: tuple[int, int]
    ratio: float
    interval: tuple[float, float]
    p_value: float
    method: str
    confidence: float
    counting_share: float
    standard_error: float
    one_more_animal: float
    one_more_audit: float

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{self.groups[1]} / {self.groups[0]}: {self.ratio:.2f}, {self.confidence:.0%} interval"
            f" {low:.2f} to {high:.2f}, p = {self.p_value:.2g} ({_NAMES[self.method]} on"
            f" logarithms, n = {self.n_animals[0]} and {self.n_animals[1]} animals; counting causes"
            f" {self.counting_share:.0%} of the variance)"
        )

    def sentence(self) -> str:
        """Return the result and the method as text for a paper.

        Returns
        -------
        str
        """
        (first, second), (n, m), (low, high) = self.groups, self.n_animals, self.interval
        return (
            f"Totals of {second} (n = {m} animals) were {self.ratio:.2f} times those of {first}"
            f" (n = {n} animals; ratio of geometric means, {self.confidence:.0%} interval"
            f" {low:.2f} to {high:.2f} by Welch's test; p = {self.p_value:.2g}, two-sided"
            f" {_NAMES[self.method]} of logarithms). The animal was the unit; the counts of a"
            " network were corrected by audits in each animal."
        )


def compare_groups(
    totals: Sequence[TotalEstimate],
    groups: Sequence,
    *,
    per: str = "total",
    method: str = "welch",
    confidence: float = 0.95,
    random_state: int | None = 0,
) -> GroupComparison:
    """Compare two groups of animals by their totals.

    The animal is the unit. Each total was corrected by audits of its own animal, so a network that
    errs more in one group makes no difference appear. Errors of counting are in the variance
    between animals already, which the test estimates.

    Parameters
    ----------
    totals : sequence of TotalEstimate
        One for each animal.
    groups : sequence
        The group of each animal: two different values, each twice at least.
    per : {"total", "size"}, default="total"
        ``"size"`` compares densities: totals divided by ``TotalEstimate.size``.
    method : {"welch", "permutation"}, default="welch"
        Welch's test on logarithms [1]_, or a permutation test of Welch's t, which is exact if the
        totals of both groups have one distribution, and approximate if they differ in their
        variance only [2]_. All assignments of animals to groups are used, or 9,999 random ones if
        there are more. With few animals the permutation test cannot reach a small p: 0.1 at least
        with three animals in each group, 0.029 with four.
    confidence : float in (0, 1), default=0.95
        Confidence level of the interval, which is Welch's with both methods.
    random_state : int or None, default=0
        Seed of random permutations.

    Returns
    -------
    GroupComparison

    Raises
    ------
    ValueError
        If there are not two groups of two animals at least, a total is no `TotalEstimate` or not
        positive, or groups are of different regions or, where totals are compared, of sizes whose
        means differ by more than 25 %.

    References
    ----------
    .. [1] Welch. The generalization of 'Student's' problem when several different population
       variances are involved. Biometrika 1947. :doi:`10.1093/biomet/34.1-2.28`
    .. [2] Janssen. Studentized permutation tests for non-i.i.d. hypotheses and the generalized
       Behrens-Fisher problem. Statistics & Probability Letters 1997.
       :doi:`10.1016/S0167-7152(97)00043-6`

    Examples
    --------
    >>> from sskseg.totals import TotalEstimate, compare_groups
    >>> def animal(total):
    ...     return TotalEstimate(
    ...         total, (total - 60, total + 60), 30.0, 0.95, 0.93, total, 0.1, 180, 20, 1e6
    ...     )
    >>> totals = [animal(total) for total in (1000, 1100, 1050, 820, 900, 860)]
    >>> result = compare_groups(totals, ["wild type"] * 3 + ["mutant"] * 3)
    >>> round(result.ratio, 2), round(result.p_value, 3)
    (0.82, 0.007)
    """
    if per not in _PER:
        raise ValueError(f"per must be one of {_PER}, got {per!r}.")
    if method not in _METHODS:
        raise ValueError(f"method must be one of {_METHODS}, got {method!r}.")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence!r}.")
    _check_totals(totals)
    names, parts = _split(totals, groups)
    _check_coverage(names, parts, per)
    logs = [np.log([t.total / (t.size if per == "size" else 1) for t in part]) for part in parts]
    n = np.array([len(part) for part in parts])
    variance = np.array([values.var(ddof=1) for values in logs])
    noise = np.array([np.mean([(t.standard_error / t.total) ** 2 for t in p]) for p in parts])
    if not variance.any():
        raise ValueError("totals must differ between animals of a group, got equal ones.")
    error = np.sqrt((variance / n).sum())
    difference = logs[1].mean() - logs[0].mean()
    test = stats.ttest_ind(logs[1], logs[0], equal_var=False)
    interval = test.confidence_interval(confidence)
    p_value = test.pvalue if method == "welch" else _permutation_p(logs, random_state)
    k = np.array([np.mean([t.n_audits for t in part]) for part in parts])
    saved = np.minimum(noise, variance) / (k + 1)
    return GroupComparison(
        groups=names,
        n_animals=(len(parts[0]), len(parts[1])),
        ratio=float(np.exp(difference)),
        interval=(float(np.exp(interval.low)), float(np.exp(interval.high))),
        p_value=float(p_value),
        method=method,
        confidence=confidence,
        counting_share=float(min(1.0, noise.sum() / variance.sum())),
        standard_error=float(error),
        one_more_animal=float(np.sqrt((variance / (n + 1)).sum())),
        one_more_audit=float(np.sqrt(((variance - saved) / n).sum())),
    )


def _permutation_p(logs, random_state):
    """P value of Welch's t over assignments of animals to the groups, which may be all of them."""

    def distance(first, second, axis):
        difference = np.abs(first.mean(axis=axis) - second.mean(axis=axis))
        variance = sum(x.var(axis=axis, ddof=1) / x.shape[axis] for x in (first, second))
        return difference / np.sqrt(np.maximum(variance, 1e-300))

    return stats.permutation_test(
        logs, distance, vectorized=True, alternative="greater", n_resamples=_N_PERMUTATIONS,
        random_state=random_state,
    ).pvalue  # fmt: skip


def _check_totals(totals):
    """Refuse plain counts: nothing says how much the network errs in each group."""
    other = next((i for i, t in enumerate(totals) if not isinstance(t, TotalEstimate)), None)
    if other is not None:
        raise ValueError(
            f"totals[{other}] must be a TotalEstimate, as estimate_total returns it, got "
            f"{type(list(totals)[other]).__name__}. Counts without audits do not show whether the "
            "network errs more in one group. If a person counted everything, compare the logarithms"
            " by scipy.stats.ttest_ind(equal_var=False)."
        )


def _split(totals, groups):
    if len(totals) != len(groups):
        raise ValueError(
            f"groups must have one value for each of {len(totals)} totals, got {len(groups)}."
        )
    groups = list(groups)
    missing = np.flatnonzero(pd.isna(np.array(groups, dtype=object)))
    if len(missing):
        raise ValueError(
            f"groups must name the group of each animal, got {groups[missing[0]]!r} for totals"
            f"[{missing[0]}]. A group 'NA' in a table is read by pandas.read_csv("
            "keep_default_na=False)."
        )
    names = tuple(dict.fromkeys(groups))
    if len(names) != 2:
        raise ValueError(f"groups must have two different values, got {list(names)}.")
    parts = [[t for t, g in zip(totals, groups, strict=True) if g == name] for name in names]
    for name, part in zip(names, parts, strict=True):
        if len(part) < 2:
            raise ValueError(f"groups must have two animals each at least; {name!r} has one.")
    bad = [t.total for t in totals if not t.total > 0]
    if bad:
        raise ValueError(f"totals must be positive, got {bad[0]}.")
    return names, parts


def _check_coverage(names, parts, per):
    regions = [{_regions(t) for t in part} for part in parts]
    if len(regions[0] | regions[1]) > 1:
        raise ValueError(
            f"totals must be of the same regions in all animals, got {names[0]!r}:"
            f" {sorted(regions[0])}, {names[1]!r}: {sorted(regions[1])}."
        )
    sizes = [np.mean([t.size for t in part]) for part in parts]
    if per == "total" and max(sizes) > _MAX_SIZE_RATIO * min(sizes):
        raise ValueError(
            f"totals of groups must be of equal sizes, got means of {sizes[0]:g} for {names[0]!r}"
            f" and {sizes[1]:g} for {names[1]!r}; per='size' compares densities."
        )


def _regions(total):
    return () if total.by_region is None else tuple(sorted(total.by_region["region"]))
