import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline

from sskseg import (
    CrossFitted,
    ImageStack,
    InstanceCounter,
    LabeledKFold,
    LogBlobs,
    OtsuWatershed,
    SemiSupervisedSegmenter,
    count_scorer,
    dice_scorer,
)
from sskseg.datasets import make_cells
from sskseg.images.annotations import Annotations
from sskseg.model_selection import cross_val_sections
from sskseg.model_selection.reference import reference_of
from sskseg.morphology import label_components


@pytest.fixture
def y():
    y = np.zeros((9, 4, 4), int)
    y[:, :2] = 1
    y[[0, 4, 5, 8]] = -1
    y[1, 3] = -1
    return y


def test_unlabeled_samples_are_always_trained_on(y):
    tested = []
    for train, test in LabeledKFold(3).split(y, y):
        assert set(np.concatenate([train, test])) == set(range(9))
        assert {0, 4, 5, 8} <= set(train)
        tested += test.tolist()
    assert tested == [1, 2, 3, 6, 7]  # blocks in order, each once


def test_shuffled_folds_are_reproducible(y):
    def folds(seed):
        cv = LabeledKFold(2, shuffle=True, random_state=seed)
        return [test.tolist() for _, test in cv.split(y, y)]

    assert folds(0) == folds(0)
    assert any(folds(seed) != folds(0) for seed in range(1, 5))


def test_lists_with_none(y):
    labels = [None if (label < 0).all() else label for label in y]
    assert [t.tolist() for _, t in LabeledKFold(3).split(labels, labels)] == [[1, 2], [3, 6], [7]]


@pytest.mark.parametrize(
    ("n_splits", "message"), [(6, "got 5 of 9"), (1, "at least 2, got 1"), (2.5, "got 2.5")]
)
def test_bad_folds_are_refused(y, n_splits, message):
    with pytest.raises(ValueError, match=message):
        next(LabeledKFold(n_splits).split(y, y))
    with pytest.raises(ValueError, match="y is None"):
        next(LabeledKFold(2).split(y, None))


class Threshold(BaseEstimator):
    """Foreground above a threshold; counts are rows of foreground."""

    def __init__(self, threshold=0.5, count=False):
        self.threshold = threshold
        self.count = count

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def predict(self, X):
        masks = [np.asarray(image) > self.threshold for image in X]
        return [mask.any(axis=1).sum() for mask in masks] if self.count else masks


def test_dice_scorer_by_hand(y):
    X = np.zeros((9, 4, 4))
    X[:, 0] = 1  # half of the foreground
    assert dice_scorer(Threshold(), X, y) == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="y labels nothing"):
        dice_scorer(Threshold(), X, np.full_like(y, -1))


def test_count_scorer_by_hand():
    X = np.zeros((3, 4, 4))
    X[0, :2] = X[1, :3] = 1
    assert count_scorer(Threshold(count=True), X, np.array([2, 4, 0])) == pytest.approx(5 / 6)
    y = np.zeros((3, 4, 4), int)
    y[0, 0, :2] = 1, 2
    y[1, 0, 0] = 1
    y[2] = -1
    assert count_scorer(Threshold(count=True), X, y) == pytest.approx(1 - 2 / 3)
    with pytest.raises(ValueError, match="none of 3 samples completely"):
        count_scorer(Threshold(count=True), X, np.where(y == 0, -1, y))


def test_scorers_choose_in_a_grid_search(y):
    X = np.where(y == 1, 0.8, 0.6)
    search = GridSearchCV(
        Threshold(), {"threshold": [0.5, 0.7, 0.9]}, scoring=dice_scorer, cv=LabeledKFold(2)
    ).fit(X, y)
    assert search.best_params_ == {"threshold": 0.7}
    scores = cross_val_score(Threshold(0.7), X, y, scoring=dice_scorer, cv=LabeledKFold(5))
    assert (scores == 1).all()


def test_points_are_labels():
    X = np.zeros((4, 6, 6))
    X[0, :2] = X[1, :1] = 1
    y = [[(0, 1), (1, 3)], [], None, [(-0.2, 3)]]
    score = count_scorer(Threshold(count=True), X, y)
    assert score == pytest.approx(1 - 2 / 3)  # 2 of 2, 1 of 0, 0 of 1
    folds = list(LabeledKFold(3).split(X, y))
    assert sorted(int(test[0]) for _, test in folds) == [0, 1, 3]


class Given(BaseEstimator):
    """Predict what was given as X, one pixel a sample, with parameters that scorers read."""

    def __init__(self, predicted, **parameters):
        self.predicted = predicted
        vars(self).update(parameters)

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, X, y=None):
        return self

    def predict(self, X, **params):
        return np.array(self.predicted)


def two_cells(n=1, value=1):
    y = np.zeros((n, 12, 12), int)
    y[:, 1:4, 1:4] = y[:, 7:10, 7:10] = value
    return y


def test_count_scorer_takes_the_components_of_masks():
    y = np.concatenate([two_cells(4), np.zeros((1, 12, 12), int)])
    assert count_scorer(Given([2, 2, 2, 2, 0]), y, y) == 1


def test_count_scorer_counts_objects_over_sections_once():
    y = two_cells(5)
    estimator = Given([0, 0, 2, 0, 0], sections="consecutive")
    assert count_scorer(estimator, y, y) == 1
    apart = np.array([0, 1, 2, 5, 6])  # two stacks
    estimator = Given([0, 2, 0, 2, 0], sections="consecutive")
    assert count_scorer(estimator, y, y, positions=apart) == 1
    independent = Given([2] * 5, sections="independent")
    assert count_scorer(make_pipeline(independent), y, y) == 1


def test_counts_of_a_stack_do_not_depend_on_other_stacks():
    y, apart = two_cells(5), np.array([0, 1, 2, 5, 6])  # of three and of two sections
    X = (y > 0).astype(float)
    counter = InstanceCounter("components", min_size=0, fill_holes=False, sections="consecutive")
    counter.fit(X, positions=apart)
    assert counter.predict(X, positions=apart).tolist() == [0, 2, 0, 2, 0]
    assert counter.predict(X[3:], positions=apart[3:]).tolist() == [2, 0]
    assert count_scorer(counter, X, y, positions=apart) == 1


def test_count_scorer_applies_the_margin():
    y = two_cells(3, value=np.array([1, 2, 3])[:, None, None])
    assert count_scorer(Given([1, 1, 1], margin=3), y, y) == 1
    points = [[(2, 2), (8, 8)]] * 3
    assert count_scorer(make_pipeline(Given([1, 1, 1], margin=3)), y, points) == 1


def test_count_scorer_agrees_with_counters():
    _, y = make_cells(10, (64, 64), random_state=0)
    X = (y > 0).astype(float)
    for options in ({}, {"margin": 8}, {"sections": "consecutive"}):
        counter = InstanceCounter("components", min_size=0, fill_holes=False, **options).fit(X)
        assert count_scorer(counter, X, (y > 0).astype(int)) == 1


def test_dice_scorer_takes_the_first_class_as_background():
    y = np.array([[[1, 2, -1], [1, 2, 2]], [[2, 2, 2], [2, 2, 2]]])
    known = {"target": "classes", "classes_": np.array([1, 2])}
    assert dice_scorer(Given(np.ones_like(y), **known), y, y) == 0
    assert dice_scorer(Given(np.abs(y), **known), y, y) == 1
    assert dice_scorer(make_pipeline(Given(np.full_like(y, 2), **known)), y, y) < 1
    assert dice_scorer(Given(np.ones_like(y)), y, y) == 1  # objects 1 and 2


def test_dice_scorer_is_the_score_of_segmenters():
    _, y = make_cells(4, (32, 32), random_state=0)
    y = np.where(y > 0, 2 + y % 2, 1)
    X = y + np.random.default_rng(0).standard_normal(y.shape)
    model = SemiSupervisedSegmenter(
        target="classes", width=2, depth=1, max_steps=5, batch_size=2, patch_size=16,
        semi_supervision=None, random_state=0,
    ).fit(X, y)  # fmt: skip
    assert dice_scorer(model, X, y) == pytest.approx(model.score(X, y))
    assert dice_scorer(model, X, y) < 1
    crossed = CrossFitted(clone(model), cv=2).fit(X, y)
    assert dice_scorer(crossed, X, y) == pytest.approx(dice_scorer(model, X, y))


def test_a_fold_without_an_object_has_a_finite_score():
    y = np.zeros((2, 4, 4), int)
    assert count_scorer(Given([1, 0]), y, y) == 0  # one error, over one object
    assert count_scorer(Given([0, 0]), y, y) == 1
    counter = InstanceCounter(min_size=0).fit(np.zeros((2, 4, 4)))
    X = np.zeros((2, 4, 4))
    X[0, 1, 1] = 1
    assert counter.score(X, [0, 0]) == 0
    assert counter.score(X, [0, 0], sample_weight=[3, 1]) == -2


def test_whether_1_is_a_mask_is_decided_once():
    """A fragmented object is one, whatever its number, beside an object of another number."""
    fragments = np.zeros((12, 12), int)
    fragments[1:4, 1:4] = fragments[1:4, 7:10] = 1
    y = np.stack([fragments, fragments * 7, fragments * 0])
    X = np.where(y > 0, 0.9, 0.1)
    true = np.array([1, 1, 0])
    assert count_scorer(Given(true), X, y) == 1
    joined = InstanceCounter("components", merge_distance=4.0, min_size=0).fit(X)
    assert joined.predict(X).tolist() == true.tolist()
    assert joined.score(X, y) == 1
    assert reference_of(Annotations(y, X[..., None])).counts.tolist() == true.tolist()


def test_unknown_counts_are_unknown_to_all():
    X = np.zeros((6, 12, 12))
    X[:, 1:4, 1:4] = X[:3, 7:10, 7:10] = 1
    y = [2, 2, None, 1, np.nan, -1]
    known = InstanceCounter(min_size=0).fit(X[[0, 1, 3]], [2, 2, 1])
    counter = InstanceCounter(min_size=0).fit(X, y)
    assert len(counter.held_out_counts_) == len(known.held_out_counts_) == 3
    assert counter.score(X, y) == count_scorer(counter, X, y) == 1
    assert sorted(np.concatenate([t for _, t in LabeledKFold(3).split(X, y)])) == [0, 1, 3]
    for every in ([None] * 6, [np.nan] * 6, [-1] * 6):
        with pytest.raises(ValueError, match="labels nothing"):
            counter.fit(X, every)
        with pytest.raises(ValueError, match="got 0 of 6"):
            next(LabeledKFold(2).split(X, every))
    stack = InstanceCounter(min_size=0, sections="consecutive").fit(X, [0, 1, 0, 0, None, np.nan])
    assert stack.predict(X).sum() == 2
    for baseline in (OtsuWatershed(), LogBlobs()):
        assert baseline.fit(X, y).score(X, y) <= 1


def test_cross_validation_of_a_stack_of_images_of_different_sizes():
    X = ImageStack([np.ones((4 + i, 5)) for i in range(4)])
    y = [np.ones((4 + i, 5), int) for i in range(4)]
    scores = cross_val_score(Threshold(), X, y, scoring=dice_scorer, cv=LabeledKFold(2))
    assert scores.tolist() == [1, 1]
    annotations = Annotations(y)
    scores = cross_val_score(Threshold(), X, annotations, scoring=dice_scorer, cv=LabeledKFold(4))
    assert scores.tolist() == [1, 1, 1, 1]


class Above(BaseEstimator):
    """Foreground where the section above is bright; remembers what was labeled in `fit`."""

    def fit(self, X, y, positions=None):
        self.labeled_, self.positions_ = Annotations(y).labeled, positions
        return self

    def predict(self, X, positions=None):
        positions = np.arange(len(X)) if positions is None else positions
        above = {p + 1: image for p, image in zip(positions, X, strict=True)}
        return [above.get(p, np.zeros(X[0].shape)) > 0.5 for p in positions]


@pytest.mark.parametrize("as_list", [False, True])
def test_sections_of_a_test_fold_are_predicted_with_their_neighbors(as_list):
    rng = np.random.default_rng(0)
    X = (rng.random((9, 6, 6)) > 0.5).astype(float)
    y = np.concatenate([np.zeros((1, 6, 6), int), (X[:-1] > 0.5).astype(int)])
    y[0] = y[4] = -1
    y = [None if (label < 0).all() else label for label in y] if as_list else y
    seen = []

    def scoring(estimator, X, y, **params):
        scored = Annotations(y).labeled.tolist()
        assert not set(scored) & set(estimator.labeled_)  # no label is used for both
        assert sorted([*scored, *estimator.labeled_]) == [1, 2, 3, 5, 6, 7, 8]
        seen.append(scored)
        return dice_scorer(estimator, X, y, **params)

    scores = cross_val_sections(Above(), X, y, cv=LabeledKFold(3), scoring=scoring)
    assert scores.tolist() == [1, 1, 1]
    assert seen == [[1, 2, 3], [5, 6], [7, 8]]
    alone = cross_val_score(Above(), X, y, cv=LabeledKFold(3), scoring=dice_scorer)
    assert (alone < 1).all()
    apart = cross_val_sections(
        Above(), X, y, cv=LabeledKFold(3), scoring=dice_scorer, positions=2 * np.arange(9)
    )
    assert (apart == 0).all()  # no section has a neighbor


def test_folds_of_sections_keep_the_options_of_annotations():
    y = Annotations([[(2, 3)], [(4, 4)]], point_radius=5.0, spacing=(2.0, 0.5))
    given = []

    class Recording(Above):
        def fit(self, X, y):
            given.append(y)
            return self

    X = np.zeros((2, 8, 8))
    cross_val_sections(Recording(), X, y, cv=2, scoring=lambda estimator, X, y: given.append(y))
    assert len(given) == 4
    assert {(each.point_radius, each.spacing) for each in given} == {(5.0, (2.0, 0.5))}


def test_cross_val_sections_by_hand():
    X, y = (part[0] for part in make_cells(1, (6, 32, 32), random_state=0))
    y = np.where(np.arange(6)[:, None, None] % 2 == 0, y, -1)
    segmenter = SemiSupervisedSegmenter(
        sections="consecutive", semi_supervision=None, width=4, depth=1, max_steps=3, random_state=0
    )
    scores = cross_val_sections(segmenter, X, y, cv=LabeledKFold(3))
    for test, score in zip((0, 2, 4), scores, strict=True):
        hidden, held_out = y.copy(), np.full_like(y, -1)
        hidden[test], held_out[test] = -1, y[test]
        assert clone(segmenter).fit(X, hidden).score(X, held_out) == score


def test_dice_scorer_reads_the_label_images_of_counters(y):
    X = np.zeros((9, 12, 12))
    X[:, 2:6, 2:6] = X[:, 7:10, 7:10] = 1
    y = label_components(X[0] > 0)[None].repeat(9, axis=0)
    X[:, 7:10, 7:10] = 0  # 9 of 25 foreground pixels are missed
    counter = InstanceCounter(threshold=0.5, min_size=0).fit(X)
    both = {"dice": dice_scorer, "count": count_scorer}
    scores = cross_validate(counter, X, y, scoring=both, cv=LabeledKFold(3), error_score="raise")
    assert scores["test_dice"] == pytest.approx([2 * 16 / (16 + 25)] * 3)
    assert scores["test_count"].tolist() == [0.5] * 3


def test_count_scorer_names_predictions_that_are_no_counts(y):
    with pytest.raises(ValueError, match=r"one count .* got arrays of shape \(4, 4\)"):
        count_scorer(Threshold(), np.zeros(y.shape), y)


@pytest.mark.parametrize("scoring", [dice_scorer, {"score": dice_scorer}])
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_routed_positions_reach_the_scorers(scoring, n_jobs):
    X = np.ones((6, 4, 4))
    y = np.ones((6, 4, 4), int)
    z = 2 * np.arange(6)  # no section has a neighbor, so that `Above` predicts no foreground
    with config_context(enable_metadata_routing=True):
        above = Above().set_fit_request(positions=True).set_predict_request(positions=True)
        options = {"cv": 2, "scoring": scoring, "error_score": "raise", "n_jobs": n_jobs}
        scores = cross_validate(above, X, y, params={"positions": z}, **options)
        assert scores["test_score"].tolist() == [0, 0]
        near = cross_validate(above, X, y, params={"positions": np.arange(6)}, **options)
        assert near["test_score"] == pytest.approx([2 / 3, 2 / 3])


def test_groups_that_are_not_held_out_are_named(y):
    with pytest.warns(UserWarning, match="ignores groups.*PredefinedSplit"):
        next(LabeledKFold(2).split(y, y, groups=np.arange(9)))


@pytest.mark.parametrize("cv", [2, [([], [0, 1]), ([], [2, 3])]])
def test_cross_val_sections_takes_what_scikit_learn_takes_as_cv(cv):
    X = np.ones((4, 4, 4))
    y = np.ones((4, 4, 4), int)
    scores = cross_val_sections(Above(), X, y, cv=cv, scoring=dice_scorer)
    assert scores.tolist() == [0.5, 1]  # nothing is above the first section


@pytest.mark.parametrize(
    ("options", "message"),
    [({"cv": "five"}, "Expected `cv`"), ({"scoring": "dice"}, "'scoring' parameter.*Got 'dice'")],
)
def test_what_cross_val_sections_cannot_read_is_refused(y, options, message):
    with pytest.raises(ValueError, match=message):
        cross_val_sections(Above(), y, y, **{"scoring": dice_scorer} | options)
