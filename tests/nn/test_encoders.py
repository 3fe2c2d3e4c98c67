"""Encoders that others trained: their weights, what learns, and what does not serve."""

import inspect
import pickle
import sys
from importlib import import_module
from importlib.util import find_spec

import encoder_libraries as libraries
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.base import clone
from torch import nn

from sskseg import PixelForest, SemiSupervisedSegmenter
from sskseg.baselines._pixel_features import feature_tiles
from sskseg.datasets import make_cells
from sskseg.nn import PretrainedEncoder, fold_batch_norm

TINY = {
    "width": 4, "max_steps": 3, "batch_size": 2, "random_state": 0, "semi_supervision": None,
    "device": "cpu", "precision": "float32",
}  # fmt: skip


class Pyramid(nn.Module):
    """An encoder of one's own."""

    def __init__(self, in_channels=1):
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv2d(in_channels, 4, 2, 2), nn.Conv2d(4, 8, 2, 2)])

    def forward(self, x):
        first = self.layers[0](x).relu()
        return [first, self.layers[1](first)]


@pytest.fixture(autouse=True)
def _libraries(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", libraries.timm)
    monkeypatch.setitem(sys.modules, "torchvision", libraries.torchvision)


@pytest.fixture(scope="module")
def cells():
    return make_cells(n_samples=3, shape=(50, 45), random_state=0)


@pytest.fixture
def weights(tmp_path):
    """Files of weights by the name of the architecture."""
    files = {}
    for name, model in libraries.MODELS.items():
        files[name] = tmp_path / f"{name}.pth"
        with torch.random.fork_rng():
            torch.manual_seed(0)
            torch.save(model().state_dict(), files[name])
    return files


def fit(encoder, cells, **options):
    return SemiSupervisedSegmenter(encoder, **{**TINY, **options}).fit(*cells)


def changed(segmenter, file):
    """Names of weights of the encoder that are not those of the file."""
    known = torch.load(file, weights_only=True)
    state = segmenter.network_.encoder.model.state_dict()
    assert state.keys() <= known.keys()
    return {name for name, weight in state.items() if not torch.equal(weight, known[name])}


@pytest.mark.parametrize(
    ("name", "library", "reductions"),
    [("tiny", "timm", (2, 4)), ("tiny", "torchvision", (2, 4)), ("tiny_vit", "timm", (14,))],
)
def test_frozen_encoders_stay_as_they_are(name, library, reductions, weights, cells, tmp_path):
    encoder = PretrainedEncoder(name, weights[name], library=library)
    before = torch.get_rng_state()
    model = fit(encoder, cells)
    assert torch.equal(torch.get_rng_state(), before)
    assert model.network_.encoder.reductions == reductions
    assert not changed(model, weights[name])
    assert not any(p.requires_grad for p in model.network_.encoder.parameters())
    assert "fc.weight" not in model.network_.encoder.model.state_dict()
    predicted = model.predict_proba(cells[0])
    assert predicted.shape == cells[0].shape
    # The fitted weights are in the file of the model.
    model.save(tmp_path / "model")
    weights[name].unlink()
    for loaded in (
        SemiSupervisedSegmenter.load(tmp_path / "model"),
        pickle.loads(pickle.dumps(model)),
    ):
        assert np.array_equal(loaded.predict_proba(cells[0]), predicted)
        assert loaded.get_params()["network__architecture"] == name


@pytest.mark.parametrize("finetune", ["all", "gradual", "last"])
def test_fine_tuning(finetune, weights, cells):
    encoder = PretrainedEncoder("tiny", str(weights["tiny"]), frozen=False)
    model = fit(encoder, cells, finetune=finetune, max_steps=4)
    assert "bn1.running_mean" in changed(model, weights["tiny"])
    assert ("conv1.weight" in changed(model, weights["tiny"])) == (finetune != "last")
    start = fit(encoder, cells, learning_rate=1e-12, max_steps=1)
    kept = {"layer4.0.weight", "conv1.weight", "layer1.0.weight"}
    known = torch.load(weights["tiny"], weights_only=True)
    for name, weight in start.network_.encoder.model.state_dict().items():
        if name in kept:
            torch.testing.assert_close(weight, known[name], atol=1e-6, rtol=0)


def test_gradual_training_leaves_frozen_encoders_alone(weights, cells):
    model = fit(PretrainedEncoder("tiny", weights["tiny"]), cells, finetune="gradual", max_steps=5)
    assert not changed(model, weights["tiny"])
    more = model.set_params(warm_start=True).fit(*cells)
    assert not changed(more, weights["tiny"])


def test_a_module_of_ones_own(cells, tmp_path):
    X, y = cells
    module = Pyramid()
    model = fit(PretrainedEncoder(module), cells)
    inside = model.network_.encoder.model
    assert inside is not module
    assert torch.equal(inside.layers[0].weight, module.layers[0].weight)
    other = Pyramid()
    save_file(other.state_dict(), tmp_path / "other.safetensors")
    model = fit(PretrainedEncoder(module, tmp_path / "other.safetensors"), cells)
    assert torch.equal(model.network_.encoder.model.layers[0].weight, other.layers[0].weight)
    with pytest.raises(ValueError, match="cannot be saved without executing code"):
        model.save(tmp_path / "model")
    two = np.stack([X, X], -1)
    assert fit(PretrainedEncoder(Pyramid(2)), (two, y)).predict(two).shape == y.shape
    start = SemiSupervisedSegmenter(**TINY, network=model.network).fit(X, y)
    assert start.backbone().network is start.network


@pytest.mark.parametrize("n_channels", [1, 2, 3, 5])
def test_channels_are_mapped_to_three(n_channels, weights):
    encoder = PretrainedEncoder("tiny", weights["tiny"])
    gray = torch.randn(1, 1, 20, 20)
    found = []
    for channels in (3, n_channels):
        built = encoder.make_encoder(channels).eval()
        encoder.load_weights(built)
        found.append(built(gray.expand(1, channels, 20, 20)))
    for three, others in zip(*found, strict=True):
        torch.testing.assert_close(three, others)


def test_the_network_learns(weights):
    X, y = make_cells(n_samples=4, shape=(64, 64), random_state=0)
    encoder = PretrainedEncoder("tiny", weights["tiny"])
    model = fit(encoder, (X[:3], y[:3]), max_steps=80, width=8)
    assert model.score(X[3:], y[3:]) > 0.7
    searched = clone(model).set_params(network__frozen=False)
    assert (searched.network.frozen, encoder.frozen) == (False, True)
    assert searched.network.weights == weights["tiny"]


def test_a_forest_reads_feature_maps(weights, cells, tmp_path):
    X, y = cells
    encoder = PretrainedEncoder("tiny", weights["tiny"])
    before = torch.get_rng_state()
    model = PixelForest(n_estimators=5, features=encoder, random_state=0).fit(X, y)
    assert torch.equal(torch.get_rng_state(), before)
    plain = PixelForest(n_estimators=5, random_state=0).fit(X, y)
    assert model.forest_.n_features_in_ == plain.forest_.n_features_in_ + 4 + 8
    assert model.score(X, y) > 0.8
    weights["tiny"].unlink()
    loaded = pickle.loads(pickle.dumps(model))
    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))
    with pytest.raises(ValueError, match="cannot be saved without executing code"):
        model.save(tmp_path / "model")
    with pytest.raises(FileNotFoundError, match="No file of weights"):
        model.fit(X, y)
    assert np.array_equal(loaded.predict(X), model.predict(X))
    with pytest.raises(ValueError, match="features must be None with spatial_ndim=3"):
        model.set_params(spatial_ndim=3).fit(X[None], y[None])


def test_features_of_a_forest_are_interpolated_at_pixels(weights, cells):
    X, y = cells
    encoder = PretrainedEncoder("tiny", weights["tiny"])
    model = PixelForest(n_estimators=1, features=encoder, random_state=0).fit(X, y)
    image = (X[0] - model.channel_mean_) / model.channel_std_
    feature_maps = model.encoder_(torch.from_numpy(image.astype(np.float32))[None, None])
    expected = torch.cat(
        [
            nn.functional.interpolate(each, scale_factor=reduction, mode="bilinear")[..., :50, :45]
            for each, reduction in zip(feature_maps, model.encoder_.reductions, strict=True)
        ],
        dim=1,
    )[0].flatten(1)
    (tile,) = feature_tiles((50, 45), model.sigma_max)
    found = model._reader(X[0][..., None])(tile)(np.arange(50 * 45))[:, -12:]
    np.testing.assert_allclose(found, expected.T.numpy(), atol=1e-4)


def test_what_does_not_serve_is_refused(weights, cells, tmp_path, monkeypatch):
    def refused(encoder, message, error=ValueError, **options):
        with pytest.raises(error, match=message):
            fit(encoder, cells, **options)

    refused(PretrainedEncoder("tiny"), "weights must be a file of weights of 'tiny': nothing is")
    refused(PretrainedEncoder("hub:tiny", "x"), "must be one of timm.list_models.*'hub:tiny'")
    refused(PretrainedEncoder("x", "x", library="torchvision"), "must be one of torchvision.*'x'")
    refused(PretrainedEncoder("tiny_vit", "x", library="torchvision"), "do not follow each other")
    refused(PretrainedEncoder("tiny", "none.pth"), "No file of weights at none", FileNotFoundError)
    refused(PretrainedEncoder(nn.Flatten(2)), "from fine to coarse.*got shapes .*1, 1, 50176")
    refused(PretrainedEncoder(Pyramid(2)), "must take float32 tensors of shape .1, 1, 224, 224")
    volumes = make_cells(n_samples=1, shape=(8, 16, 16), radius=4, random_state=0)
    with pytest.raises(ValueError, match="takes images of 2 axes, got spatial_ndim=3"):
        fit(PretrainedEncoder("tiny", weights["tiny"]), volumes, spatial_ndim=3)
    monkeypatch.setitem(sys.modules, "timm", None)
    refused(PretrainedEncoder("tiny", "x"), r"pip install .sskseg\[encoders\]", ImportError)


def test_weights_that_do_not_fit_are_refused(weights, cells):
    state = torch.load(weights["tiny"], weights_only=True)
    encoder = PretrainedEncoder("tiny", weights["tiny"])

    def refused(changes, message):
        torch.save(changes, weights["tiny"])
        with pytest.raises(ValueError, match=message) as caught:
            fit(encoder, cells)
        assert str(weights["tiny"]) in str(caught.value)

    old = {k: v for k, v in state.items() if "num_batches" not in k}
    torch.save({"state_dict": {**old, "classifier.weight": torch.ones(2)}}, weights["tiny"])
    fit(encoder, cells)  # a file of another training program
    refused(
        {f"module.{k}": v for k, v in state.items()},
        "lacks conv1.weight, bn1.*10 more, and has module",
    )
    refused({**state, "layer1.1.bias": torch.ones(1)}, "has layer1.1.bias, which the encoder lacks")
    refused({**state, "register": torch.ones(1)}, "has register, which the encoder lacks")
    refused({**state, "bn1.bias": torch.ones(7)}, r"bn1.bias has shape \(7,\), expected \(4,\)")


@pytest.mark.skipif(find_spec("timm") is None, reason="timm is not installed")
def test_the_stand_ins_have_the_interface_of_the_libraries(monkeypatch):
    monkeypatch.undo()  # of the stand-ins
    timm, vision = import_module("timm"), import_module("torchvision")
    inspect.signature(timm.create_model).bind("resnet18", pretrained=False, num_classes=0)
    inspect.signature(vision.models.get_model).bind("resnet18", weights=None)
    inspect.signature(vision.models.list_models).bind(module=vision.models)


def test_only_plain_normalizations_are_folded():
    class Activated(nn.BatchNorm2d):
        def forward(self, x):
            return super().forward(x).relu()

    network = nn.Sequential(nn.Conv2d(1, 2, 1), Activated(2)).eval()
    x = torch.randn(1, 1, 4, 4)
    assert torch.equal(fold_batch_norm(network)(x), network(x))
