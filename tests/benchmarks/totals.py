"""Coverage of totals and false positives of groups compared.

    python tests/benchmarks/totals.py counts FILE    # counts of tiles, of held-out images
    python tests/benchmarks/totals.py coverage FILE [--draws 2000]
    python tests/benchmarks/totals.py groups [--experiments 2000]

Data are those of `SSKSEG_DATA`.
"""

import argparse
import warnings
from unittest import mock

import numpy as np
import pandas as pd
from scipy import stats
from skimage.measure import regionprops_table
from trained_models import fluorescence

from sskseg import LogBlobs, OtsuWatershed
from sskseg.datasets import load_psd95_puncta, make_neuromuscular_junctions
from sskseg.models import load_model
from sskseg.totals import compare_groups, count_tiles, estimate_total, plan_audit


def table_of(labels):
    """Centroids of a label image, or points."""
    if labels.ndim == 2 and labels.shape[1] == 2:
        return pd.DataFrame(labels, columns=["centroid_y", "centroid_x"])
    found = regionprops_table(labels, properties=("centroid",))
    return pd.DataFrame({"centroid_y": found["centroid-0"], "centroid_x": found["centroid-1"]})


def tiles_of(images, reference, predict, tile):
    """Tiles of all images, counted in two orientations, and what is in them."""
    parts = []
    for image, labels in zip(images, reference, strict=True):
        turned = predict(image[::-1])[::-1]
        tables = [table_of(np.ascontiguousarray(x)) for x in (predict(image), turned)]
        part = count_tiles(tables, image.shape[:2], tile)
        part["reference"] = count_tiles([table_of(labels)], image.shape[:2], tile)["count"]
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def nuclei():
    _, _, X, y = fluorescence()
    model = load_model("nuclei")
    return tiles_of(X, y, lambda image: model.transform([image])[0], 128)


def junctions():
    X, y = make_neuromuscular_junctions(60, (256, 256), random_state=0)
    X, y = np.asarray(X), np.asarray(y)
    model = OtsuWatershed().fit(X[:10], y[:10])
    return tiles_of(X[10:], y[10:], lambda image: model.transform(image[None])[0], 128)


def puncta():
    X, y = load_psd95_puncta()
    model = LogBlobs().fit(X[:4], y[:4])
    return tiles_of(X[4:], y[4:], lambda image: model.transform([image])[0], 64)


def write_counts(path):
    parts = []
    for make in (nuclei, junctions, puncta):
        try:
            parts.append(make().assign(data=make.__name__))
        except Exception as error:  # one set must not lose the others: it is reported
            warnings.warn(f"{make.__name__}: {error!r}", stacklevel=1)
            continue
        pd.concat(parts).to_csv(path, index=False)
        print(parts[-1].groupby("data")[["count", "reference"]].agg(["size", "sum"]), flush=True)


def coverage(path, n_draws):
    for name, tiles in pd.read_csv(path).groupby("data"):
        reference = tiles["reference"].to_numpy()
        for k in (20, 10, 30) if name == "nuclei" else (20,):
            lines = [one_draw(tiles, reference, k, i) for i in range(n_draws)]
            columns = ["real", "printed", "half width", "by hand", "hand's half width", "effect"]
            table = pd.DataFrame(lines, columns=columns)
            widths = table[["half width", "hand's half width", "effect"]].median()
            shares = table[["real", "printed", "by hand"]].mean()
            print(name, f"k={k}", f"tiles={len(tiles)}", f"draws={n_draws}")
            print(pd.concat([shares, widths]).round(3).to_string(), flush=True)


def one_draw(tiles, reference, k, seed):
    plan = plan_audit(tiles, k, random_state=seed)
    result = estimate_total(plan, {i: reference[i] for i in plan.to_audit})
    total = reference.sum()
    drawn = np.random.default_rng(seed).choice(reference, k) * len(reference)
    half = stats.t.ppf(0.975, k - 1) * drawn.std(ddof=1) / np.sqrt(k)
    low, high = result.interval
    return (
        low <= total <= high,
        result.coverage,
        (high - low) / 2 / total,
        abs(drawn.mean() - total) <= half,
        half / total,
        result.design_effect,
    )


def experiment(rng, effect):
    """P values of five animals in each group: audited, counted by hand alone, and not audited."""
    audited, alone, raw, groups = [], [], [], ["a"] * 5 + ["b"] * 5
    for group in groups:
        mean = 20 * np.exp(rng.normal(0, 0.1)) * (effect if group == "b" else 1)
        reference = rng.poisson(mean * rng.gamma(4, 1 / 4, 200))
        count = rng.binomial(reference, 0.9 if group == "a" else 0.7)
        tiles = pd.DataFrame({"count": count, "disagreement": rng.poisson(reference - count)})
        plan = plan_audit(tiles, 20, random_state=rng.integers(2**31))
        audited.append(estimate_total(plan, {i: reference[i] for i in plan.to_audit}))
        alone.append(np.log(rng.choice(reference, 20).mean()))
        raw.append(np.log(count.sum()))
    welch = [stats.ttest_ind(x[5:], x[:5], equal_var=False).pvalue for x in (alone, raw)]
    return compare_groups(audited, groups).p_value, *welch


def groups(n_experiments):
    # P values need no intervals of single totals.
    with (
        mock.patch("sskseg.totals._intervals.N_SIMULATED", 2),
        mock.patch("sskseg.totals._intervals.N_BOOTSTRAP", 9),
    ):
        for effect in (1.0, 0.9, 0.8, 0.7):
            rng = np.random.default_rng(0)
            p = np.array([experiment(rng, effect) for _ in range(n_experiments)])
            print(f"ratio {effect}: p < 0.05 of audited, by hand alone, not audited:",
                  (p < 0.05).mean(axis=0), flush=True)  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("counts", "coverage", "groups"))
    parser.add_argument("file", nargs="?")
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--experiments", type=int, default=2000)
    given = parser.parse_args()
    if given.what == "counts":
        write_counts(given.file)
    elif given.what == "coverage":
        coverage(given.file, given.draws)
    else:
        groups(given.experiments)
