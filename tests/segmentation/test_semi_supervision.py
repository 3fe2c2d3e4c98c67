import copy
import itertools
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from scipy import ndimage as ndi

from sskseg import ImageStack, SemiSupervisedSegmenter
from sskseg.datasets import make_cells
from sskseg.images import check_images
from sskseg.inference import calibrate
from sskseg.io import read_labels
from sskseg.metrics import dice, iou
from sskseg.model_selection import CrossFitted
from sskseg.nn import SectionMeanNet
from sskseg.segmentation import _segmenter, _training, _validation
from sskseg.segmentation._predictors import section_predictor
from sskseg.segmentation._suggestions import rank_sections
from sskseg.segmentation._training_data import TrainingData
from sskseg.segmentation.semi_supervised import (
    PseudoLabeling,
    check_methods,
    choose_methods,
    continuity,
    rounds,
)
from sskseg.segmentation.semi_supervised.pseudo_labels import (
    NeighborMeans,
    continuity_context,
    continuity_sizes,
    mask_low_confidence,
    pseudo_labels,
)

TINY = {"width": 4, "depth": 2, "max_steps": 12, "random_state": 0, "patch_size": 32}
# Of float32: with how many others an image is in a batch decides how convolutions are summed on
# some processors (those without AVX-512).
ROUNDING = 1e-5


def segmenter(**changes):
    return SemiSupervisedSegmenter(**{"sections": "consecutive", **TINY, **changes})


BOTH = {"semi_supervision": ("self-training", "continuity")}


def tubes(n=24, shape=(64, 64), seed=0):
    """Sections through objects that drift along z, dim and noisy."""
    rng = np.random.default_rng(seed)
    smooth = ndi.gaussian_filter(rng.normal(size=(n, *shape)), (4, 4, 4), mode="wrap")
    y = (smooth > 0.5 * smooth.std()).astype(int)
    X = ndi.gaussian_filter(y.astype(float), (0, 1, 1)) + rng.normal(0, 0.8, y.shape)
    return X.astype(np.float32), y


def only(y, rows):
    known = np.full_like(y, -1)
    known[rows] = y[rows]
    return known


# Which methods


@pytest.mark.parametrize(
    "wrong", ["magic", (), [["continuity"]], ("continuity", "magic"), ("continuity",) * 2]
)
def test_unknown_methods_are_refused(wrong):
    with pytest.raises(ValueError, match="semi_supervision must be 'auto'"):
        check_methods(wrong)
    X, y = make_cells(2, (32, 32), random_state=0)
    with pytest.raises(ValueError, match="semi_supervision must be 'auto'"):
        segmenter(semi_supervision=wrong).fit(X, only(y, [0]))


def test_two_teachers_are_refused():
    with pytest.raises(ValueError, match="not both"):
        check_methods(("consistency", "mean-teacher"))


def chosen(methods, labels, positions, consecutive, weight=None):
    """Names of the methods that are chosen, and the reason."""
    methods = methods if methods == "auto" else check_methods(methods or None)
    n = len(labels)
    data = TrainingData(
        labels, labels, np.arange(n)[:, None], np.asarray(positions) if consecutive else None,
        np.ones(n) if weight is None else np.asarray(weight), n,
    )  # fmt: skip
    choice = choose_methods(methods, data)
    return tuple(method.name for method in choice.methods), choice.reason


def test_auto_depends_on_the_data():
    labels = [np.zeros((4, 4), int), np.full((4, 4), -1), np.full((4, 4), -1)]
    stack, gaps = np.arange(3), np.arange(3) * 2
    methods, reason = chosen("auto", labels, stack, True)
    assert methods == ("self-training", "continuity")
    assert reason == (
        "2 of 3 training samples are not fully labeled; "
        "the longest run of neighboring sections has 3"
    )
    ends = [labels[0], *[labels[1]] * 8, labels[0]]
    methods, reason = chosen("auto", ends, np.arange(10), True)
    assert methods == ("section-mean",)
    assert reason.endswith("; the labels amount to 2 sections (close ones count once)")
    half = np.where(np.arange(4) < 2, 0, -1) * np.ones((4, 1), int)
    speck = np.full((4, 4), -1)
    speck[0, 0] = 0  # before two whole sections, in any order
    some = [speck, labels[0], *[labels[1]] * 8, labels[0]]
    assert chosen("auto", some, np.arange(11), True)[0] == ("section-mean",)
    assert chosen("auto", some[::-1], np.arange(11), True)[0] == ("section-mean",)
    for near in ([labels[0], *[labels[1]] * 7, labels[0]], [half, *[labels[1]] * 8, half]):
        methods, _ = chosen("auto", near, np.arange(len(near)), True)
        assert methods == ("self-training", "continuity")
    for positions, consecutive in ((stack, False), (gaps, True)):
        methods, reason = chosen("auto", labels, positions, consecutive)
        assert methods == ("self-training",)
        assert "no two are neighboring" in reason
    assert chosen((), labels, stack, True)[0] == ()
    assert chosen(("consistency",), labels, stack, True) == (
        ("consistency",), "as requested"
    )  # fmt: skip
    X, y = tubes(3)
    for methods in (("continuity",), ("self-training", "continuity")):
        left, reason = chosen(methods, labels, stack, True, [1, 0, 1])
        assert left == methods[:-1]
        assert "no two training samples are neighboring" in reason
        with pytest.raises(ValueError, match="needs neighboring sections"):
            segmenter(semi_supervision=methods).fit(X, only(y, [0]), positions=[0, 2, 4])


def test_whole_images_are_labeled_without_a_warning():
    """Nothing is wrong with the labels. But a method that was asked for has no effect."""
    X, y = make_cells(3, (32, 32), random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        silent = segmenter().fit(X, y)
        alone = segmenter(semi_supervision=None).fit(X, y)
    assert silent.semi_supervision_ == ()
    assert silent.semi_supervision_reason_ == "every pixel is labeled"
    assert np.array_equal(silent.predict_proba(X), alone.predict_proba(X))
    assert silent.transduction_ is None
    assert silent.continuity_ is None
    with pytest.warns(UserWarning, match="nothing is left for semi_supervision"):
        segmenter(semi_supervision="consistency").fit(X, y)


def test_labels_without_background_are_warned_of():
    X, y = make_cells(3, (32, 32), random_state=0)
    with pytest.warns(UserWarning, match="Every pixel of y is labeled, and none is background"):
        segmenter().fit(X, y + 1)
    classes = segmenter(target="classes")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classes.fit(X, np.sign(y) + 1)


def test_a_stack_of_which_some_pages_were_painted_is_not_advised_to_be_supervised(tmp_path):
    """What the file and the fit say agree: the pages of zeros may not be labeled yet."""
    X, y = make_cells(4, (32, 32), random_state=0)
    y[1:] = 0
    tifffile.imwrite(tmp_path / "labels.tif", y.astype(np.uint8), photometric="minisblack")
    with pytest.warns(UserWarning, match=r"3 of 4 pages.*empty='unlabeled'"):
        _, labels = read_labels(tmp_path / "labels.tif")
    about_zeros = r"^Every pixel .* 3 of 4 label images .* empty='unlabeled'"
    with pytest.warns(UserWarning, match=about_zeros):
        segmenter().fit(X, labels)
    _, labels = read_labels(tmp_path / "labels.tif", empty="unlabeled")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert segmenter().fit(X, labels).semi_supervision_ == ("self-training",)


def test_the_choice_is_logged(caplog):
    X, y = tubes(6)
    with caplog.at_level("INFO", logger="sskseg"):
        segmenter().fit(X, only(y, [3]))
    assert "self-training and continuity (5 of 6 training samples" in caplog.text


# What is learned


def test_continuity_beats_the_network_alone():
    """A network that sees one section; means of three trainings."""
    X, y = tubes()
    new_X, new_y = tubes(seed=1)
    corrected, alone = [], []
    for seed in range(3):
        model = segmenter(
            semi_supervision="continuity", width=8, max_steps=150, section_context=0,
            random_state=seed,
        ).fit(X, only(y, [4, 12, 20]))  # fmt: skip
        assert {row["phase"] for row in model.history_} == {"network", "continuity"}
        assert model.continuity_context_ >= 1
        corrected.append(iou(new_y, model.predict(new_X)))
        model.continuity_ = None
        alone.append(iou(new_y, model.predict(new_X)))
    assert np.mean(corrected) > np.mean(alone)


def test_pseudo_labels_are_learned(monkeypatch):
    X, y = tubes(8)
    shares = []
    for guess in (0, 1):

        def label(probabilities, labels, *_, guess=guess):
            return [np.where(label < 0, guess, label) for label in labels]

        monkeypatch.setattr(rounds, "agree", label)
        model = segmenter(semi_supervision="self-training", max_steps=100).fit(X, only(y, [4]))
        shares.append(model.predict_proba(X).mean())
    assert shares[1] > shares[0] + 0.03


@pytest.mark.parametrize(
    "methods",
    ["continuity", "consistency", "self-training", "mean-teacher",
     ("self-training", "consistency", "continuity"), "auto"],
)  # fmt: skip
@pytest.mark.parametrize("target", ["instances", "classes"])
def test_every_method_trains_and_settles(methods, target):
    X, y = tubes(8)
    known = only(y, [2, 5])
    y = np.where(known < 0, -1, 3 * known) if target == "classes" else known
    model = segmenter(semi_supervision=methods, target=target)
    first, second = (model.fit(X, y).predict_proba(X) for _ in range(2))
    assert np.array_equal(first, second)
    assert first.shape[:3] == X.shape
    assert np.array_equal(model.transduction_[[2, 5]], y[[2, 5]])
    assert set(np.unique(model.transduction_)) <= {-1, 0, 1, 3}
    assert model.transduction_.shape == y.shape


def test_volumes_and_images_of_several_sizes():
    X, y = make_cells(3, (12, 32, 32), random_state=0)
    model = segmenter(sections="independent", spatial_ndim=3, patch_size=(8, 16, 16))
    model.fit(X, only(y, [0]))
    assert model.semi_supervision_ == ("self-training",)
    assert model.predict(X).shape == X.shape
    ragged = [X[0, 0], X[1, 0, :20], X[2, 0, :, :24]]
    model = segmenter(sections="independent").fit(ragged, [y[0, 0], None, None])
    assert [x.shape for x in model.transduction_] == [(32, 32), (20, 32), (32, 24)]


@pytest.mark.parametrize(
    "rows",
    [[0], [7], [2, 3, 4], list(range(7)), [0, 7]],
    ids=["first", "last", "block", "most", "ends"],
)
@pytest.mark.parametrize("methods", [BOTH["semi_supervision"], "consistency"])
def test_wherever_the_labels_are(rows, methods):
    X, y = tubes(8)
    assert chosen("auto", only(y, rows), np.arange(8), True)[0] == BOTH["semi_supervision"]
    model = segmenter(validation_fraction=0.0, semi_supervision=methods).fit(X, only(y, rows))
    if "continuity" in model.semi_supervision_:
        assert model.continuity_context_ >= 1
    assert np.array_equal(model.transduction_[rows], y[rows])
    assert model.predict(X).shape == y.shape


def test_sections_in_any_order_are_learnt_with_their_neighbors():
    X, y = tubes(16)
    known, new = only(y, [3, 12]), tubes(16, seed=1)
    order = np.random.default_rng(0).permutation(16)
    found = []
    for rows, positions in ((np.arange(16), None), (order, order)):
        model = segmenter(max_steps=150).fit(X[rows], known[rows], positions=positions)
        found.append(iou(new[1], model.predict(new[0])))
        assert np.array_equal(model.transduction_[known[rows] >= 0], known[rows][known[rows] >= 0])
    assert found[1] > found[0] - 0.1
    jumps = np.arange(16) + 10 * (np.arange(16) >= 8)
    model = segmenter(max_steps=150).fit(X, known, positions=jumps)
    assert iou(new[1], model.predict(new[0])) > found[0] - 0.1


def test_a_window_is_enough():
    X, y = tubes(8)
    window = np.full_like(y, -1)
    window[4, 10:42, 10:42] = y[4, 10:42, 10:42]
    settled = segmenter().fit(X, window).transduction_
    assert np.array_equal(settled[4, 10:42, 10:42], y[4, 10:42, 10:42])


def test_half_of_what_corrects_sections_is_learnt_around_labels(monkeypatch):
    mixed = []

    class Recorded(continuity.MixedBatches):
        def __init__(self, *sources):
            super().__init__(*sources)
            mixed.append(self)

    monkeypatch.setattr(continuity, "MixedBatches", Recorded)
    X, y = tubes(8)
    window = np.full_like(y, -1)
    window[4, :10, :10] = y[4, :10, :10]
    segmenter(semi_supervision="continuity").fit(X, window)
    known, settled = mixed[-1].sources
    assert known.batch_size == settled.batch_size == 2
    drawn = known.sampler.draw(np.random.default_rng(0), 50)
    assert {patch.sample for patch in drawn} == {4}
    assert max(max(patch.center) for patch in drawn) < 10 + 16
    drawn = settled.sampler.draw(np.random.default_rng(0), 50)
    assert {patch.sample for patch in drawn} == set(range(8))


def test_a_section_may_hold_background_only():
    X, y = tubes(6)
    model = segmenter().fit(X, only(np.zeros_like(y), [3]))
    assert model.predict(X).shape == X.shape


def test_no_labels_are_refused():
    X, y = tubes(4)
    with pytest.raises(ValueError, match="y labels nothing"):
        segmenter().fit(X, np.full_like(y, -1))


@pytest.mark.parametrize("n", [1, 2])
def test_stacks_of_one_and_two_sections(n):
    X, y = tubes(n)
    known = y.copy()
    known[-1, :, 32:] = -1
    model = segmenter(semi_supervision="self-training" if n == 1 else "continuity").fit(X, known)
    assert model.predict(X).shape == X.shape
    assert segmenter().fit(X, known).predict(X).shape == X.shape
    if n == 1:
        with pytest.raises(ValueError, match="needs neighboring sections"):
            segmenter(semi_supervision="continuity").fit(X, known)


def test_positions_that_jump_or_are_not_sorted():
    X, y = tubes(12)
    y = only(y, [3, 8])
    positions = np.arange(12) + 10 * (np.arange(12) >= 6)
    model = segmenter(**BOTH).fit(X, y, positions=positions)
    whole = model.predict_proba(X, positions=positions)
    parts = [model.predict_proba(X[:6]), model.predict_proba(X[6:])]
    assert np.array_equal(whole, np.concatenate(parts))
    order = np.random.default_rng(0).permutation(12)
    shuffled = model.predict_proba(X[order], positions=positions[order])
    assert np.array_equal(shuffled, whole[order])
    with pytest.raises(ValueError, match="positions must not repeat"):
        segmenter().fit(X, y, positions=np.zeros(12, int))


@pytest.mark.parametrize("methods", ["continuity", "self-training", "consistency"])
def test_samples_of_weight_zero_are_not_learnt_from(methods):
    X, y = tubes(8)
    weight = np.ones(8)
    weight[5] = 0
    wrong = only(y, [3, 5])
    wrong[5] = 1
    right = only(y, [3])
    first = segmenter(semi_supervision=methods).fit(X, wrong, sample_weight=weight)
    second = segmenter(semi_supervision=methods).fit(X, right, sample_weight=weight)
    assert np.array_equal(first.predict_proba(X), second.predict_proba(X))
    assert np.array_equal(first.transduction_, second.transduction_)


def test_held_out_labels_are_not_learnt_from_and_stand_in_the_transduction():
    X, y = tubes(12)
    known = only(y, [0, 2, 4, 6, 8, 10])
    other = known.copy()
    other[10] = 1 - y[10]
    options = {**BOTH, "patience": None}
    first, second = (segmenter(**options).fit(X, labels) for labels in (known, other))
    assert first.validation_indices_.tolist() == [10]
    assert np.array_equal(first.transduction_[10], y[10])
    assert np.array_equal(second.transduction_[10], 1 - y[10])
    rest = np.arange(12) != 10
    # The best weights are chosen by the held-out labels; what is learned does not depend on them.
    losses = [[row["loss"] for row in m.history_ if row["phase"] == "network"]
              for m in (first, second)]  # fmt: skip
    assert losses[0] == losses[1]
    assert first.transduction_[rest].shape == second.transduction_[rest].shape


class Interrupts:
    """Raises KeyboardInterrupt at its n-th call."""

    def __init__(self, function, n):
        self.function, self.left = function, n

    def __call__(self, *args, **kwargs):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return self.function(*args, **kwargs)


@pytest.mark.parametrize(("where", "n"), [("agree", 1), ("agree", 4), ("DisturbedSections", 1)])
def test_ctrl_c_leaves_a_model(where, n, monkeypatch):
    X, y = tubes(8)
    whole = segmenter(**BOTH).fit(X, only(y, [3]))
    module = continuity if where == "DisturbedSections" else rounds
    monkeypatch.setattr(module, where, Interrupts(getattr(module, where), n))
    with pytest.warns(UserWarning, match="interrupted"):
        model = segmenter(**BOTH).fit(X, only(y, [3]))
    assert model.predict_proba(X).shape == whole.predict_proba(X).shape
    assert model.continuity_ is None
    assert (model.transduction_ is None) == (where == "agree")


@pytest.mark.parametrize("budget", [{"max_steps": 1}, {"max_steps": None, "time_budget": 1e-6}])
def test_the_smallest_budgets(budget):
    X, y = tubes(8)
    model = segmenter(**BOTH, **budget).fit(X, only(y, [3]))
    assert model.predict(X).shape == X.shape
    assert model.transduction_.shape == X.shape
    assert {row["phase"] for row in model.history_} == {"network", "continuity"}


def test_settling_that_takes_longer_than_the_budget_ends_training(monkeypatch):
    slow_clock(monkeypatch, 10_000.0)
    X, y = tubes(8)
    model = segmenter(**BOTH, max_steps=20, time_budget=3600.0).fit(X, only(y, [3]))
    steps = [row["step"] for row in model.history_ if row["phase"] == "network"]
    assert 7 <= max(steps) <= 8  # the first round is after 35 % of the steps


def slow_clock(monkeypatch, seconds):
    """A clock of the rounds that advances by so much whenever it is read."""
    ticks = itertools.count()
    monkeypatch.setattr(rounds, "perf_counter", lambda: next(ticks) * seconds)


@pytest.mark.parametrize(("timed", "each"), [(2**19, 1000.0), (2 * 64 * 64, 4000.0)])
def test_auto_does_without_where_there_is_no_time_to_settle(monkeypatch, caplog, timed, each):
    slow_clock(monkeypatch, 1000.0)
    monkeypatch.setattr(rounds, "_TIMED_PIXELS", timed)  # all of eight samples, or a quarter
    X, y = tubes(8)
    with caplog.at_level("INFO", logger="sskseg"):
        model = segmenter(max_steps=20, time_budget=3600.0).fit(X, only(y, [3]))
    assert model.semi_supervision_ == ()
    message = f"predicting all samples takes about {each:.1f} s, at least twice, of 3600.0 s"
    assert model.semi_supervision_reason_.endswith(message)
    assert caplog.text.count(message) == 1
    assert model.transduction_ is None
    assert model.continuity_ is None
    assert [row["step"] for row in model.history_][-1] == 20
    assert {row["phase"] for row in model.history_} == {"network"}
    assert model.predict(X).shape == X.shape
    assert segmenter(max_steps=20, time_budget=30_000.0).fit(X, only(y, [3])).semi_supervision_


def test_time_is_estimated_on_a_part_of_the_largest_sample(monkeypatch):
    slow_clock(monkeypatch, 1000.0)
    monkeypatch.setattr(rounds, "_TIMED_PIXELS", 40 * 40)
    X, y = make_cells(3, (64, 64), random_state=0)
    X, y = [X[0, :32, :32], X[1], X[2, :48]], [y[0, :32, :32], y[1], np.full_like(y[2, :48], -1)]
    model = segmenter(sections="independent", time_budget=3600.0).fit(X, y)
    expected = 1000.0 * (32 * 32 + 64 * 64 + 48 * 64) / 40**2
    assert f"about {expected:.1f} s" in model.semi_supervision_reason_


def test_auto_does_without_where_no_round_was_reached():
    X, y = tubes(8)
    model = segmenter(max_steps=None, time_budget=1e-6).fit(X, only(y, [3]))
    assert model.semi_supervision_ == ()
    assert model.transduction_ is None
    assert [row["step"] for row in model.history_] == [1]


def test_cross_fitting_after_auto_does_without(monkeypatch):
    slow_clock(monkeypatch, 1000.0)
    X, y = tubes(8)
    model = CrossFitted(segmenter(max_steps=4, time_budget=3600.0), cv=2)
    assert model.fit_transform(X, only(y, [1, 3, 5])).shape == (*X.shape, 2)
    assert model.segmenter_.semi_supervision_ == ()


@pytest.mark.parametrize(("seconds", "times"), [(100.0, 4), (400.0, 2), (300.0, 3)])
def test_rounds_are_left_out_where_settling_takes_long(monkeypatch, seconds, times):
    slow_clock(monkeypatch, seconds)
    calls, compute = [], PseudoLabeling.compute
    monkeypatch.setattr(PseudoLabeling, "compute", lambda *a: calls.append(1) or compute(*a))
    X, y = tubes(8)
    segmenter(**BOTH, max_steps=20, time_budget=3600.0).fit(X, only(y, [3]))
    assert len(calls) == times


@pytest.mark.parametrize(
    ("methods", "share"), [("continuity", 0.92), (BOTH["semi_supervision"], 0.92),
                           ("self-training", 0.98)],
)  # fmt: skip
def test_the_network_has_all_the_time_that_settling_leaves(monkeypatch, methods, share):
    slow_clock(monkeypatch, 100.0)  # twice in a round
    times, reserve = [], PseudoLabeling._reserve_time

    def recorded(labeling):
        reserve(labeling)
        times.append(labeling.training.budget.time_budget)

    monkeypatch.setattr(PseudoLabeling, "_reserve_time", recorded)
    X, y = tubes(8)
    model = segmenter(semi_supervision=methods, max_steps=20, time_budget=3600.0)
    model.fit(X, only(y, [3]))
    rounds = 1 if methods == "continuity" else 3
    assert times == pytest.approx([share * 3600.0 - 100.0] * rounds)


@pytest.mark.parametrize("methods", ["consistency", ("self-training", "continuity")])
def test_valid_padding_learns_from_unlabeled_sections(methods):
    X, y = tubes(6)
    model = segmenter(network="unet-valid", patch_size=60, semi_supervision=methods)
    assert model.fit(X, only(y, [3])).predict(X).shape == X.shape
    assert np.array_equal(model.transduction_[3], y[3])


def test_channels_stacks_and_batches_of_one():
    X, y = tubes(6)
    two = np.stack([X, -X], axis=-1)
    for methods in (*BOTH.values(), "consistency"):
        model = segmenter(semi_supervision=methods, batch_size=1).fit(two, only(y, [3]))
        assert model.predict(two).shape == y.shape
    stack = ImageStack(X)
    maps = segmenter(**BOTH).fit(stack, only(y, [3])).transform(stack)
    assert (maps.simulator, maps.shape) == (None, (*y.shape, 2))


def test_sections_are_seen_in_another_view_each(monkeypatch):
    X, y = tubes(12)
    monkeypatch.setattr(rounds, "continuity_context", lambda *_: 4)
    model = segmenter(**BOTH, precision="float32").fit(X, only(y, [3]))
    positions = np.array([3, 7, 8, 21, -1])
    assert section_predictor(model).orientations(positions).tolist() == [3, 7, 0, 5, 7]
    by_view = model.predict_proba(X)
    as_it_is = model.set_params(augmentation=None).predict_proba(X)
    assert section_predictor(model).orientations(positions) is None
    assert np.abs(by_view - as_it_is).max() > 1e-3
    model.set_params(augmentation="dihedral")
    part = model.predict_proba(X[2:], positions=np.arange(2, 12))
    assert np.abs(part[6:] - by_view[8:]).max() < ROUNDING  # what sees no end of the stack


@pytest.mark.parametrize("n_sections", [3, 12])  # fewer and more than orientations
def test_test_time_augmentation_of_sections_averages_all_orientations(monkeypatch, n_sections):
    X, y = tubes(12)
    monkeypatch.setattr(rounds, "continuity_context", lambda *_: 4)
    model = segmenter(semi_supervision="section-mean", precision="float32").fit(X, only(y, [3]))
    assert model.continuity_context_ == 4
    stack = X[:n_sections]
    turned = np.rot90(stack, axes=(1, 2)).copy()
    plain = np.rot90(model.predict_proba(stack), axes=(1, 2))
    assert np.abs(model.predict_proba(turned) - plain).max() > 1e-3
    model.set_params(test_time_augmentation=True)
    averaged = np.rot90(model.predict_proba(stack), axes=(1, 2))
    assert np.abs(model.predict_proba(turned) - averaged).max() < ROUNDING


# What is predicted


@pytest.mark.parametrize("averaged", [False, True])
@pytest.mark.parametrize(("target", "context"), [("instances", 4), ("classes", 1)])
def test_dask_gives_the_same(averaged, target, context, monkeypatch):
    da = pytest.importorskip("dask.array")
    X, y = tubes(12)
    model = segmenter(target=target, test_time_augmentation=averaged, **BOTH)
    monkeypatch.setattr(
        "sskseg.segmentation.semi_supervised.rounds.continuity_context", lambda *_: context
    )
    model.fit(X, only(y, [3, 8]))
    assert model.continuity_context_ == context
    positions = np.random.default_rng(0).permutation(14)[:12]
    for method in ("predict", "predict_proba", "transform", "predict_uncertainty"):
        lazy = getattr(model, method)(da.from_array(X, chunks=(5, 40, 64)), positions=positions)
        expected = getattr(model, method)(X, positions=positions)
        assert lazy.dtype == expected.dtype
        if method == "predict":
            foreground = model.transform(X, positions=positions)
            foreground = foreground[..., 0] if target == "instances" else foreground
            sure = np.abs(foreground - 0.5) > ROUNDING
            assert np.array_equal(lazy.compute()[sure], expected[sure])
        else:
            assert np.abs(lazy.compute() - expected).max() < ROUNDING


def test_what_is_saved(tmp_path):
    X, y = tubes(6)
    model = segmenter(**BOTH).fit(X, only(y, [2]))
    model.save(tmp_path / "model")
    loaded = SemiSupervisedSegmenter.load(tmp_path / "model")
    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert loaded.transduction_ is None
    assert loaded.semi_supervision_ == ("self-training", "continuity")


def test_the_score_is_that_of_the_prediction():
    X, y = tubes(12)
    model = segmenter(**BOTH).fit(X, only(y, [2, 9]))
    masks = model.predict(X)
    expected = np.mean([dice(y[row], masks[row]) for row in (2, 9)])
    assert model.score(X, only(y, [2, 9])) == pytest.approx(expected)


def test_the_score_of_classes_is_that_of_all_but_the_first(monkeypatch):
    X, y = tubes(6)
    classes = np.where(y > 0, 5, 2)
    classes[:, :32] = np.where(y[:, :32] > 0, 9, 2)
    model = segmenter(target="classes", semi_supervision=None).fit(X, classes)
    unsure = np.array([0.4, 0.3, 0.3])[:, None, None] * np.ones((64, 64))
    monkeypatch.setattr(
        "sskseg.inference.SectionPredictor.predict", lambda *a: ((i, unsure) for i in range(6))
    )
    assert (model.predict(X) == 2).all()
    assert model.score(X, classes) == 0
    known = np.where(classes == 2, 2, -1)
    assert model.score(X, known) == 1


@pytest.mark.parametrize(("foreground", "calibrates"), [(0.4, True), (0.7, False)])
def test_one_section_calibrates_if_that_changes_much(foreground, calibrates):
    """Objects below the threshold are found with an offset; others are found anyway."""
    label = np.zeros((16, 16), int)
    label[4:12, 4:12] = 1
    noise = np.random.default_rng(0).uniform(-0.05, 0.05, label.shape)
    output = (np.where(label, foreground, 0.1) + noise)[None].astype(np.float32)
    data = SimpleNamespace(
        labels=[label], positions=np.array([7]), images=[], image_positions=None,
        image_indices=np.array([0]),
    )  # fmt: skip
    predictor = SimpleNamespace(n_outputs=1, predict_some=lambda *_: [output])
    objective = segmenter()._objective()
    found = _validation.ValidationSet(data, np.array([0])).calibration(objective, predictor)
    assert (found.tolist() != [1, 0]) == calibrates
    if calibrates:
        assert ((calibrate(output, found)[0] > 0.5) == label).all()


def test_held_out_sections_calibrate_all_predictions(tmp_path, monkeypatch):
    X, y = tubes(12)
    assert segmenter().fit(X, only(y, [2, 9])).calibration_.tolist() == [1, 0]
    labeled = only(y, [0, 2, 4, 6, 8, 10])
    # One held-out section is one place, whose objects are too few for a small gain.
    assert segmenter().fit(X, labeled).calibration_.tolist() == [1, 0]
    monkeypatch.setattr(_validation, "_MIN_APART", 1)
    model = segmenter().fit(X, labeled)
    assert model.validation_indices_.tolist() == [10]
    slope, offset = model.calibration_
    assert slope != 1
    assert offset != 0
    model.save(tmp_path / "model")
    loaded, plain = SemiSupervisedSegmenter.load(tmp_path / "model"), copy.copy(model)
    plain.calibration_ = np.array([1.0, 0.0])
    p = plain.predict_proba(X).astype(float)
    expected = 1 / (1 + np.exp(-(slope * np.log(p / (1 - p)) + offset)))
    for calibrated in (model, loaded):
        found = calibrated.predict_proba(X)
        assert np.allclose(found, expected, atol=1e-5)
        assert np.array_equal(calibrated.predict(X), found > 0.5)
        assert np.array_equal(calibrated.transform(X)[..., 0], found)
    masks = model.predict(X)
    assert (masks != plain.predict(X)).any()
    assert model.score(X, y) == pytest.approx(np.mean([dice(*pair) for pair in zip(y, masks)]))
    assert not np.allclose(model.predict_uncertainty(X), plain.predict_uncertainty(X), atol=1e-3)
    blocks = model.block_predictor(X.shape)
    found = blocks.predict(X[..., None], positions=np.arange(12))[..., 0]
    assert np.allclose(found, expected, atol=1e-5)


def test_uncertainty_is_the_entropy_of_the_probabilities():
    X, y = tubes(6)
    model = segmenter().fit(X, only(y, [2]))
    p = model.predict_proba(X).astype(float)
    expected = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    assert np.allclose(model.predict_uncertainty(X), expected, atol=1e-4)


@pytest.mark.parametrize("sections", ["consecutive", "independent"])
def test_sections_are_suggested(sections):
    X, y = tubes(10)
    known = only(y, [4])
    methods = "continuity" if sections == "consecutive" else "self-training"
    model = segmenter(sections=sections, semi_supervision=methods).fit(X, known)
    rows = model.suggest_sections(X, 3, y=known)
    assert len(set(rows.tolist()) - {4}) == 3
    assert model.suggest_sections(X, 10).shape == (10,)
    for n in (0, 10, 2.0):
        with pytest.raises(ValueError, match=f"unlabeled images, 9, got {n}"):
            model.suggest_sections(X, n, y=known)


# Parts


def test_how_far_sections_resemble_each_other():
    _, y = tubes()
    maps = [section[None].astype(np.float32) for section in y]
    overlaps = [iou(y[:-d], y[d:]) for d in (1, 2)]
    assert overlaps[0] > 0.75 > overlaps[1]
    assert continuity_context(maps, np.arange(24)) == 1
    assert continuity_context([1 - m for m in maps], np.arange(24)) == 1
    assert continuity_context(maps, 2 * np.arange(24)) == 0
    assert continuity_context([maps[0]] * 8, np.arange(8)) == 4
    assert continuity_context(maps[::3], np.arange(8)) == 0
    classes = [np.concatenate([1 - m, 0 * m, m]) for m in maps]
    assert continuity_context(classes, np.arange(24)) == 1


def test_nothing_to_tell_resemblance_by_decides_nothing(monkeypatch):
    nothing = [np.zeros((1, 8, 8), np.float32)] * 6
    assert continuity_context(nothing, np.arange(6)) is None
    assert continuity_context([1 - m for m in nothing], np.arange(6)) is None
    answers = iter([None, None, 2, 0])  # of a network that predicts background only, at first
    monkeypatch.setattr(rounds, "continuity_context", lambda *_: next(answers))
    X, y = tubes(8)
    model = segmenter().fit(X, only(y, [3]))
    assert model.semi_supervision_ == ("self-training", "continuity")
    assert model.continuity_context_ == 2
    monkeypatch.setattr(rounds, "continuity_context", lambda *_: None)
    model = segmenter().fit(X, only(y, [3]))
    assert model.continuity_ is not None
    assert model.continuity_context_ == 1


@pytest.mark.parametrize("sections", ["independent", "consecutive"])
def test_what_is_left_out_of_labeled_samples_is_not_guessed(monkeypatch, sections):
    X, y = tubes(8)
    y[:, :8, :8] = -1
    options = {"sections": sections, "validation_fraction": 0.0}
    model = segmenter(**options).fit(X, y)
    assert model.semi_supervision_ == ()
    assert "mostly labeled" in model.semi_supervision_reason_
    made, patch_batches = [], _training.Training.patch_batches

    def recorded(self, labels, *, weight, **options):
        made.append(np.array(weight) > 0)
        return patch_batches(self, labels, weight=weight, **options)

    monkeypatch.setattr(_training.Training, "patch_batches", recorded)
    y[[2, 5]] = -1
    segmenter(**options, semi_supervision="self-training").fit(X, y)
    assert made[0].tolist() == [True, True, False, True, True, False, True, True]
    assert [np.flatnonzero(weight).tolist() for weight in made[1:]] == [[2, 5]] * 3
    made.clear()
    y[[2, 5]] = y[[1, 4]]
    segmenter(**options, semi_supervision="self-training").fit(X, y)
    assert all(weight.all() for weight in made)


def test_transduction_is_sure_of_what_neighbors_say():
    maps = [np.full((1, 4, 4), p) for p in (0.6, 0.6, 0.05, 0.6, 0.9, 0.9, 0.9)]
    labels = [np.full((4, 4), -1)] * 7
    means = NeighborMeans(maps, np.arange(7), 1)
    settled = pseudo_labels(means, labels)
    told = [x.flat[0] for x in mask_low_confidence(settled, means, labels)]
    assert told == [-1, -1, -1, -1, 1, 1, 1]


def test_two_sections_far_from_each_other_need_no_guesses(monkeypatch):
    monkeypatch.setattr(rounds, "continuity_context", lambda *_: 1)
    X, y = tubes(16)
    model = segmenter().fit(X, only(y, [2, 13]))
    assert model.semi_supervision_ == ("section-mean",)
    assert {row["phase"] for row in model.history_} == {"network"}
    assert model.transduction_.shape == y.shape
    named = segmenter(semi_supervision="section-mean").fit(X, only(y, [2, 13]))
    assert np.array_equal(model.predict_proba(X), named.predict_proba(X))


def test_section_mean_is_the_mean_of_oriented_predictions(monkeypatch, tmp_path):
    monkeypatch.setattr(rounds, "continuity_context", lambda *_: 2)
    X, y = tubes(16)
    model = segmenter(semi_supervision="section-mean", precision="float32").fit(X, only(y, [2, 13]))
    assert model.continuity_context_ == 2
    found = model.predict_proba(X)
    predictor = section_predictor(model)
    alone = predictor.first.predict(
        check_images(X, 2), predictor.sections.indices(None, 16),
        predictor.orientations(np.arange(16)),
    )  # fmt: skip
    alone = np.stack([p[0] for p in alone])
    np.testing.assert_allclose(found[8], alone[6:11].mean(axis=0), atol=1e-4)
    model.save(tmp_path / "m.sskseg")
    loaded = SemiSupervisedSegmenter.load(tmp_path / "m.sskseg")
    assert isinstance(loaded.continuity_, SectionMeanNet)
    assert np.array_equal(loaded.predict_proba(X), found)
    da = pytest.importorskip("dask.array")
    lazy = model.predict_proba(da.from_array(X, chunks=(4, 20, 20)))
    np.testing.assert_allclose(lazy.compute(), found, atol=1e-5)


def test_section_mean_of_classes(monkeypatch):
    monkeypatch.setattr(rounds, "continuity_context", lambda *_: 1)
    X, y = tubes(16)
    classes = y + (X > 1)
    model = segmenter(semi_supervision="section-mean", target="classes")
    probability = model.fit(X, only(classes, [2, 13])).predict_proba(X)
    np.testing.assert_allclose(probability.sum(axis=-1), 1, atol=1e-3)


def test_section_mean_reserves_time_for_the_last_prediction(monkeypatch):
    monkeypatch.setattr(rounds, "continuity_context", lambda *_: 1)
    monkeypatch.setattr(PseudoLabeling, "_estimate", lambda *_: 1.0)
    seen = []
    finish = _training.Training.finish
    monkeypatch.setattr(
        _training.Training, "finish",
        lambda self: (seen.append(self.budget.time_budget), finish(self)),
    )  # fmt: skip
    X, y = tubes(16)
    model = segmenter(max_steps=40, time_budget=600.0).fit(X, only(y, [2, 13]))
    assert model.semi_supervision_ == ("section-mean",)
    assert seen == [pytest.approx(0.98 * 600 - 1)]
    monkeypatch.setattr(PseudoLabeling, "_estimate", lambda *_: 200.0)
    model = segmenter(max_steps=40, time_budget=600.0).fit(X, only(y, [2, 13]))
    assert model.semi_supervision_ == ()
    assert "takes about 200.0 s, once, of 600.0 s" in model.semi_supervision_reason_
    assert seen[1] == 600


def test_methods_are_chosen_by_labels_that_are_not_held_out(monkeypatch):
    monkeypatch.setattr(rounds, "continuity_context", lambda *_: 1)
    X, y = tubes(16)
    model = segmenter(validation_fraction=0.2).fit(X, only(y, [0, 1, 2, 3, 15]))
    assert model.validation_indices_.tolist() == [15]
    assert model.semi_supervision_ == ("self-training", "continuity")


def test_folds_learn_by_the_methods_of_the_whole(monkeypatch):
    X, y = tubes(16)
    monkeypatch.setattr(rounds, "continuity_context", lambda *_: 1)
    chosen = []

    def recorded(*arguments):
        choice = choose_methods(*arguments)
        chosen.append(tuple(method.name for method in choice.methods))
        return choice

    monkeypatch.setattr(_segmenter, "choose_methods", recorded)
    CrossFitted(segmenter(), cv=2).fit_transform(X, only(y, [2, 13]))
    assert chosen == [("section-mean",)] * 3
    chosen.clear()  # a section between two is the fold
    known = y[:3].copy()
    known[:, :40] = -1
    CrossFitted(segmenter(**BOTH), cv=3).fit_transform(X[:3], known)
    assert chosen == [BOTH["semi_supervision"]] * 2 + [("self-training",), BOTH["semi_supervision"]]
    chosen.clear()  # folds and what they hold out leave no neighbors
    positions = np.array([0, 1, 10, 20, 30, 40, 50, 60])
    known = y[:8].copy()
    known[:, :40] = -1
    model = CrossFitted(segmenter(semi_supervision="continuity"), cv=4)
    maps = model.fit_transform(X[:8], known, positions=positions)
    assert maps.shape == X[:8].shape
    assert () in chosen


def test_sections_that_differ_are_not_averaged(monkeypatch):
    calls, compute = [], PseudoLabeling.compute
    monkeypatch.setattr(PseudoLabeling, "compute", lambda *a: calls.append(1) or compute(*a))
    rng = np.random.default_rng(0)
    y = (ndi.gaussian_filter(rng.normal(size=(12, 64, 64)), (0, 4, 4)) > 0.05).astype(int)
    X = (y + rng.normal(0, 0.3, y.shape)).astype(np.float32)
    model = segmenter(max_steps=60).fit(X, only(y, [1, 10]))
    assert model.semi_supervision_ == ("section-mean",)
    assert model.semi_supervision_reason_.endswith("overlap too little, so none are averaged")
    assert (model.continuity_, model.continuity_context_) == (None, 0)
    assert len(calls) == 1
    alone = segmenter(max_steps=60, semi_supervision=None).fit(X, only(y, [1, 10]))
    assert np.array_equal(alone.predict_proba(X), model.predict_proba(X))


def test_sections_that_differ_do_not_correct_each_other():
    X, y = tubes()
    model = segmenter(max_steps=60).fit(X[::8], only(y, [8])[::8])
    assert model.semi_supervision_ == ("self-training",)
    assert model.semi_supervision_reason_.endswith("overlap too little to correct each other")
    assert (model.continuity_, model.continuity_context_) == (None, 0)
    asked = segmenter(max_steps=60, semi_supervision="continuity").fit(X[::8], only(y, [8])[::8])
    assert asked.continuity_context_ == 1


def test_rank_sections_spreads_over_the_stack():
    even = np.ones(21)
    assert rank_sections(even, 2, np.arange(21), np.array([10])).tolist() == [0, 20]
    even[3] = 5
    assert rank_sections(even, 1, np.arange(21), np.array([10])).tolist() == [3]
    even[3] = 1
    far = np.r_[np.arange(10), 1000 + np.arange(11)]  # two stacks, however far from each other
    near = np.r_[np.arange(10), 30 + np.arange(11)]
    suggested = [rank_sections(even, 3, z, np.array([0])).tolist() for z in (far, near)]
    assert suggested[0] == suggested[1]
    assert min(suggested[0]) in range(5, 10)
    assert len([row for row in suggested[0] if row >= 10]) == 2
    apart = rank_sections(even, 2, 10 * np.arange(21), np.array([10]))
    assert apart.tolist() == [0, 20]
    even[3] = 5
    assert rank_sections(even, 2, None, np.array([], int)).tolist() == [3, 0]


def test_settled_labels():
    rng = np.random.default_rng(0)
    maps = [rng.random((1, 20, 20)).astype(np.float32) for _ in range(6)]
    labels = [np.full((20, 20), -1) for _ in range(6)]
    labels[2] = rng.integers(0, 3, (20, 20))
    alone = pseudo_labels(maps, labels)
    assert np.array_equal(alone[2], labels[2] > 0)
    assert np.array_equal(alone[4], maps[4][0] > 0.5)
    together = np.stack(pseudo_labels(maps, labels, np.arange(6), 2))
    assert (together == -1).any()
    agreed = together >= 0
    assert np.array_equal(together[agreed], np.stack(alone)[agreed])
    classes = pseudo_labels(
        [np.eye(3)[:, :, None].astype(np.float32)], [np.array([[-1], [-1], [0]])]
    )
    assert classes[0].ravel().tolist() == [0, 1, 0]


def test_sizes_come_from_labeled_objects():
    label = np.zeros((60, 60), int)
    label[5:25, 5:25] = 1
    label[30:50, 30:50] = 2
    sizes = continuity_sizes([label, np.full_like(label, -1)])
    assert sizes == {"min_size": 200, "min_key_size": 300, "erosion": 1}
    assert continuity_sizes([np.zeros((4, 4), int)])["min_size"] == 0


def test_means_stop_at_gaps():
    maps = [np.full((1, 2, 2), float(i)) for i in range(4)]
    means = NeighborMeans(maps, np.array([0, 1, 7, 8]), 4)
    assert [m.flat[0] for m in means] == pytest.approx(
        [4 / 9, 5 / 9, 2 + 4 / 9, 2 + 5 / 9], rel=1e-3
    )
