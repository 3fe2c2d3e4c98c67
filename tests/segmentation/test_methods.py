"""Semi-supervised methods as objects: their parameters, nested search, a method of a user's own."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sskseg import LabeledKFold, SegmentationLoss, SemiSupervisedSegmenter
from sskseg.datasets import make_cells
from sskseg.images.augmentation import Augmentation
from sskseg.segmentation.semi_supervised import (
    METHODS,
    Consistency,
    Continuity,
    MeanTeacher,
    SelfTraining,
    SemiSupervisedMethod,
    make_method,
)

TINY = {"width": 4, "depth": 1, "max_steps": 8, "random_state": 0, "patch_size": 32}


def segmenter(**changes):
    return SemiSupervisedSegmenter(**{**TINY, **changes})


@pytest.fixture(scope="module")
def cells():
    X, y = make_cells(4, (40, 48), random_state=0)
    return X, np.where(np.arange(4)[:, None, None] < 2, y, -1)


@pytest.fixture
def own_method():
    """A method of a user's own, known by its name for one test."""

    class EntropyMinimization(SemiSupervisedMethod):
        """A method of a user's own."""

        name = "entropy-minimization"

        def __init__(self, weight=0.1):
            self.weight = weight

        def loss(self, supervised):
            batches, activate = self.training.unlabeled_batches(), self.training.objective.activate

            def total(network, batch, progress):
                p = activate(network(next(batches).images)).clamp(1e-4, 1 - 1e-4)
                entropy = -(p * p.log() + (1 - p) * (1 - p).log()).mean()
                return supervised(network, batch, progress) + self.weight * entropy

            return total

    yield EntropyMinimization
    del METHODS["entropy-minimization"]


def test_a_method_of_a_users_own_is_one_class(cells, own_method):
    X, y = cells
    by_name = segmenter(semi_supervision="entropy-minimization", max_steps=60).fit(X, y)
    assert by_name.semi_supervision_ == ("entropy-minimization",)
    assert by_name.transduction_.shape == y.shape
    method = own_method(weight=3.0)
    strong = segmenter(semi_supervision=method, max_steps=60).fit(X, y)
    assert not hasattr(method, "training")  # fit works on a clone
    assert strong.predict_uncertainty(X).mean() < by_name.predict_uncertainty(X).mean()
    both = segmenter(semi_supervision=("self-training", method)).fit(X, y)
    assert both.semi_supervision_ == ("self-training", "entropy-minimization")


@pytest.mark.parametrize("method", [SelfTraining, Continuity, Consistency, MeanTeacher])
def test_a_name_is_the_method_with_its_defaults(cells, method):
    X, y = cells
    options = {"sections": "consecutive"} if method is Continuity else {}
    by_name = segmenter(semi_supervision=method.name, **options).fit(X, y)
    by_object = segmenter(semi_supervision=method(), **options).fit(X, y)
    assert isinstance(make_method(method.name), method)
    assert np.array_equal(by_name.predict_proba(X), by_object.predict_proba(X))


def test_parameters_of_methods_change_what_is_learned(cells):
    X, y = cells
    for default, changed in (
        (SelfTraining(), SelfTraining(rounds=(0.5,))),
        (SelfTraining(), SelfTraining(confidence=0.9)),
        (Consistency(), Consistency(weight=5.0)),
        (MeanTeacher(), MeanTeacher(noise=0.5)),
    ):
        first, second = (
            segmenter(semi_supervision=method, max_steps=20).fit(X, y).predict_proba(X)
            for method in (default, changed)
        )
        assert not np.array_equal(first, second), changed


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (SelfTraining(rounds=()), "rounds"),
        (SelfTraining(rounds=(0.5, 1.5)), "rounds"),
        (SelfTraining(rounds=0.5), "rounds"),
        (SelfTraining(confidence=1.0), "confidence"),
        (Continuity(max_context=0), "max_context"),
        (Continuity(min_iou=0), "min_iou"),
        (Consistency(weight=-1), "weight"),
        (Consistency(confidence=90), "confidence"),
        (Consistency(confidence=0.4), "confidence"),
        (Consistency(dropout=1.5), "dropout"),
        (MeanTeacher(teacher_start=float("nan")), "teacher_start"),
        (MeanTeacher(teacher_start=10), "teacher_start"),
        (MeanTeacher(noise=-0.1), "noise"),
        (MeanTeacher(ramp_up=-1), "ramp_up"),
    ],
)
def test_parameters_out_of_range_are_refused(cells, method, message):
    X, y = cells
    with pytest.raises(ValueError, match=f"{message} must be"):
        segmenter(semi_supervision=method, sections="consecutive").fit(X, y)


def test_a_teacher_without_ramp_up_has_its_weight_from_the_start():
    method = MeanTeacher(noise=0.0, ramp_up=0)
    method.teach = lambda images: torch.ones(1, 1, 8, 8)
    method.training = SimpleNamespace(objective=SimpleNamespace(activate=torch.sigmoid))
    method.rng = np.random.default_rng(0)
    images = torch.zeros(1, 1, 8, 8)
    assert float(method.unlabeled_loss(lambda x: x, images, 0.0)) == 0.25


def test_nested_parameters_are_searched():
    X, y = make_cells(4, (40, 48), random_state=0)
    y[3] = -1
    model = segmenter(
        loss=SegmentationLoss(), semi_supervision=SelfTraining(), augmentation=Augmentation()
    )
    grid = {
        "loss__border_weight": [0.0, 10.0],
        "semi_supervision__confidence": [0.0, 0.9],
    }
    search = GridSearchCV(model, grid, cv=LabeledKFold(2)).fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    best = search.best_estimator_
    assert best.loss.border_weight == search.best_params_["loss__border_weight"]
    assert model.loss.border_weight == 10.0
    assert clone(best).get_params()["semi_supervision__confidence"] in (0.0, 0.9)
