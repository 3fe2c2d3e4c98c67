"""Out-of-fold probabilities of labeled samples."""

import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import make_pipeline

from sskseg import Annotations, ImageStack, InstanceCounter, PixelForest, SemiSupervisedSegmenter
from sskseg.datasets import make_cells
from sskseg.model_selection import CrossFitted


def segmenter(**changes):
    options = {
        "semi_supervision": None, "width": 4, "depth": 2, "max_steps": 12, "random_state": 0,
        "patch_size": 32,
    }  # fmt: skip
    return SemiSupervisedSegmenter(**{**options, **changes})


@pytest.fixture(scope="module")
def cells():
    return make_cells(n_samples=6, shape=(48, 56), random_state=0)


def test_folds_are_of_samples_with_a_weight(cells):
    X, y = cells
    model = CrossFitted(segmenter(max_steps=2), cv=2)
    weight = np.zeros(len(X))
    weight[:2] = 1
    assert len(model.fit_transform(X, y, sample_weight=weight)) == len(X)
    weight[1] = 0
    with pytest.raises(ValueError, match=r"of a positive weight\), got 1"):
        model.fit_transform(X, y, sample_weight=weight)


def test_cross_fitting_hides_the_labels_of_a_fold(cells):
    X, y = cells
    plain = segmenter(semi_supervision=None)
    model = CrossFitted(plain, cv=2)
    probabilities = model.fit_transform(ImageStack(X), y)
    assert isinstance(probabilities, ImageStack)
    probabilities = np.asarray(probabilities)
    alone = clone(plain).fit(X, y)
    assert np.array_equal(model.transform(X), alone.transform(X))
    labeled = [i for i in range(len(y)) if (y[i] >= 0).any()]
    folds = model._folds(y, X, np.ones(len(X)), None)
    assert sorted(i for fold in folds for i in fold) == labeled
    for fold in folds:
        hidden, weight = y.copy(), np.ones(len(X))
        hidden[list(fold)], weight[list(fold)] = -1, 0
        other = clone(plain).fit(X, hidden, sample_weight=weight).transform(X)
        assert np.array_equal(probabilities[list(fold)], other[list(fold)])
    unlabeled = [i for i in range(len(y)) if i not in labeled]
    assert np.array_equal(probabilities[unlabeled], alone.transform(X)[unlabeled])
    with pytest.raises(ValueError, match="cv=99 needs as many labeled"):
        model.set_params(cv=99).fit_transform(X, y)


def test_folds_have_the_outputs_of_the_whole(cells):
    """Cells touch in half of the images only, so that a fold alone would decide otherwise."""
    X, y = make_cells(n_samples=6, shape=(48, 56), separation=0.7, random_state=0)
    y[3:] = 0
    y[3:, 5:12, 5:12], y[3:, 30:37, 30:37] = 1, 2
    whole = segmenter(max_steps=2).fit(X, y)
    assert whole.has_cores_
    assert whole.loss_terms == ("cross-entropy", "dice", "distance", "core")
    assert not segmenter(max_steps=2).fit(X[3:], y[3:]).has_cores_
    assert np.asarray(CrossFitted(segmenter(max_steps=2), cv=6).fit_transform(X, y)).shape[-1] == 2


def test_a_fold_that_fails_changes_nothing(cells, monkeypatch):
    X, y = cells
    model = CrossFitted(segmenter(max_steps=2), cv=2)
    model.fit(X, y)
    before, fits, fit = model.segmenter_, [], SemiSupervisedSegmenter.fit

    def failing(self, *args, **options):
        fits.append(self)
        if len(fits) == 3:
            raise FloatingPointError("training diverged")
        return fit(self, *args, **options)

    monkeypatch.setattr(SemiSupervisedSegmenter, "fit", failing)
    with pytest.raises(FloatingPointError):
        model.fit_transform(X, y)
    assert model.segmenter_ is before


def test_nothing_is_guessed_of_the_images_of_a_fold(cells):
    X, y = cells
    y = y.copy()
    y[-1] = -1
    plain = segmenter(semi_supervision="self-training")
    model = CrossFitted(plain, cv=2)
    probabilities = model.fit_transform(X, y)
    for fold in model._folds(y, X, np.ones(len(X)), None):
        weight = np.ones(len(y))
        weight[list(fold)] = 0
        other_X = X.copy()
        other_X[list(fold)] = other_X[list(fold)][:, ::-1]  # which is not predicted
        other = clone(plain).fit(other_X, y, sample_weight=weight)
        assert np.array_equal(probabilities[list(fold)], other.transform(X)[list(fold)])


def test_scans_are_counted_with_the_segmenter_of_all_samples(cells, tmp_path):
    da = pytest.importorskip("dask.array")
    from sskseg.scans import count_scan

    X, y = cells
    model = make_pipeline(CrossFitted(segmenter(), cv=2), InstanceCounter("components"))
    model.fit(X, y)
    image = np.concatenate([X[0], X[1]])
    result = count_scan(model, da.from_array(image), tmp_path / "scan", n_workers=1)
    assert np.array_equal(np.asarray(result.labels) > 0, model.transform(image[None])[0] > 0)


@pytest.mark.filterwarnings("ignore:.*above the largest count of fit")  # by a machine's rounding
@pytest.mark.parametrize("trained", [segmenter(), PixelForest(n_estimators=3, random_state=0)])
def test_intervals_warn_where_the_segmenter_was_trained_on_the_images_of_fit(
    cells, trained, tmp_path
):
    X, y = cells
    for images in (X, list(X), ImageStack(X)):
        model = make_pipeline(clone(trained), InstanceCounter("components")).fit(images, y)
        assert model[-1].in_sample_
        with pytest.warns(UserWarning, match="Wrap the segmenter in sskseg.CrossFitted"):
            counts, intervals = model.predict(images, return_interval=True, coverage=0.5)
        assert intervals.shape == (len(X), 2)
        assert np.array_equal(model.predict(images), counts)  # without intervals no warning
    model[-1].save(tmp_path / "counter")
    with pytest.warns(UserWarning, match="CrossFitted"):
        InstanceCounter.load(tmp_path / "counter").predict(
            model[:-1].transform(X), return_interval=True, coverage=0.5
        )


def test_cross_fitted_intervals_do_not_warn(cells):
    X, y = cells
    for images in (X, ImageStack(X)):
        model = make_pipeline(CrossFitted(segmenter(), cv=2), InstanceCounter("components"))
        assert not model.fit(images, y)[-1].in_sample_
        model.predict(images, return_interval=True, coverage=0.5)  # warnings are errors here
    # What a user passes is taken as it is: it may be of images that the segmenter does not know.
    counter = InstanceCounter("components").fit(model[:-1].transform(X), y)
    assert not counter.in_sample_


def test_a_stack_keeps_whether_it_is_in_sample(cells):
    X, y = cells
    probabilities = segmenter().fit_transform(X, y)
    assert probabilities.in_sample
    copies = (
        probabilities[2:], probabilities.with_images(X), ImageStack(probabilities),
        pickle.loads(pickle.dumps(probabilities)),
    )  # fmt: skip
    for stack in copies:
        assert stack.in_sample
    assert ImageStack(probabilities, in_sample=False).in_sample is False
    assert ImageStack(X).in_sample is None
    assert "in_sample=True" in repr(probabilities)
    # New images of a segmenter that was fitted are new.
    assert getattr(segmenter().fit(X, y).transform(ImageStack(X)), "in_sample", None) is None


def test_positions_reach_the_prediction_of_the_training_images(cells):
    """With a gap in the stack, sections that are no neighbors are not predicted as such."""
    X, y = cells
    positions = np.array([0, 1, 2, 10, 11, 12])
    with sklearn.config_context(enable_metadata_routing=True):
        stack = segmenter(sections="consecutive").set_fit_request(positions=True)
        model = make_pipeline(stack.set_transform_request(positions=True), Keep())
        model.fit(X, y, positions=positions)
    assert np.array_equal(model[1].fitted_on_, model[0].transform(X, positions=positions))
    assert not np.array_equal(model[1].fitted_on_, model[0].transform(X))


class Keep(BaseEstimator):
    """A last step that keeps what it was fitted on."""

    def fit(self, X, y):
        self.fitted_on_ = np.asarray(X)
        return self


@pytest.mark.parametrize("wrap", [lambda model: model, lambda model: CrossFitted(model, cv=2)])
@pytest.mark.parametrize("values", [(0, 1, 2), (1, 2), (0, 255)])
def test_a_counter_refuses_the_classes_of_a_segmenter(wrap, values):
    """It took the pixels of each class in an image for one object, and counted nothing."""
    X, objects = make_cells(4, (32, 32), random_state=0)
    is_odd = (objects > 0) + (objects > 0) * (objects % 2) * (len(values) > 2)
    y = np.array(values)[is_odd]
    model = make_pipeline(wrap(segmenter(target="classes", max_steps=2)), InstanceCounter())
    with pytest.raises(ValueError, match=r"y holds the classes .* segmenter with target='classes'"):
        model.fit(X, y)
    assert model[0].predict(X).shape == X.shape  # what was learned stays
    probabilities = model[0].fit_transform(X, y)
    assert probabilities[:2].classes == pickle.loads(pickle.dumps(probabilities)).classes == values
    counter = InstanceCounter().fit(probabilities, objects)  # their objects are no classes
    assert counter.predict(probabilities).shape == (4,)


def test_labels_that_are_no_classes_are_not_refused():
    """Each image has two objects, and there are two classes: 1 and 2 are one object each."""
    objects = np.zeros((2, 24, 24), int)
    objects[:, 2:8, 2:8], objects[:, 12:20, 12:20] = 1, 2
    X = ImageStack((objects > 0) * 1.0, classes=(0, 1, 2))
    assert InstanceCounter().fit(X, objects).predict(X).tolist() == [2, 2]
    mask = Annotations((objects > 0) * 2, is_mask=True)
    assert InstanceCounter().fit(X, mask).predict(X).tolist() == [2, 2]
    with pytest.raises(ValueError, match="y holds the classes"):
        InstanceCounter().fit(X, (objects > 0) * 2)
    with pytest.raises(ValueError, match="y labels nothing"):
        InstanceCounter().fit(X, [None, None])
    for points in ([[7, 7], [1, 2]], np.zeros((0, 2))):
        InstanceCounter().fit(X, [np.array(points), None])


def test_a_mask_is_a_class_whose_components_are_counted():
    X, y = make_cells(4, (32, 32), random_state=0)
    mask = (y > 0).astype(int)
    model = make_pipeline(segmenter(target="classes", max_steps=2), InstanceCounter()).fit(X, mask)
    by_hand = InstanceCounter().fit(model[0].transform(X), Annotations(mask, is_mask=True))
    assert model.predict(X).tolist() == by_hand.predict(model[0].transform(X)).tolist()
