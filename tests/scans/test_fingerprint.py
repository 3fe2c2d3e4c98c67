"""A run is resumed with the same model, code and versions only."""

import importlib
import pickle
import subprocess
import sys

import dask.array as da
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.pipeline import make_pipeline

from sskseg import InstanceCounter, SemiSupervisedSegmenter
from sskseg.datasets import make_cells
from sskseg.scans import count_scan, fingerprint
from sskseg.scans.digest import hash_of
from sskseg.scans.plan import make_plan
from sskseg.scans.scheduler import TASKS, ScanError
from sskseg.training import SegmentationLoss

STEPS = """
from functools import cached_property, lru_cache

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

import own_helpers

LIMIT = 1.0

class Gain(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self

    def __sklearn_is_fitted__(self):
        return True

    @property
    def gain(self):
        return 1.0

    @gain.setter
    def gain(self, value):
        self.set_gain = value

    @staticmethod
    def scaled(x):
        return x * 1.0

    @cached_property
    def table(self):
        return np.arange(4)

    def transform(self, X):
        from own_later import offset

        self.table
        return [self.scaled(np.minimum(own_helpers.scale(x), 1e9)) + offset(x) for x in X]

    def invert(self, X):
        return [1 - x for x in X]

@lru_cache
def cached(x):
    return x * 1.0
"""
HELPERS = """
def scale(x):
    return x * factor()

def factor():
    return 1.0

def unused(x):
    return x
"""
LATER = """
def offset(x):
    return 0.0
"""
FILES = {"own_steps": STEPS, "own_helpers": HELPERS, "own_later": LATER}


@pytest.fixture
def own_modules(tmp_path, monkeypatch):
    """A function that imports the user's modules, with a text replaced in one of them."""
    versions = []

    def load(name="own_steps", old="", new=""):
        folder = tmp_path / f"version{len(versions)}"
        versions.append(folder)
        folder.mkdir()
        for each, text in FILES.items():
            assert each != name or old in text
            (folder / f"{each}.py").write_text(text.replace(old, new) if each == name else text)
            sys.modules.pop(each, None)
        monkeypatch.syspath_prepend(folder)
        importlib.invalidate_caches()
        return importlib.import_module("own_steps")

    yield load
    for name in FILES:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("own_steps", "[1 - x", "[2 - x"),  # a method of the step
        ("own_steps", "return x * 1.0\n\n    @cached", "return x * 2.0\n\n    @cached"),
        ("own_steps", "        return 1.0", "        return 2.0"),  # a property
        ("own_steps", "set_gain = value", "set_gain = 2 * value"),
        ("own_steps", "arange(4)", "arange(5)"),
        ("own_helpers", "return x * factor()", "return x + factor()"),  # of an imported module
        ("own_helpers", "return 1.0", "return 2.0"),  # what that calls
        ("own_later", "return 0.0", "return 2.0"),  # imported when it is called
    ],
)
def test_code_of_own_modules_is_part_of_a_run(own_modules, module, old, new):
    step = own_modules().Gain()
    before = hash_of(step)
    step.transform([np.ones(2)])  # fills what is cached
    assert hash_of(step) == before
    assert hash_of(own_modules(module, old, new).Gain()) != before


def test_what_changes_no_prediction_is_no_part_of_a_run(cells):
    X, y = cells[0], cells[1]
    tiny = {"width": 4, "depth": 1, "max_steps": 2, "random_state": 0}
    segmenter = SemiSupervisedSegmenter(semi_supervision=None, **tiny).fit(X, y)
    model = make_pipeline(segmenter, InstanceCounter().fit(segmenter.transform(X), y))
    before = hash_of(model)
    same = pickle.loads(pickle.dumps(model))
    assert hash_of(same) == before
    same[0].set_params(device="cpu", verbose=True)
    same[0].history_ = []
    assert hash_of(same) == before
    same[0].set_params(test_time_augmentation=True)
    assert hash_of(same) != before
    other = clone(segmenter).set_params(random_state=1).fit(X, y)
    assert hash_of(make_pipeline(other, model[1])) != before


def test_comments_and_other_code_of_own_modules_are_not(own_modules):
    before = hash_of(own_modules().Gain())
    assert (
        hash_of(own_modules("own_steps", "    def invert", "    # why\n    def invert").Gain())
        == before
    )
    assert hash_of(own_modules("own_helpers", "return x\n", "return -x\n").Gain()) == before


def test_cached_functions_enter_with_their_code(own_modules):
    before = hash_of(own_modules().cached)
    changed = own_modules("own_steps", "cached(x):\n    return x * 1.0", "cached(x):\n    return x")
    assert hash_of(changed.cached) != before


def test_own_methods_of_an_instance_are_part_of_a_run(own_modules):
    before = hash_of(own_modules().Gain().invert)
    assert hash_of(own_modules("own_steps", "[1 - x", "[3 - x").Gain().invert) != before


def test_the_hash_is_that_of_another_process(own_modules):
    step = own_modules().Gain()
    code = "import own_steps, sskseg.scans.digest as d; print(d.hash_of(own_steps.Gain()))"
    environment = {"PYTHONPATH": ":".join(sys.path), "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == hash_of(step)


def test_state_without_a_dictionary_is_part_of_a_run():
    class Slots:
        __slots__ = ("gain",)

        def __init__(self, gain):
            self.gain = gain

    assert hash_of(Slots(1)) == hash_of(Slots(1)) != hash_of(Slots(2))
    X = np.random.default_rng(0).random((20, 2))
    trees = [RandomForestRegressor(2, random_state=0).fit(X, X[:, k]) for k in (0, 0, 1)]
    same, again, other = (hash_of(each.estimators_) for each in trees)
    assert same == again != other


def test_settings_of_modules_of_torch_are_part_of_a_run():
    one, same, other = (torch.nn.LeakyReLU(slope) for slope in (0.1, 0.1, 0.2))
    assert hash_of(one) == hash_of(same.eval()) != hash_of(other)


@pytest.fixture(scope="module")
def fitted():
    X, y = make_cells(2, (64, 64), random_state=0)
    segmenter = SemiSupervisedSegmenter(
        semi_supervision=None,
        width=4,
        depth=1,
        max_steps=20,
        batch_size=2,
        random_state=0,
        loss=SegmentationLoss(("cross-entropy", "dice", "distance")),
    )
    counter = InstanceCounter("components", fill_holes=False)
    return make_pipeline(segmenter, counter).fit(X, y)


def interrupted(model, scan, out, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(TASKS, "write", lambda *_: 1 / 0)
        with pytest.raises(ScanError):
            count_scan(model, scan, out, block_shape=32)


def test_a_resumed_run_never_mixes_two_models(fitted, own_modules, tmp_path, monkeypatch):
    scan = da.from_array(make_cells(1, (64, 64), random_state=1)[0][0])

    def model(*change):
        return make_pipeline(own_modules(*change).Gain(), *(step for _, step in fitted.steps))

    interrupted(model(), scan, tmp_path / "out", monkeypatch)
    changed = model("own_helpers", "return 1.0", "return 0.5")
    with pytest.raises(ValueError, match="holds a run of another model"):
        count_scan(changed, scan, tmp_path / "out", block_shape=32)
    assert count_scan(model(), scan, tmp_path / "out", block_shape=32).n_objects > 0


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"block_shape": 24}, "block_shape"),
        ({"halo": 4}, "halo"),
        ({"skip_below": 0.1}, "skip_below"),
        ({"mask": np.ones((1, 1), bool)}, "mask"),
        ({"intensity": True}, "intensity"),
        ({"keep_probabilities": True}, "keep_probabilities"),
        ({"zarr_format": 2}, "zarr_format"),
    ],
)
def test_options_that_change_the_result_are_part_of_a_run(fitted, change, name):
    counter = InstanceCounter().fit(np.zeros((1, 64, 64)))
    model, scan = make_pipeline(fitted[0], counter), da.zeros((64, 64))
    options = {"block_shape": 32, "halo": 8}
    one, other = (
        fingerprint.fingerprint(make_plan(model, scan, **each), model)
        for each in (options, {**options, **change})
    )
    assert name in {key for key in one if one[key] != other[key]}


@pytest.mark.parametrize("package", ["sskseg", "torch", "numpy", "scipy", "scikit-image"])
def test_another_version_is_another_run(fitted, package, tmp_path, monkeypatch):
    scan = da.from_array(make_cells(1, (64, 64), random_state=1)[0][0])
    interrupted(fitted, scan, tmp_path / "out", monkeypatch)
    versions = fingerprint.versions()
    key = f"version of {package}"
    monkeypatch.setattr(fingerprint, "versions", lambda: {**versions, key: versions[key] + "1"})
    with pytest.raises(ValueError, match=f"holds a run of another version of {package}:"):
        count_scan(fitted, scan, tmp_path / "out", block_shape=32)
