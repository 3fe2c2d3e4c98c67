"""Totals and groups: unbiased, covered as printed, and clear about bad input."""

import numpy as np
import pandas as pd
import pytest

from sskseg.totals import (
    TotalEstimate,
    compare_groups,
    count_tiles,
    estimate_total,
    plan_audit,
)


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


@pytest.fixture
def few_resamples(monkeypatch):
    monkeypatch.setattr("sskseg.totals._intervals.N_SIMULATED", 60)
    monkeypatch.setattr("sskseg.totals._intervals.N_BOOTSTRAP", 199)


@pytest.fixture
def no_resamples(monkeypatch):
    """P values and totals need no intervals of single totals."""
    monkeypatch.setattr("sskseg.totals._intervals.N_SIMULATED", 2)
    monkeypatch.setattr("sskseg.totals._intervals.N_BOOTSTRAP", 9)


@pytest.mark.usefixtures("few_resamples")
@pytest.mark.parametrize("with_certain", [False, True])
def test_totals_are_unbiased_and_covered_as_printed(with_certain):
    reference, tiles = simulate(np.random.default_rng(0))
    certain = np.arange(200) < 5 if with_certain else None
    results = [estimate_total(*audit(reference, tiles, 20, i, certain=certain)) for i in range(150)]
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


def test_counts_add_to_the_weight_of_the_draw():
    plan = plan_audit(TILES, 3, count_weight=1, floor=0.5)
    weight = np.array([3, 13, 4, 7]) + 0.5 * 27 / 4
    np.testing.assert_allclose(plan.probability, weight / weight.sum())


@pytest.mark.usefixtures("few_resamples")
def test_counts_in_the_weight_make_the_interval_narrower():
    rng = np.random.default_rng(4)
    reference, tiles = simulate(rng)
    tiles["disagreement"] = rng.poisson(0.2, 200)

    def width(weight):
        audits = [audit(reference, tiles, 20, i, count_weight=weight) for i in range(40)]
        return np.mean([np.ptp(estimate_total(*each).interval) for each in audits])

    assert width(0.1) < 0.85 * width(0.0)


@pytest.mark.usefixtures("few_resamples")
@pytest.mark.filterwarnings("ignore:Regions .* have no interval")
def test_regions_sum_up_to_the_total_and_are_covered():
    reference, tiles = simulate(np.random.default_rng(2))
    tiles["region"] = np.arange(200) % 3
    true = pd.Series(reference).groupby(tiles["region"]).sum().to_numpy()
    hits = []
    for i in range(60):
        result = estimate_total(*audit(reference, tiles, 30, i))
        found = result.by_region
        assert found["total"].sum() == pytest.approx(result.total)
        assert found["predicted"].sum() == tiles["count"].sum()
        assert found["n_audits"].sum() == 30
        has_interval = found["low"].notna()
        hits += [((found["low"] <= true) & (true <= found["high"]))[has_interval]]
    assert np.concatenate(hits).mean() > 0.9


def test_regions_with_too_few_audits_are_named():
    reference, tiles = simulate(np.random.default_rng(2))
    tiles["region"] = np.where(np.arange(200) == 0, 7, 1)
    with pytest.warns(UserWarning, match=r"Regions \[7\] have no interval \(1 of 2 regions\)"):
        result = estimate_total(*audit(reference, tiles, 20, 0))
    assert result.by_region["low"].isna().tolist() == [False, True]
    tiles["region"] = np.arange(200) < 3
    certain = np.arange(200) < 3
    found = estimate_total(*audit(reference, tiles, 20, 0, certain=certain)).by_region
    assert found["low"][1] == found["high"][1] == reference[:3].sum()


def test_sentences_hold_the_figures_and_the_method():
    reference, tiles = simulate(np.random.default_rng(0))
    result = estimate_total(*audit(reference, tiles, 20, 0))
    low, high = result.interval
    text = result.sentence("junctions")
    assert text.startswith(
        f"There were {result.total:,.0f} junctions (95% interval {low:,.0f} to {high:,.0f})."
    )
    assert f"covers about {result.coverage:.0%}" in text
    assert "Blind counts of tiles (20 audits, drawn with replacement" in text
    groups = compare_groups(*experiment(np.random.default_rng(0), effect=0.6))
    text = groups.sentence()
    assert text.startswith(f"Totals of b (n = 5 animals) were {groups.ratio:.2f} times those of a")
    assert f"p = {groups.p_value:.2g}" in text
    assert "Welch's test of logarithms" in text


def test_audits_may_be_a_series():
    reference, tiles = simulate(np.random.default_rng(3))
    plan, audited = audit(reference, tiles, 20, 7)
    column = pd.Series(audited, name="count")
    assert estimate_total(plan, column).total == estimate_total(plan, audited).total


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


@pytest.mark.parametrize(("n", "k"), [(23, 3), (99, 3), (99, 7)])  # means of equals are rounded
def test_equal_errors_of_equal_tiles_leave_the_coverage_unknown(n, k):
    plan = plan_audit(pd.DataFrame({"count": [3] * n, "disagreement": 0}), k=k, random_state=0)
    with pytest.warns(UserWarning, match=f"errors of all {k} audited draws are equal"):
        result = estimate_total(plan, dict.fromkeys(plan.to_audit, 4.0))
    assert result.total == pytest.approx(4 * n)
    assert result.standard_error == 0
    assert np.isnan(result.coverage)


def test_the_total_of_tiles_that_are_all_audited_is_their_sum():
    tiles = pd.DataFrame({"count": [0, 10, 3], "disagreement": [1, 0, 0], "region": [1, 1, 2]})
    plan = plan_audit(tiles, k=20, random_state=0)
    assert plan.is_complete
    result = estimate_total(plan, {0: 5, 1: 10, 2: 2})
    assert result.total == result.interval[0] == result.interval[1] == 17
    assert result.standard_error == 0
    assert result.by_region[["total", "low", "high"]].to_numpy().tolist() == [[15] * 3, [2] * 3]
    assert not plan_audit(tiles, k=2, random_state=0).is_complete


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


@pytest.mark.parametrize("size", [0.33, 0.65, 4.93, 1 / 3])
def test_tiles_do_not_depend_on_the_size_of_pixels(size):
    centers = np.arange(3, 400, 4) + 0.5  # on the borders of tiles of four pixels
    table = pd.DataFrame({"centroid_y": centers * size, "centroid_x": centers * size})
    tiles = count_tiles([table], (404, 404), 4, spacing=(size, size))
    assert tiles.loc[tiles["count"] > 0, "y"].tolist() == (centers + 0.5).tolist()


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
    return totals, groups


@pytest.mark.usefixtures("no_resamples")
@pytest.mark.filterwarnings("ignore:The errors of all")  # of the network that is not audited
def test_a_network_biased_by_group_makes_no_difference():
    rng = np.random.default_rng(0)

    def rejected(n, **kwargs):
        made = [experiment(rng, **kwargs) for _ in range(n)]
        p = [[compare_groups(*each, method=m).p_value for m in ("welch", "permutation")]
             for each in made]  # fmt: skip
        return (np.array(p) < 0.05).mean(axis=0)

    assert (rejected(100) < 0.1).all()  # nominal 0.05
    assert (rejected(20, corrected=False) > 0.5).all()
    assert (rejected(20, effect=0.7) > 0.7).all()


def test_comparison_gives_what_more_animals_and_audits_bring():
    result = compare_groups(*experiment(np.random.default_rng(0), effect=0.6))
    assert result.interval[0] < result.ratio < result.interval[1] < 1
    assert 0 < result.counting_share <= 1
    assert result.one_more_animal < result.standard_error
    assert result.one_more_audit < result.standard_error
    assert "n = 5 and 5 animals" in str(result)


def totals_of(numbers):
    return [
        TotalEstimate(n, (n - 60, n + 60), 30.0, 0.95, 0.93, n, 0.1, 180, 20, 1e6) for n in numbers
    ]


def test_permutations_are_exact_for_few_animals():
    totals = totals_of([1000, 1100, 1050, 820, 900, 860])
    result = compare_groups(totals, list("aaabbb"), method="permutation")
    assert result.p_value == pytest.approx(2 / 20)
    assert "permutation test on logarithms" in str(result)
    rng = np.random.default_rng(0)
    many = totals_of(rng.normal(1000, 50, 20))
    p = [compare_groups(many, ["a"] * 10 + ["b"] * 10, method="permutation").p_value
         for _ in range(2)]  # fmt: skip
    assert p[0] == p[1]
    assert abs(p[0] - compare_groups(many, ["a"] * 10 + ["b"] * 10).p_value) < 0.03


TILES = pd.DataFrame({"count": [3, 9, 4, 7], "disagreement": [0, 4, 0, 0]})


@pytest.mark.parametrize(
    ("tiles", "kwargs", "message"),
    [
        (TILES.drop(columns="count"), {}, r"tiles\['count'\] is missing"),
        (TILES * -1, {}, r"tiles\['count'\] must be finite and not negative, got -3.0"),
        (TILES / [np.nan, 1], {}, "must be finite and not negative, got nan"),
        (TILES[:0], {}, "must be some numbers"),
        (TILES, {"k": 1}, "k must be an integer of at least 2, got 1"),
        (TILES, {"floor": 0}, "floor must be positive and finite, got 0"),
        (TILES, {"count_weight": -1}, "count_weight must be at least 0 and finite, got -1"),
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


def test_a_group_may_be_called_na_and_none_may_be_missing():
    totals, groups = experiment(np.random.default_rng(0), effect=0.6)
    names = ["NA" if group == groups[0] else "WT" for group in groups]
    named = compare_groups(totals, names)
    assert named.groups == ("NA", "WT")
    assert named.ratio == compare_groups(totals, groups).ratio
    with pytest.raises(ValueError, match=r"groups must name .* got nan for totals\[0\]"):
        compare_groups(totals, [np.nan, *names[1:]])


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
    with pytest.raises(ValueError, match="method must be one of"):
        compare_groups(totals, list("aabb"), method="t")


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


def test_the_display_draws_each_animal_and_the_means():
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    from sskseg.report import GroupComparisonDisplay

    totals = totals_of([1000, 1100, 1050, 820, 900, 860])
    groups = ["control", "mutant"] * 3
    display = GroupComparisonDisplay.from_totals(totals, groups, method="permutation")
    drawn = [container.lines[0].get_ydata() for container in display.ax_.containers]
    np.testing.assert_allclose(drawn, [[1000, 1050, 900], [1100, 820, 860]])
    low_high = display.ax_.containers[0].lines[2][0].get_segments()
    np.testing.assert_allclose([s[:, 1] for s in low_high], [[940, 1060], [990, 1110], [840, 960]])
    ratio = display.means_[1] / display.means_[0]
    assert ratio == pytest.approx(display.comparison.ratio)
    assert f"ratio {ratio:.2f}" in display.ax_.get_title()
    density = GroupComparisonDisplay.from_totals(totals, groups, per="size")
    np.testing.assert_allclose(density.means_, np.array(display.means_) / 1e6)
    plt.close("all")
