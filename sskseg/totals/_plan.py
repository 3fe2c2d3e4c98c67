"""Draw the tiles that a person counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..images.random import check_generator


@dataclass(frozen=True, eq=False)
class AuditPlan:
    """Which tiles to count by hand, and how they were drawn.

    Attributes
    ----------
    tiles : pandas.DataFrame
        All tiles, as given.
    probability : ndarray of shape (n_tiles,)
        Probability of each tile in one draw; 0 in the certainty stratum.
    draws : ndarray of int of shape (k,)
        Indices of the tiles drawn, with replacement: a tile may occur more than once. Ascending.
    certain : ndarray of int
        Indices of the tiles that are all audited.
    """

    tiles: pd.DataFrame
    probability: np.ndarray
    draws: np.ndarray
    certain: np.ndarray

    @property
    def to_audit(self) -> np.ndarray:
        """Indices of the tiles to count, each once, in ascending order."""
        return np.unique(np.concatenate([self.draws, self.certain]))

    @property
    def is_complete(self) -> bool:
        """Whether all tiles are audited, so that the total is known."""
        return len(self.to_audit) == len(self.tiles)


def plan_audit(
    tiles: pd.DataFrame,
    k: int = 20,
    *,
    count_weight: float = 0.1,
    floor: float = 1.0,
    certain: ArrayLike | None = None,
    random_state: int | np.random.Generator | None = None,
) -> AuditPlan:
    """Draw tiles to count by hand, more often where counts disagree or are large.

    A tile is drawn with probability proportional to ``disagreement + count_weight * count``, and a
    floor that is equal for all tiles.

    Parameters
    ----------
    tiles : pandas.DataFrame
        One row for each tile with ``count`` and ``disagreement``, as `count_tiles` makes it. Tables
        of several images of one animal are joined by `pandas.concat`.
    k : int, default=20
        Number of draws, at least 2. Tiles drawn twice are counted once, so there are at most `k`
        to audit, and those of `certain` besides.
    count_weight : float, default=0.1
        At least 0. Errors grow with counts, where all counts agree, too. Use 0 for a network that
        misses most objects: where it finds few, it then errs most.
    floor : float, default=1.0
        Positive; added to the weight of each tile, in multiples of the mean weight. Tiles without
        objects may be wrong as well; a small floor rarely draws them and trusts them too much.
    certain : array of bool of shape (n_tiles,), default=None
        Tiles that are all audited (the certainty stratum), such as those that
        `sskseg.DomainCheck` finds unlike the training images.
    random_state : int, Generator or None, default=None
        Pass an int for the same tiles each time.

    Returns
    -------
    AuditPlan
        Count the tiles ``plan.to_audit`` without knowledge of the counts of the network.

    Raises
    ------
    ValueError
        If counts are missing, negative or not finite, a tile has no region where others have one,
        or arguments do not fit.

    References
    ----------
    .. [1] Hansen, Hurwitz. On the theory of sampling from finite populations. Annals of
       Mathematical Statistics 1943. :doi:`10.1214/aoms/1177731356`

    Examples
    --------
    >>> import pandas as pd
    >>> from sskseg.totals import plan_audit
    >>> tiles = pd.DataFrame({"count": [3, 9, 4, 7], "disagreement": [0, 4, 0, 0]})
    >>> plan = plan_audit(tiles, k=3, random_state=0)
    >>> plan.probability.round(3).tolist()
    [0.149, 0.514, 0.157, 0.181]
    >>> plan.to_audit.tolist()
    [0, 1]
    """
    if not isinstance(tiles, pd.DataFrame):
        raise ValueError(
            f"tiles must be a table, as count_tiles makes it, got {type(tiles).__name__}."
        )
    n = len(tiles)
    check_regions(tiles)
    for name in ("count", "disagreement"):
        check_counts(tiles.get(name), n, f"tiles[{name!r}]")
    if not isinstance(k, int | np.integer) or k < 2:
        raise ValueError(f"k must be an integer of at least 2, got {k!r}.")
    if not 0 <= count_weight < np.inf:
        raise ValueError(f"count_weight must be at least 0 and finite, got {count_weight!r}.")
    if not 0 < floor < np.inf:
        raise ValueError(f"floor must be positive and finite, got {floor!r}.")
    is_certain = np.zeros(n, bool) if certain is None else np.asarray(certain)
    if is_certain.shape != (n,) or is_certain.dtype != bool:
        raise ValueError(f"certain must be {n} bools, got shape {is_certain.shape}.")
    if is_certain.all():
        raise ValueError("certain must leave tiles to draw from, got all of them.")
    weight = (tiles["disagreement"] + count_weight * tiles["count"]).to_numpy(float)
    weight = weight + floor * (weight[~is_certain].mean() or 1.0)
    weight[is_certain] = 0
    probability = weight / weight.sum()
    draws = np.sort(check_generator(random_state).choice(n, k, p=probability))
    return AuditPlan(tiles.reset_index(drop=True), probability, draws, np.flatnonzero(is_certain))


def check_regions(tiles: pd.DataFrame) -> None:
    """Raise for tiles without a region, which would be in the total and in no region."""
    if "region" not in tiles:
        return
    missing = np.flatnonzero(tiles["region"].isna())
    if len(missing):
        raise ValueError(
            f"tiles['region'] must name the region of each tile, got none for tile {missing[0]} "
            f"({len(missing)} such). Name those outside of all regions, too."
        )


def check_counts(
    counts: ArrayLike | None, n: int, name: str, tiles: Sequence[int] | None = None
) -> np.ndarray:
    """Return `counts` as `n` finite floats of at least 0, or raise a ValueError.

    It names the tile of `tiles`, which are 0, 1, ... by default.
    """
    if counts is None:
        raise ValueError(f"{name} is missing.")
    values = np.asarray(counts, dtype=float)
    if values.shape != (n,) or n == 0:
        raise ValueError(f"{name} must be {n or 'some'} numbers, got shape {values.shape}.")
    bad = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if len(bad):
        tile = bad[0] if tiles is None else tiles[bad[0]]
        raise ValueError(
            f"{name} must be finite and not negative, got {values[bad[0]]} in tile {tile}"
            f" ({len(bad)} such)."
        )
    return values


def split_errors(plan: AuditPlan, errors: np.ndarray) -> tuple[float, np.ndarray]:
    """Split errors of tiles into what is known and what is estimated from the draws.

    Parameters
    ----------
    plan : AuditPlan
    errors : ndarray of float, shape (n_tiles,)
        0 where nothing was audited.

    Returns
    -------
    known : float
        Sum of the errors of the certainty stratum, or of all tiles if all are audited.
    weighted : ndarray of float, shape (k,)
        Errors of the draws over their probability, whose mean estimates the sum of other errors.
    """
    weighted = errors[plan.draws] / plan.probability[plan.draws]
    if plan.is_complete:
        return float(errors.sum()), np.zeros_like(weighted)
    return float(errors[plan.certain].sum()), weighted
