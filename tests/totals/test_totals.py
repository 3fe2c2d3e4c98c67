"""Totals and groups: unbiased, covered as printed, and clear about bad input."""

import numpy as np
import pandas as pd
import pytest

from sskseg.totals import compare_groups, count_tiles, estimate_total, plan_audit


def simulate(rng, n=200, miss=0.2):
    """Tiles with clustered objects, of which a network misses a share."""
    reference = rng.negative_binomial(3, 3 / (3 + 20), n)
    count = rng.binomial(reference, 1 - miss) + rng.poisson(0.5, n)
    return reference, pd.DataFrame(
        {"count": count, "disagreement": rng.poisson(0.2 + np.abs(count - reference))}
    )


def audit(reference, tiles, k, seed, **kwargs):
    plan = plan_audit(tiles, k, random_state=seed, **kwargs)
    return plan, {i: reference[i] for i in plan.to_audit}


@pytest.mark.parametrize("with_certain", [False, True])
def test_totals_are_unbiased_and_covered_as_printed(with_certain):
    reference, tiles = simulate(np.random.default_rng(0))
    certain = np.arange(200) < 5 if with_certain else None
    results = [estimate_total(*audit(reference, tiles, 20, i, certain=certain)) for i in range(200)]
    totals = np.array([r.total for r in results])
    error = totals.std(ddof=1) / np.sqrt(len(totals))
    assert abs(totals.mean() - reference.sum()) < 4 * error
    assert abs(tiles["count"].sum() - reference.sum()) > 10 * error
    covered = [r.interval[0] <= reference.sum() <= r.interval[1] for r in results]
    assert abs(np.mean(covered) - np.mean([r.coverage for r in results])) < 0.05
    assert np.median([r.design_effect for r in results]) < 0.5
    assert np.median([r.audits_saved for r in results]) > 20


def test_all_tiles_in_the_certainty_stratum_but_one_give_the_total():
    reference, tiles = simulate(np.random.default_rng(1), n=30)
    result = estimate_total(*audit(reference, tiles, 2, 0, certain=np.arange(30) > 0))
    assert result.total == pytest.approx(reference.sum())
    assert result.standard_error == 0


def test_regions_sum_up_to_the_total():
    reference, tiles = simulate(np.random.default_rng(2))
    tiles["region"] = np.arange(200) % 3
    result = estimate_total(*audit(reference, tiles, 20, 0))
    assert result.by_region["total"].sum() == pytest.approx(result.total)
    assert result.by_region["predicted"].sum() == tiles["count"].sum()


def test_the_same_seed_gives_the_same_result():
    reference, tiles = simulate(np.random.default_rng(3))
    first, second = (estimate_total(*audit(reference, tiles, 20, 7)) for _ in range(2))
    assert first.interval == second.interval
    assert str(first) == str(second)


def test_equal_errors_leave_the_coverage_unknown():
    tiles = pd.DataFrame({"count": np.arange(30), "disagreement": 1.0})
    plan = plan_audit(tiles, k=5, random_state=0)
    with pytest.warns(UserWarning, match="errors of all 5 audited draws are equal"):
        result = estimate_total(plan, {i: float(i) for i in plan.to_audit})
    assert result.total == result.interval[0] == result.interval[1] == 435
    assert np.isnan(result.coverage)
    assert "coverage unknown" in str(result)


def test_each_object_is_in_one_tile():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.uniform(0, 36, (500, 3)), columns=[f"centroid_{a}" for a in "zyx"])
    regions = np.zeros((19, 20, 37), int)
    regions[10:] = 4
    spacing = (2.0, 2.0, 1.0)
    tiles = count_tiles([table, table[:400]], (19, 20, 37), 8, spacing=spacing, regions=regions)
    assert tiles["count"].sum() == 500
    assert tiles["disagreement"].sum() == 100
    assert tiles["size"].sum() == 19 * 20 * 37
    assert set(tiles["region"]) == {0, 4}


def experiment(rng, effect=1.0, corrected=True):
    """Five animals in each of two groups; the network misses more in the second."""
    totals, groups = [], ["a"] * 5 + ["b"] * 5
    for group in groups:
        n_objects = 4000 * np.exp(rng.normal(0, 0.1)) * (effect if group == "b" else 1)
        reference = rng.poisson(n_objects / 200 * rng.gamma(4, 1 / 4, 200))
        count = rng.binomial(reference, 0.9 if group == "a" else 0.7)
        tiles = pd.DataFrame({"count": count, "disagreement": rng.poisson(reference - count)})
        seen = reference if corrected else count
        totals.append(estimate_total(*audit(seen, tiles, 20, rng.integers(2**31))))
    return compare_groups(totals, groups)


@pytest.mark.filterwarnings("ignore:The errors of all")  # of the network that is not audited
def test_a_network_biased_by_group_makes_no_difference(monkeypatch):
    monkeypatch.setattr("sskseg.totals._estimate._N_SIMULATED", 2)
    monkeypatch.setattr("sskseg.totals._estimate._N_BOOTSTRAP", 9)
    rng = np.random.default_rng(0)
    p = np.array([experiment(rng).p_value for _ in range(300)])
    assert 0.02 < np.mean(p < 0.05) < 0.085
    biased = [experiment(rng, corrected=False).p_value for _ in range(50)]
    assert np.mean(np.array(biased) < 0.05) > 0.5
    real = [experiment(rng, effect=0.7).p_value for _ in range(50)]
    assert np.mean(np.array(real) < 0.05) > 0.7


def test_comparison_gives_what_more_animals_and_audits_bring():
    result = experiment(np.random.default_rng(0), effect=0.6)
    assert result.interval[0] < result.ratio < result.interval[1] < 1
    assert 0 < result.counting_share <= 1
    assert result.one_more_animal < result.standard_error
    assert result.one_more_audit < result.standard_error
    assert "n = 5 and 5 animals" in str(result)


TILES = pd.DataFrame({"count": [3, 9, 4, 7], "disagreement": [0, 4, 0, 0]})


@pytest.mark.parametrize(
    ("tiles", "kwargs", "message"),
    [
        (TILES.drop(columns="count"), {}, r"tiles\['count'\] is missing"),
        (TILES * -1, {}, r"tiles\['count'\] must be finite and not negative, got -3.0"),
        (TILES / [np.nan, 1], {}, "must be finite and not negative, got nan"),
        (TILES[:0], {}, "must be some numbers"),
        (TILES, {"k": 1}, "k must be an integer of at least 2, got 1"),
        (TILES, {"floor": 0}, "floor must be positive, got 0"),
        (TILES, {"certain": [True] * 4}, "certain must leave tiles"),
        (TILES, {"certain": [1, 0]}, "certain must be 4 bools"),
    ],
)
def test_plans_reject_bad_input(tiles, kwargs, message):
    with pytest.raises(ValueError, match=message):
        plan_audit(tiles, **kwargs)


@pytest.mark.parametrize(
    ("audited", "message"),
    [
        ({}, "must have the 2 tiles of the plan, got none"),
        ({0: 1, 3: 1}, r"tiles \[1\] are missing \(1\), tiles \[3\] are not of the plan \(1\)"),
        ({0: 3, 1: -1}, "audited must be finite and not negative, got -1.0"),
        ({0: 3, 1: np.nan}, "audited must be finite and not negative, got nan"),
    ],
)
def test_estimates_reject_bad_audits(audited, message):
    plan = plan_audit(TILES, 3, random_state=0)
    with pytest.raises(ValueError, match=message):
        estimate_total(plan, audited)


def test_comparisons_reject_bad_groups():
    totals = []
    for i in range(4):
        reference, tiles = simulate(np.random.default_rng(i), n=40 if i < 3 else 200)
        tiles["region"] = i == 0
        totals.append(estimate_total(*audit(reference, tiles, 5, 0)))
    for groups, message in [
        ("aab", "one value for each of 4 totals, got 3"),
        ("aaaa", r"two different values, got \['a'\]"),
        ("aaab", "'b' has one"),
        ("aabb", "same regions in all animals"),
    ]:
        with pytest.raises(ValueError, match=message):
            compare_groups(totals, list(groups))
    with pytest.raises(ValueError, match="per='size' compares densities"):
        compare_groups([*totals[1:], totals[3]], list("aabb"))
    with pytest.raises(ValueError, match="per must be one of"):
        compare_groups(totals, list("aabb"), per="area")


@pytest.mark.parametrize(
    ("table", "shape", "tile", "message"),
    [
        (pd.DataFrame({"centroid_y": [1.0]}), (8, 8), 4, r"lacks \['centroid_x'\]"),
        (pd.DataFrame({"centroid_y": [9.0], "centroid_x": [1]}), (8, 8), 4, "some do not"),
        (pd.DataFrame({"centroid_y": [np.nan], "centroid_x": [1]}), (8, 8), 4, "no NaN"),
        (pd.DataFrame(), (8,), 4, "shape must be two or three positive sizes"),
        (pd.DataFrame(), (8, 8), 0, "tile must be positive"),
    ],
)
def test_tiles_reject_bad_input(table, shape, tile, message):
    with pytest.raises(ValueError, match=message):
        count_tiles([table], shape, tile)
