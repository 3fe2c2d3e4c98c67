"""What `estimate_total` leaves out, and why: fitted estimators, and intervals with a guarantee.

    python tests/benchmarks/totals_alternatives.py estimators FILE [--draws 4000]
    python tests/benchmarks/totals_alternatives.py betting FILE [--draws 200]

FILE has the counts of ``totals.py counts``. The hedged capital interval of Waudby-Smith and Ramdas
(Estimating means of bounded random variables by betting, JRSS B 2024,
https://doi.org/10.1093/jrsssb/qkad009) covers at least as often as it says, for any number of
audits, if the largest count of a tile is known.
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


def fitted(tiles, k, n_draws):
    """Bias and error of estimators, relative to the total, with the draws of `plan_audit`."""
    reference, count = (tiles[name].to_numpy(float) for name in ("reference", "count"))
    p, total = plan_audit(tiles, k).probability, reference.sum()
    draws = np.random.default_rng(0).choice(len(p), (n_draws, k), p=p)
    true, found, one = ((x[draws] / p[draws]).mean(axis=1) for x in (reference, count, p * 0 + 1))
    estimates = {
        "difference": count.sum() + true - found,
        "ratio": count.sum() * true / found,
        "hajek": count.sum() + len(p) * (true - found) / one,
    }
    return {
        f"{name}_{figure}": float(value / total)
        for name, values in estimates.items()
        for figure, value in {
            "bias": values.mean() - total, "rmse": np.sqrt(((values - total) ** 2).mean()),
        }.items()
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("estimators", "betting"))
    parser.add_argument("file")
    parser.add_argument("--draws", type=int)
    given = parser.parse_args()
    measure = {"betting": cover, "estimators": fitted}[given.what]
    draws = given.draws or {"betting": 200, "estimators": 4000}[given.what]
    for (name, tile), tiles in pd.read_csv(given.file).groupby(["data", "tile"]):
        is_shown = (name, tile) in {("nuclei", 128), ("junctions", 128)}
        sizes = (20,) if given.what == "estimators" else (20, 100, 400) if is_shown else ()
        for k in sizes:
            key = {"kind": given.what, "data": name, "tile": int(tile), "k": k, "draws": draws}
            run = partial(measure, tiles.reset_index(drop=True), k, draws)
            Cells("totals").run(key, run)


if __name__ == "__main__":
    main()
