"""The pipelines that come with the package: they load, count, and warn of what they do not know."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from skimage.io import imread

import sskseg.models
from sskseg.datasets import load_dsb2018_nuclei
from sskseg.metrics import f1_instances
from sskseg.models import ModelCard, list_models, load_model, model_card

_DATA = Path(os.environ.get("SSKSEG_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
_MAX_BYTES = 5 * 10**6

needs_nuclei = pytest.mark.skipif(
    not (_DATA / "dsb2018_nuclei").is_dir(), reason="the nuclei of SSKSEG_DATA are not there"
)


@pytest.mark.parametrize("name", list_models())
def test_each_model_loads_and_counts(name):
    folder = Path(sskseg.models.__file__).parent / "trained"
    assert (folder / f"{name}.sskseg").stat().st_size <= _MAX_BYTES
    card = json.loads((folder / f"{name}.json").read_text("utf-8"))
    assert card["name"] == name
    assert card["figures"]
    assert card["limits"]
    assert all(line in str(model_card(name)) for line in card["limits"])
    model = load_model(name)
    n_channels = model["segmenter"].n_channels_
    image = np.random.default_rng(0).random((1, 64, 80, n_channels)).astype(np.float32)
    counted = model[1:] if "check" in model.named_steps else model  # noise is unlike training
    assert counted.transform(image)[0].shape == (64, 80)
    with pytest.raises(ValueError, match="channel"):
        model.predict(np.zeros((1, 64, 64, n_channels + 1)))


def test_unknown_names():
    assert isinstance(model_card("nuclei"), ModelCard)
    with pytest.raises(ValueError, match="name must be one of .*nuclei"):
        model_card("nucleus")
    with pytest.raises(
        FileNotFoundError, match="no trained model of that name; there are .*nuclei"
    ):
        load_model("nucleus")


def test_a_file_of_the_name_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nuclei").write_bytes(b"other")
    with pytest.raises(ValueError, match="nuclei is damaged or not a model file"):
        load_model("nuclei")


@needs_nuclei
def test_nuclei_that_were_not_trained_on():
    X, y = load_dsb2018_nuclei(_DATA / "dsb2018_nuclei")
    order = np.random.default_rng(0).permutation(len(X))[60:120]  # see trained_models.py
    small = [i for i in order if X[i].shape == (256, 256)][:12]
    model = load_model("nuclei")
    found = model.transform([X[i] for i in small])  # and no warning
    assert f1_instances([y[i] for i in small], found, 0.5) > 0.85


@pytest.mark.skipif(
    not (_DATA / "dsb2018_other").is_dir(), reason="the other nuclei of SSKSEG_DATA are not there"
)
def test_other_kinds_of_nuclei_are_unlike():
    model = load_model("nuclei")
    images = [imread(path) for path in sorted((_DATA / "dsb2018_other" / "images").glob("*"))]
    gray = [image for image in images if image.ndim == 2]
    stained = [image.mean(-1).astype(np.uint8) for image in images if image.ndim == 3]
    assert (model[0].predict(gray + stained) == -1).mean() > 0.95
    with pytest.warns(UserWarning, match=r"1 of 1 images are unlike .*: X\[0\]"):
        model.predict(stained[:1])
