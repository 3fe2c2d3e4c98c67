"""Coverage of totals and false positives of groups compared.

    python tests/benchmarks/totals.py counts FILE [--sets nuclei stained ...]  # counts of tiles
    python tests/benchmarks/totals.py coverage FILE [--sets ...] [--draws 2000]
    python tests/benchmarks/totals.py regions FILE [--draws 2000]
    python tests/benchmarks/totals.py groups [--experiments 2000] [--ratios 1.0 0.9 0.8 0.7]

``counts`` predicts images whose objects are all labeled; the others draw audits from them, and keep
finished cells in ``results/totals.jsonl``. Data are those of `SSKSEG_DATA`.
"""

import argparse
import warnings
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
from harness import Cells
from scipy import stats
from trained_models import fluorescence, stained

from sskseg import LogBlobs, OtsuWatershed
from sskseg.datasets import load_psd95_puncta, make_neuromuscular_junctions
from sskseg.models import load_model
from sskseg.morphology import measure_objects
from sskseg.totals import compare_groups, count_tiles, estimate_total, plan_audit, predict_tiles
from sskseg.totals._intervals import N_SIMULATED

_N_PRINTED = 200  # draws whose coverage is simulated, which takes a hundred times as long


def simulated_junctions():
    X, y = (np.asarray(x) for x in make_neuromuscular_junctions(60, (256, 256), random_state=0))
    return X[:10], y[:10], X[10:], y[10:]


def puncta():
    X, y = load_psd95_puncta()
    return LogBlobs().fit(X[:4], y[:4]), X[4:], y[4:]


def junctions_otsu():
    X, y, *test = simulated_junctions()
    return OtsuWatershed().fit(X, y), *test


def nuclei_otsu():
    X, y, *_ = fluorescence()
    return OtsuWatershed().fit(X[100:110], y[100:110]), X[:100], y[:100]


# (model, images, reference), none of which the model was trained on; tiles, pixels; and whether
# the weights of the draw were chosen on them.
SETS = {
    "nuclei": (lambda: (load_model("nuclei"), *fluorescence()[2:]), (128, 256), False),
    "stained nuclei": (lambda: (load_model("nuclei-stained"), *stained()[2:]), (128,), False),
    "junctions": (
        lambda: (load_model("junctions-simulated"), *simulated_junctions()[2:]), (128,), False,
    ),
    "puncta, LogBlobs": (puncta, (64,), False),
    "nuclei, cells-simulated": (
        lambda: (load_model("cells-simulated"), *[x[:100] for x in fluorescence()[:2]]),
        (128,), True,
    ),
    "nuclei, Otsu": (nuclei_otsu, (128,), True),
    "junctions, Otsu": (junctions_otsu, (128,), True),
}  # fmt: skip


def table_of(reference):
    """Centroids of a label image, or points."""
    if reference.ndim == 2 and reference.shape[1] == 2:
        return pd.DataFrame(reference, columns=["centroid_y", "centroid_x"])
    return measure_objects(np.asarray(reference), columns=["centroid"])


def counts_of(name):
    """Tiles of a set, counted by the model and by the reference."""
    make, sizes, _ = SETS[name]
    model, X, y = make()
    for tile in sizes:
        tiles = predict_tiles(model, X, tile)
        true = [count_tiles([table_of(labels)], np.shape(image)[:2], tile)["count"]
                for image, labels in zip(X, y, strict=True)]  # fmt: skip
        yield tiles.assign(reference=np.concatenate(true), data=name, tile=tile)


def write_counts(path, names):
    parts = [pd.read_csv(path)] if Path(path).exists() else []
    done = {name for part in parts for name in part["data"]}
    for name in names:
        if name not in done:
            parts += counts_of(name)
            pd.concat(parts).to_csv(path, index=False)
            print(name, parts[-1][["count", "reference"]].sum().to_dict(), flush=True)


def coverage(path, names, n_draws):
    cells = Cells("totals")
    every = dict(list(pd.read_csv(path).groupby(["data", "tile"])))
    for (name, tile), tiles in every.items():
        # Without counts in the weight, and at 90 %, as in the study that the draw comes from.
        other = {
            "nuclei": [(k, 0.95, 0.0) for k in (10, 20, 30)] + [(20, 0.9, 0.1)],
            "puncta, LogBlobs": [(20, 0.95, 0.0)],
        }
        runs = [(k, 0.95, 0.1) for k in (10, 20, 30)] + other.get(name, [])
        for k, confidence, weight in runs if name in names else ():
            key = {"kind": "coverage", "data": name, "tile": int(tile), "k": k,
                   "confidence": confidence, "count_weight": weight, "draws": n_draws}  # fmt: skip
            options = {"confidence": confidence}, {"k": k, "count_weight": weight}
            cells.run(key, partial(cover, tiles, n_draws, *options))


def cover(tiles, n_draws, estimate, plan):
    reference, total = tiles["reference"].to_numpy(), tiles["reference"].sum()
    results = []
    for i in range(n_draws):
        # The same interval, without the simulation.
        n = N_SIMULATED if i < _N_PRINTED else 1
        with mock.patch("sskseg.totals._intervals.N_SIMULATED", n):
            drawn = plan_audit(tiles, random_state=i, **plan)
            results.append(estimate_total(drawn, {j: reference[j] for j in drawn.to_audit},
                                          **estimate))  # fmt: skip
    ends = np.array([r.interval for r in results])
    alone, half = by_hand(reference, plan["k"], n_draws, estimate["confidence"])
    return {
        "tiles": len(tiles), "total": int(total), "predicted": int(tiles["count"].sum()),
        "coverage": float(((ends[:, 0] <= total) & (total <= ends[:, 1])).mean()),
        "printed": float(np.nanmean([r.coverage for r in results[:_N_PRINTED]])),
        "half_width": float(np.median(np.ptp(ends, axis=1)) / 2 / total),
        "design_effect": float(np.median([r.design_effect for r in results])),
        "by_hand_coverage": float((np.abs(alone - total) <= half).mean()),
        "by_hand_half_width": float(np.median(half) / total),
    }  # fmt: skip


def by_hand(reference, k, n_draws, confidence):
    """Totals and half-widths (Student's) of tiles that are drawn with equal probability."""
    drawn = np.random.default_rng(0).choice(reference, (n_draws, k)) * len(reference)
    factor = stats.t.ppf((1 + confidence) / 2, k - 1) / np.sqrt(k)
    return drawn.mean(axis=1), factor * drawn.std(axis=1, ddof=1)


def regions(path, n_draws):
    """Coverage of the totals of three regions: thirds of the images of nuclei."""
    every = pd.read_csv(path)
    tiles = every[(every["data"] == "nuclei") & (every["tile"] == 128)].reset_index(drop=True)
    tiles["region"] = tiles["image"] // 20
    for k in (20, 40):
        key = {"kind": "regions", "data": "nuclei", "tile": 128, "k": k, "draws": n_draws}
        Cells("totals").run(key, partial(cover_regions, tiles, k, n_draws))


def cover_regions(tiles, k, n_draws):
    true = tiles.groupby("region")["reference"].sum().to_numpy()
    reference, hits, widths = tiles["reference"].to_numpy(), [], []
    with mock.patch("sskseg.totals._intervals.N_SIMULATED", 1):
        for i in range(n_draws):
            plan = plan_audit(tiles, k, random_state=i)
            table = estimate_total(plan, {j: reference[j] for j in plan.to_audit}).by_region
            known = table["low"].notna().to_numpy()
            hits.append(((table["low"] <= true) & (true <= table["high"]))[known])
            widths.append(((table["high"] - table["low"]) / 2 / true)[known])
    return {
        "regions": len(true), "coverage": float(np.concatenate(hits).mean()),
        "half_width": float(np.median(np.concatenate(widths))),
        "without": 1 - sum(map(len, hits)) / (n_draws * len(true)),
    }  # fmt: skip


def experiment(rng, ratio):
    """P values of five animals in each group: audited, counted by hand alone, and not audited."""
    audited, alone, raw, groups = [], [], [], ["a"] * 5 + ["b"] * 5
    for group in groups:
        mean = 20 * np.exp(rng.normal(0, 0.1)) * (ratio if group == "b" else 1)
        reference = rng.poisson(mean * rng.gamma(4, 1 / 4, 200))
        count = rng.binomial(reference, 0.9 if group == "a" else 0.7)
        tiles = pd.DataFrame({"count": count, "disagreement": rng.poisson(reference - count)})
        plan = plan_audit(tiles, 20, random_state=rng.integers(2**31))
        audited.append(estimate_total(plan, {i: reference[i] for i in plan.to_audit}))
        alone.append(np.log(rng.choice(reference, 20).mean()))
        raw.append(np.log(count.sum()))
    ours = [compare_groups(audited, groups, method=m).p_value for m in ("welch", "permutation")]
    return *ours, *[
        stats.ttest_ind(x[5:], x[:5], equal_var=False).pvalue for x in (alone, raw)
    ]  # fmt: skip


def rejected(ratio, n):
    """Shares of experiments with p < 0.05."""
    rng = np.random.default_rng(0)
    # P values need no intervals of single totals.
    with (
        mock.patch("sskseg.totals._intervals.N_SIMULATED", 1),
        mock.patch("sskseg.totals._intervals.N_BOOTSTRAP", 1),
    ):
        p = np.array([experiment(rng, ratio) for _ in range(n)])
    names = ("welch", "permutation", "by_hand", "not_audited")
    return dict(zip(names, (p < 0.05).mean(axis=0).tolist(), strict=True))


def groups(n_experiments, ratios):
    for ratio in ratios:
        key = {"kind": "groups", "ratio": ratio, "experiments": n_experiments}
        Cells("totals").run(key, partial(rejected, ratio, n_experiments))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("counts", "coverage", "regions", "groups"))
    parser.add_argument("file", nargs="?")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--experiments", type=int, default=2000)
    parser.add_argument("--ratios", nargs="+", type=float, default=[1.0, 0.9, 0.8, 0.7])
    given = parser.parse_args()
    warnings.filterwarnings("ignore", "The errors of all|Regions .* have no interval")
    if given.what == "counts":
        write_counts(given.file, given.sets)
    elif given.what == "coverage":
        coverage(given.file, given.sets, given.draws)
    elif given.what == "regions":
        regions(given.file, given.draws)
    else:
        groups(given.experiments, given.ratios)
