"""A fit that raises an error keeps what an earlier fit has learned."""

import copy
import pickle

import numpy as np
import pytest
import torch
from scipy import ndimage as ndi
from sklearn.base import clone

import sskseg.training.history
from sskseg import (
    ContourDetector,
    ImageStack,
    InstanceCounter,
    ProxyPretrainer,
    SemiSupervisedSegmenter,
    SimulatedRefiner,
)
from sskseg.baselines import LogBlobs, OtsuWatershed
from sskseg.counting import Watershed
from sskseg.datasets import make_cells
from sskseg.training import SegmentationLoss, loop

SMALL = {"width": 4, "depth": 1, "max_steps": 3, "batch_size": 2, "random_state": 0}
ESTIMATORS = {
    "segmenter": SemiSupervisedSegmenter(semi_supervision=None, patch_size=16, **SMALL),
    "detector": ContourDetector(**SMALL),
    "pretrainer": ProxyPretrainer("rotation", **SMALL),
    "refiner": SimulatedRefiner(**SMALL),
}


pytestmark = pytest.mark.usefixtures("small_reports")


@pytest.fixture(scope="module")
def cells():
    return make_cells(6, (48, 48), random_state=0)


def state(model):
    """Attributes as they are; of networks copies of their weights."""
    weights = {
        name: {key: tensor.clone() for key, tensor in value.state_dict().items()}
        for name, value in vars(model).items()
        if isinstance(value, torch.nn.Module)
    }
    return dict(vars(model)), weights


def assert_unchanged(model, before):
    attributes, weights = before
    assert set(vars(model)) == set(attributes)
    for name, value in vars(model).items():
        assert value is attributes[name], name
    for name, tensors in weights.items():
        network = getattr(model, name)
        assert not network.training
        for key, tensor in network.state_dict().items():
            assert torch.equal(tensor, tensors[key]), (name, key)


def fitted(name, cells, warm_start):
    model = clone(ESTIMATORS[name]).set_params(warm_start=warm_start)
    return model.fit(*cells)


@pytest.mark.filterwarnings("ignore")  # so short a training is no good one
@pytest.mark.parametrize("warm_start", [True, False])
@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_a_fit_that_fails_during_training_changes_nothing(name, warm_start, cells, monkeypatch):
    model = fitted(name, cells, warm_start)
    before = state(model)

    def add(self, step, losses, learning_rate):
        if step == 2:  # the weights have been changed
            raise MemoryError
        return False

    monkeypatch.setattr(sskseg.training.history.History, "add", add)
    X, y = cells
    with pytest.raises(MemoryError):
        model.fit(2 * X[:5], y[:5])
    assert_unchanged(model, before)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("warm_start", [True, False])
@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_a_fit_that_fails_after_training_changes_nothing(name, warm_start, cells, monkeypatch):
    model = fitted(name, cells, warm_start)
    before = state(model)
    last = {
        "segmenter": (sskseg.segmentation._segmenter, "_keep"),
        "detector": (type(model), "_search_thresholds"),
        "pretrainer": (type(model), "_report"),
        "refiner": (type(model), "_refine"),
    }[name]

    def fail(*_):
        raise RuntimeError

    monkeypatch.setattr(*last, fail)
    with pytest.raises(RuntimeError):
        model.fit(2 * cells[0], cells[1])
    assert_unchanged(model, before)


@pytest.mark.parametrize("name", ["segmenter", "detector", "pretrainer"])
def test_a_warm_start_that_diverges_keeps_the_good_network(name, cells, monkeypatch):
    model = fitted(name, cells, True)
    before = state(model)
    monkeypatch.setattr(loop, "descend", lambda network, *_: scramble(network))
    with pytest.raises(FloatingPointError, match="diverged"):
        model.fit(*cells)
    assert_unchanged(model, before)


def scramble(network):
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(torch.nan)


def test_a_fit_that_is_refused_changes_nothing(cells):
    X, y = cells
    classes = np.minimum(y, 2)
    model = SemiSupervisedSegmenter(target="classes", semi_supervision=None, **SMALL)
    model.fit(X, classes)
    before = state(model)
    # Refused after classes and channel statistics are known.
    model.set_params(patch_size=8, depth=3, batch_size=1)
    parameters = dict(vars(model))
    with pytest.raises(ValueError, match="batch_size must be at least 2"):
        model.fit(2 * X, classes + 1)
    assert_unchanged(model, (parameters, before[1]))


@pytest.mark.parametrize("model", [OtsuWatershed(), LogBlobs()])
def test_baselines_keep_what_they_learned(model, cells):
    X, y = cells
    before = state(model.fit(X, y))
    with pytest.raises(ValueError, match="y"):
        model.fit(np.stack([X, X], axis=-1), y[:3])
    assert_unchanged(model, before)


def test_an_interrupted_fit_keeps_the_weights_so_far(cells, monkeypatch):
    model = fitted("segmenter", cells, True)
    _, weights = state(model)
    add = sskseg.training.history.History.add

    def interrupt(self, step, losses, learning_rate):
        if step == 2:
            raise KeyboardInterrupt
        return add(self, step, losses, learning_rate)

    monkeypatch.setattr(sskseg.training.history.History, "add", interrupt)
    with pytest.warns(UserWarning, match="the weights so far are kept"):
        model.fit(*cells)
    after = model.network_.state_dict()
    assert any(not torch.equal(after[key], old) for key, old in weights["network_"].items())


def test_a_refused_fit_of_a_counter_keeps_its_spacing(cells):
    _, y = cells
    stack = ImageStack((y > 0).astype(float), spacing=(0.5, 0.5))
    counter = InstanceCounter("components").fit(stack, y)
    before = dict(vars(counter))
    with pytest.raises(ValueError, match="y labels nothing"):
        counter.fit(ImageStack(stack, spacing=(2.0, 2.0)), np.full(y.shape, -1))
    assert vars(counter) == before
    assert counter.spacing_ == (0.5, 0.5)


SEGMENTERS = {
    "instances": {},
    "classes": {"target": "classes"},
    "sections": {"sections": "consecutive", "section_context": 1},
}


@pytest.fixture(scope="module")
def segmenters(cells):
    X, y = cells
    known = np.where(np.arange(6)[:, None, None] % 2 == 0, np.minimum(y, 2), -1)
    model = ESTIMATORS["segmenter"]
    return {n: clone(model).set_params(**p).fit(X, known) for n, p in SEGMENTERS.items()}


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("instances", {"target": "classes"}),
        ("instances", {"sections": "consecutive"}),
        ("instances", {"loss": SegmentationLoss(("cross-entropy", "dice"))}),
        ("instances", {"network": "unet-lite", "depth": 2}),
        ("classes", {"target": "instances"}),
        ("sections", {"section_context": 2}),
        ("sections", {"sections": "independent", "target": "classes"}),
    ],
)
def test_predictions_are_those_of_the_fit_until_the_next_one(
    segmenters, cells, tmp_path, name, changes
):
    """As scikit-learn's are: `set_params` prepares the next fit."""
    model, X = segmenters[name], cells[0]
    expected, masks, score = model.transform(X), model.predict(X), model.score(*cells)
    changed = copy.deepcopy(model).set_params(**changes)
    copied = pickle.loads(pickle.dumps(changed))
    changed.save(tmp_path / "m")
    for same in (changed, copied, SemiSupervisedSegmenter.load(tmp_path / "m")):
        assert np.array_equal(same.transform(X), expected)
        assert np.array_equal(same.predict(X), masks)
        assert same.score(*cells) == score
    blocks = changed.block_predictor(X.shape if name == "sections" else X.shape[1:])
    assert blocks.consecutive == (name == "sections")
    with pytest.raises(ValueError, match="describe another network"):
        changed.set_params(warm_start=True).fit(*cells)
    changed.set_params(**{p: getattr(model, p) for p in changes}, warm_start=False)
    assert np.array_equal(changed.transform(X), expected)


@pytest.mark.parametrize("name", ["segmenter", "pretrainer"])
def test_a_backbone_is_that_of_the_fit(name, cells):
    model = fitted(name, cells, warm_start=False)
    expected = model.backbone()
    found = model.set_params(width=8, network="unet-lite").backbone()
    names = ("network", "width", "depth")
    assert [getattr(found, n) for n in names] == [getattr(expected, n) for n in names]
    assert found.width == 4


@pytest.mark.parametrize("fitted_method", ["components", "watershed", Watershed("distance")])
@pytest.mark.parametrize("method", ["components", "watershed", "contours"])
def test_objects_are_those_of_the_fit_until_the_next_one(cells, tmp_path, fitted_method, method):
    _, y = cells
    X = ndi.gaussian_filter((y > 0).astype(float), (0, 1, 1))
    counter = InstanceCounter(fitted_method).fit(X, y)
    expected = counter.label(X)
    changed = copy.deepcopy(counter).set_params(method=method)
    changed.save(tmp_path / "m")
    for same in (changed, copy.deepcopy(changed), InstanceCounter.load(tmp_path / "m")):
        assert np.array_equal(same.label(X), expected)
        assert same.exact == counter.exact
    if method != "contours":
        anew = InstanceCounter(method).fit(X, y)
        assert np.array_equal(changed.fit(X, y).label(X), anew.label(X))


def test_invalid_parameters_are_not_saved(cells, tmp_path):
    _, y = cells
    counter = InstanceCounter("components").fit(y > 0, y).set_params(min_size=-1)
    with pytest.raises(ValueError, match="'min_size' parameter of InstanceCounter must be"):
        counter.save(tmp_path / "m")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_network_stays_that_of_its_fit_where_parameters_describe_another(name, cells, tmp_path):
    """Files and pickles describe what was trained; a warm start would have to change it."""
    model = fitted(name, cells, warm_start=True).set_params(width=8)
    before = state(model)
    with pytest.raises(ValueError, match="describe another network than the last fit trained"):
        model.fit(*cells)
    assert_unchanged(model, before)
    model.save(tmp_path / "m")
    loaded = type(model).load(tmp_path / "m")
    assert (loaded.width, model.width) == (4, 8)
    restored = pickle.loads(pickle.dumps(model))
    assert restored.width == 8
    for same in (loaded, restored):
        assert str(same.network_) == str(model.network_)
    assert model.set_params(width=8, warm_start=False).fit(*cells) is model
