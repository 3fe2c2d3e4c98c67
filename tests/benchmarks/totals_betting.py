"""The price of an interval of totals that needs no assumption but a bound on the counts of tiles.

    python tests/benchmarks/totals_betting.py FILE [--draws 200]

FILE has the counts of ``totals.py counts``. The hedged capital interval of Waudby-Smith and Ramdas
(Estimating means of bounded random variables by betting, JRSS B 2024,
https://doi.org/10.1093/jrsssb/qkad009) covers at least as often as it says, for any number of
audits; the library does not have it, for the half-widths that this script finds.
"""

import argparse
from functools import partial

import numpy as np
import pandas as pd
from harness import Cells

from sskseg.totals import estimate_total, plan_audit

_GRID = 2000
_MAX_BET = 0.75  # of what loses everything


def betting_interval(values, confidence):
    """Interval of the mean of values in [0, 1] that are drawn one after the other."""
    n, level = np.arange(1, len(values) + 1), 1 - confidence
    mean = (0.5 + np.cumsum(values)) / (n + 1)
    variance = (0.25 + np.cumsum((values - mean) ** 2)) / (n + 1)
    before = np.concatenate([[0.25], variance[:-1]])
    bet = np.sqrt(2 * np.log(2 / level) / (len(values) * before))[:, None]
    at = np.arange(1, _GRID) / _GRID
    gain = values[:, None] - at
    rising = np.log1p(np.minimum(bet, _MAX_BET / at) * gain).cumsum(axis=0)
    falling = np.log1p(-np.minimum(bet, _MAX_BET / (1 - at)) * gain).cumsum(axis=0)
    capital = np.log(0.5) + np.maximum(rising, falling).max(axis=0)
    kept = at[capital < np.log(1 / level)]
    return kept.min() - 1 / _GRID, kept.max() + 1 / _GRID


def cover(tiles, k, n_draws):
    reference, count = (tiles[name].to_numpy(float) for name in ("reference", "count"))
    total, errors, largest = reference.sum(), reference - count, reference.max()
    inside, half, ours = [], [], []
    for i in range(n_draws):
        plan = plan_audit(tiles, k, random_state=i)
        p = plan.probability
        low, high = (-count / p).min(), ((largest - np.minimum(count, largest)) / p).max()
        draws = np.random.default_rng(i).permutation(plan.draws)
        scaled = (np.clip(errors[draws] / p[draws], low, high) - low) / (high - low)
        ends = np.array(betting_interval(scaled, 0.95)) * (high - low) + low + count.sum()
        inside.append(ends[0] <= total <= ends[1])
        half.append((ends[1] - ends[0]) / 2 / total)
        result = estimate_total(plan, {j: reference[j] for j in plan.to_audit})
        ours.append(np.ptp(result.interval) / 2 / total)
    return {
        "max_count": int(largest), "coverage": float(np.mean(inside)),
        "half_width": float(np.median(half)), "bootstrap_half_width": float(np.median(ours)),
    }  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("--draws", type=int, default=200)
    given = parser.parse_args()
    for (name, tile), tiles in pd.read_csv(given.file).groupby(["data", "tile"]):
        for k in (20, 100, 400) if (name, tile) in {("nuclei", 128), ("junctions", 128)} else ():
            key = {"kind": "betting", "data": name, "tile": int(tile), "k": k, "draws": given.draws}
            run = partial(cover, tiles.reset_index(drop=True), k, given.draws)
            Cells("totals").run(key, run)
