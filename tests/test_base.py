import json

import numpy as np
import pytest
from safetensors.numpy import save_file
from sklearn.exceptions import NotFittedError

from sskseg import InstanceCounter, PercentileScaler, SemiSupervisedSegmenter
from sskseg.datasets import make_cells
from sskseg.io.models import read_model, write_model


@pytest.fixture(scope="module")
def cells():
    return make_cells(n_samples=3, shape=(32, 32), random_state=0)


@pytest.fixture(scope="module")
def models(cells):
    X, y = cells
    y = np.where(np.arange(3)[:, None, None] < 2, y, -1)
    options = {"width": 2, "depth": 1, "max_steps": 2, "random_state": 0, "patch_size": (16, 16)}
    segmenter = SemiSupervisedSegmenter(**options).fit(X, y)
    counter = InstanceCounter().fit(segmenter.transform(X), y)
    return [PercentileScaler().fit(X), segmenter, counter]


@pytest.mark.parametrize("which", [0, 1, 2])
def test_what_is_saved_is_loaded(models, cells, which, tmp_path):
    model = models[which]
    model.save(tmp_path / "model.sskseg")
    loaded = type(model).load(tmp_path / "model.sskseg")
    X = models[1].transform(cells[0]) if which == 2 else cells[0]
    assert np.array_equal(model.transform(X), loaded.transform(X))
    assert repr(loaded.get_params()) == repr(model.get_params())
    fitted = {name for name in vars(model) if name.endswith("_")}
    assert {name for name in vars(loaded) if name.endswith("_")} == fitted


def test_the_file_holds_json_and_numbers_only(models, tmp_path):
    path = tmp_path / "model.sskseg"
    models[1].save(path)
    size = int.from_bytes(path.read_bytes()[:8], "little")
    header = json.loads(path.read_bytes()[8 : 8 + size])
    assert json.loads(header["__metadata__"]["values"])["params"]["width"] == 2
    assert b"pickle" not in path.read_bytes()


def test_unfitted_estimators_are_not_saved(tmp_path):
    with pytest.raises(NotFittedError):
        PercentileScaler().save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_failed_save_keeps_the_older_file(models, tmp_path):
    path = tmp_path / "model"
    models[0].save(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="cannot be saved without executing code"):
        write_model(path, "X", {"params": {"f": print}}, {})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_truncated_and_foreign_files_are_named(models, tmp_path):
    path = tmp_path / "model"
    models[1].save(path)
    content = path.read_bytes()
    for damaged in (content[:100], content[:-7], b"", b"II*\0" + content[4:], content[::-1]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=str(path)):
            SemiSupervisedSegmenter.load(path)
    save_file({"a": np.zeros(2)}, path)
    with pytest.raises(ValueError, match="not written by this library"):
        SemiSupervisedSegmenter.load(path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        SemiSupervisedSegmenter.load(tmp_path / "nowhere")


def test_another_estimators_file_is_refused(models, tmp_path):
    models[0].save(tmp_path / "model")
    with pytest.raises(ValueError, match="holds a PercentileScaler, expected a SemiSupervised"):
        SemiSupervisedSegmenter.load(tmp_path / "model")


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values["params"].update(width="wide"),
        lambda values: values["params"].update(surprise=1),
        lambda values: values["params"].update(width=3),
        lambda values: values["fitted"].update({"__class__": "x"}),
        lambda values: values["fitted"].update({"fit": "x"}),
        lambda values: values.pop("params"),
        lambda values: values["fitted"].pop("n_channels_"),
    ],
)
def test_tampered_headers_are_refused(models, tmp_path, change):
    path = tmp_path / "model"
    models[1].save(path)
    class_name, values, tensors = read_model(path)
    change(values)
    write_model(path, class_name, values, tensors)
    with pytest.raises(ValueError, match="is damaged"):
        SemiSupervisedSegmenter.load(path)
