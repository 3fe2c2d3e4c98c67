"""Pipelines as files: what is loaded does the same, and nothing else is loaded."""

import numpy as np
import pytest
from safetensors.torch import safe_open, save_file
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline, make_pipeline

from sskseg import InstanceCounter, OtsuWatershed, PercentileScaler, SemiSupervisedSegmenter
from sskseg.base import ImageEstimator
from sskseg.datasets import make_cells
from sskseg.io.registry import register
from sskseg.models import load_model, save_model

TINY = {"width": 4, "depth": 1, "max_steps": 2, "random_state": 0, "semi_supervision": None}


@pytest.fixture(scope="module")
def fitted():
    X, y = make_cells(n_samples=3, shape=(48, 48), random_state=0)
    model = make_pipeline(
        PercentileScaler(scope="image"), SemiSupervisedSegmenter(**TINY), InstanceCounter()
    )
    return model.fit(X, y), X


def test_pipeline_is_loaded_and_does_the_same(fitted, tmp_path):
    model, X = fitted
    save_model(model, tmp_path / "model.sskseg")
    loaded = load_model(tmp_path / "model.sskseg")
    assert isinstance(loaded, Pipeline)
    assert [name for name, _ in loaded.steps] == [name for name, _ in model.steps]
    assert str(loaded.get_params()) == str(model.get_params())
    for a, b in zip(loaded.transform(X), model.transform(X), strict=True):
        assert np.array_equal(a, b)
    assert np.array_equal(loaded.predict(X), model.predict(X))


def test_estimators_are_loaded_too(fitted, tmp_path):
    model, X = fitted
    scaled = model[0].transform(X)
    save_model(model[1], tmp_path / "a")
    model[1].save(tmp_path / "b")
    for name in "ab":
        loaded = load_model(tmp_path / name)
        assert isinstance(loaded, SemiSupervisedSegmenter)
        assert np.array_equal(loaded.predict_proba(scaled), model[1].predict_proba(scaled))


def test_passthrough(tmp_path):
    X, y = make_cells(n_samples=2, shape=(48, 48), random_state=0)
    model = Pipeline([("none", "passthrough"), ("count", OtsuWatershed())]).fit(X, y)
    save_model(model, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded.steps[0] == ("none", "passthrough")
    assert np.array_equal(loaded.predict(X), model.predict(X))


def test_a_registered_estimator_of_a_user(tmp_path):
    @register
    class Inverted(ImageEstimator):
        _parameter_constraints: dict = {}
        _fitted = {"top_": "a number"}

        def fit(self, X, y=None):
            self.top_ = float(np.max(X))
            return self

        def transform(self, X):
            return self.top_ - np.asarray(X)

    X, y = make_cells(n_samples=2, shape=(48, 48), random_state=0)
    model = make_pipeline(Inverted(), OtsuWatershed()).fit(X, y)
    save_model(model, tmp_path / "model")
    assert load_model(tmp_path / "model")[0].top_ == model[0].top_


class Foreign(BaseEstimator):
    fitted_ = True

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X


def test_what_cannot_be_saved(fitted, tmp_path):
    model, _ = fitted
    path = tmp_path / "model"
    with pytest.raises(TypeError, match="Step 'foreign' of the pipeline: Foreign cannot be saved"):
        save_model(make_pipeline(Foreign(), model[0]), path)
    with pytest.raises(TypeError, match="Foreign cannot be saved"):
        save_model(Foreign(), path)
    with pytest.raises(NotFittedError):
        save_model(make_pipeline(model[0], InstanceCounter()), path)
    assert not path.exists()


def changed(path, **changes):
    """The same file with another header, and a checksum that fits it."""
    from sskseg.io import models

    with safe_open(path, framework="pt") as file:
        header = {**file.metadata(), **changes}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    header["checksum"] = models._checksum(header, tensors)
    save_file(tensors, path, metadata=header)


@pytest.mark.parametrize(
    "changes",
    [
        {"class": "os"}, {"class": "SegmentationLoss"}, {"class": "make_pipeline"},
        {"values": "{}"}, {"values": '{"steps": []}'}, {"values": '{"steps": [["a", "b"]]}'},
        {"values": '{"steps": [["a", "Augmentation", {}]]}'},
        {"values": '{"steps": [["a", "passthrough", {}], ["a", "passthrough", {}]]}'},
        {"values": '{"steps": 3}'},
    ],
)  # fmt: skip
def test_damaged_files_name_the_file(fitted, tmp_path, changes):
    model, _ = fitted
    path = tmp_path / "model"
    save_model(model, path)
    changed(path, **changes)
    with pytest.raises(ValueError, match=rf"{path.name} is damaged"):
        load_model(path)


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="No model file"):
        load_model(tmp_path / "none")
    (tmp_path / "text").write_text("no model")
    with pytest.raises(ValueError, match="damaged or not a model file"):
        load_model(tmp_path / "text")


def test_a_folder_of_a_model_is_no_model_file(fitted, tmp_path):
    save_model(fitted[0], tmp_path / "model.sskseg")
    with pytest.raises(FileNotFoundError, match=r"It is a folder: load .*model\.sskseg\."):
        load_model(tmp_path)
