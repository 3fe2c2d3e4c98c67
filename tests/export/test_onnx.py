"""ONNX files give the probabilities of the model, and say what they need."""

import json
import sys
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from sskseg import (
    CrossFitted,
    InstanceCounter,
    OtsuWatershed,
    PercentileScaler,
    PixelForest,
    SegmentationLoss,
    SemiSupervisedSegmenter,
)
from sskseg.datasets import make_cells
from sskseg.export import _onnx, export_onnx
from sskseg.export._parts import Parts, split_model
from sskseg.export._preprocessing import described_steps, preprocessing_steps
from sskseg.images import section_indices
from sskseg.segmentation.semi_supervised import Continuity

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

SMALL = {
    "semi_supervision": None, "width": 4, "depth": 1, "max_steps": 6, "batch_size": 2,
    "random_state": 0, "precision": "float32", "device": "cpu",
}  # fmt: skip
CORES = SegmentationLoss(("cross-entropy", "core"))
PLAIN = SegmentationLoss(("cross-entropy",))


def segmenter(**parameters):
    return SemiSupervisedSegmenter(**{**SMALL, "loss": PLAIN, **parameters})


def images(n_channels=1, shape=(40, 48), n=3):
    X, y = make_cells(n, shape, random_state=0)
    X = X.astype(np.float32)
    return (X if n_channels == 1 else np.stack([X, 3 * X**2 + 5], -1)), y


def session_of(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(session, X):
    """Run images with channels last."""
    inputs = np.moveaxis(X, -1, 1) if X.ndim == 4 else X[:, None]
    (found,) = session.run(None, {"images": np.ascontiguousarray(inputs, np.float32)})
    return found


def metadata(session):
    found = session.get_modelmeta().custom_metadata_map
    return {key: json.loads(value) for key, value in found.items()}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A pipeline with cores, its file, and a session of it."""
    X, y = images()
    model = make_pipeline(PercentileScaler(), segmenter(loss=CORES), InstanceCounter()).fit(X, y)
    model[1].calibration_ = np.array([1.7, 0.6])
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    export_onnx(model, path)
    return model, path, session_of(path)


@pytest.mark.parametrize("shape", [(4, 4), (40, 48), (72, 100), (132, 4)])
@pytest.mark.parametrize("n", [1, 3])
def test_graph_equals_the_model_at_any_size_and_batch(exported, shape, n):
    model, _, session = exported
    X = images(shape=shape, n=n)[0] if min(shape) > 4 else np.random.default_rng(0).random(
        (n, *shape), np.float32)  # fmt: skip
    expected = model[:-1].transform(X)
    assert expected.shape == (n, *shape, 2)
    np.testing.assert_allclose(np.moveaxis(run(session, X), 1, -1), expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(70, 101), (41, 48), (40, 47), (2, 4)])
def test_another_size_is_an_error_that_says_what_to_do(exported, shape):
    session = exported[2]
    with pytest.raises(
        Exception, match=r"sides \(y, x\) .* multiples of \[4, 4\] pixels: pad them"
    ):
        session.run(None, {"images": np.zeros((1, 1, *shape), np.float32)})


def test_images_are_displaced_in_the_graph(tmp_path):
    X, y = images()
    model = segmenter().fit(X, y)
    plain = model.predict_proba(X)
    model.label_offset_ = np.array([0.6, -1.3])
    export_onnx(model, tmp_path / "model.onnx")
    expected = model.predict_proba(X)
    assert np.abs(expected - plain).max() > 1e-3
    found = run(session_of(tmp_path / "model.onnx"), X)[:, 0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_padding_at_the_end_and_cropping_gives_the_prediction(exported):
    model, _, session = exported
    X, _ = images(shape=(37, 42))
    stride = metadata(session)["stride"]
    pads = [(0, 0), *((0, -side % step) for side, step in zip(X.shape[1:], stride, strict=True))]
    found = run(session, np.pad(X, pads, mode="edge"))[..., :37, :42]
    np.testing.assert_allclose(np.moveaxis(found, 1, -1), model[:-1].transform(X), atol=1e-5)


def test_metadata(exported):
    model, _, session = exported
    found = metadata(session)
    assert found["axes"] == "batch, channel, y, x"
    assert found["input_channels"] == ["channel 0"]
    assert found["output_channels"] == ["foreground", "core"]
    assert found["stride"] == found["minimum"] == [4, 4]
    assert found["margin"] == [0, 0]
    assert found["reach"] == list(model[1].network_.reach)
    assert found["preprocessing"] == []
    assert found["padding"] == "edge"
    counter = model[-1]
    assert found["counter"] == {
        "method": "watershed", "fill_holes": True, "threshold": counter.threshold_,
        "min_size": counter.min_size_, "merge_distance": counter.merge_distance_,
        "seeds": counter.seeds_, "seed_height": counter.seed_height_,
        "cut_weights": {"intercept": 4.0, "core": -6.0, "foreground": 6.0, "neck": -1.8,
                        "length": -2.0, "size_ratio": -0.3, "distance": -0.3},
    }  # fmt: skip
    assert "object_size" not in found
    assert "classes" not in found


def test_the_file_is_valid_and_for_old_programs(exported):
    graph = onnx.load(exported[1])
    onnx.checker.check_model(graph, full_check=True)
    assert graph.ir_version <= 8
    assert [entry.version for entry in graph.opset_import if entry.domain == ""] == [18]
    (tensor,) = graph.graph.input
    names = [axis.dim_param or axis.dim_value for axis in tensor.type.tensor_type.shape.dim]
    assert names[1] == 1
    assert all(isinstance(name, str) for name in [names[0], *names[2:]])


def test_two_channels_and_classes(tmp_path):
    X, y = images(2)
    y = np.where(y > 0, np.where(np.arange(48) < 24, 7, 3), 0)
    model = segmenter(target="classes", network="dmcn").fit(X, y)
    model.calibration_ = np.array([0.8, 0.3, -0.5, 0.2])
    export_onnx(model, tmp_path / "classes.onnx")
    session = session_of(tmp_path / "classes.onnx")
    X, _ = images(2, (56, 36))
    np.testing.assert_allclose(
        np.moveaxis(run(session, X), 1, -1), model.predict_proba(X), atol=1e-5
    )
    assert metadata(session)["classes"] == [0, 3, 7]
    assert metadata(session)["output_channels"] == ["class 0", "class 3", "class 7"]
    with pytest.raises(Exception, match="multiples of"):  # the network itself would crop
        run(session, X[:, :-1])


def test_percentiles_of_each_image_stay_outside(tmp_path):
    X, y = images()
    scaler = PercentileScaler((2, 99), scope="image", clip=True)
    model = make_pipeline(scaler, segmenter()).fit(X, y)
    export_onnx(model, tmp_path / "model.onnx")
    session = session_of(tmp_path / "model.onnx")
    X = X * np.arange(1, 4)[:, None, None]
    scaled = PercentileScaler((2, 99), scope="image").fit_transform(X)
    np.testing.assert_allclose(run(session, scaled)[:, 0], model.transform(X), atol=1e-5)
    (step,) = metadata(session)["preprocessing"]
    assert step["id"] == "scale_range"
    assert step["kwargs"] == {"axes": ["y", "x"], "min_percentile": 2.0, "max_percentile": 99.0}


def test_means_that_need_64_bits(tmp_path):
    X, y = images()
    X = np.round(X * 64) + np.float32(2**17)
    model = segmenter().fit(X.astype(np.float64), y)
    model.channel_mean_ = model.channel_mean_.astype(np.float64)
    export_onnx(model, tmp_path / "model.onnx")
    found = run(session_of(tmp_path / "model.onnx"), X)
    np.testing.assert_allclose(found[:, 0], model.transform(X), atol=1e-5)


@pytest.mark.parametrize("scope", ["dataset", "image"])
def test_scaling_equals_the_scaler_and_a_constant_channel_is_0(scope):
    X, _ = images(2)
    X[..., 1] = 3
    scaler = PercentileScaler(scope=scope, clip=True).fit(X)
    last = segmenter()
    last.channel_mean_, last.channel_std_ = np.zeros(2, np.float32), np.ones(2, np.float32)
    last.label_offset_ = None
    steps = torch.nn.Sequential(*preprocessing_steps(Parts(scaler, last, None)))
    X = X * np.float32(1.5) + 1
    found = steps(torch.from_numpy(np.moveaxis(X, -1, 1).copy())).numpy()
    np.testing.assert_allclose(np.moveaxis(found, 1, -1), scaler.transform(X), atol=1e-6)
    assert np.abs(found[:, 1]).max() < 1e-30


def test_valid_padding(tmp_path):
    X, y = images()
    model = segmenter(network="unet-valid").fit(X, y)
    export_onnx(model, tmp_path / "valid.onnx")
    session = session_of(tmp_path / "valid.onnx")
    found = metadata(session)
    least, step, margin = (found[key] for key in ("minimum", "stride", "margin"))
    inside = [m + 5 * s - 2 * p for m, s, p in zip(least, step, margin, strict=True)]
    X = np.random.default_rng(0).random((2, *inside), np.float32)
    padded = np.pad(X, [(0, 0), *((p, p) for p in margin)], mode="reflect")
    np.testing.assert_allclose(run(session, padded)[:, 0], model.transform(X), atol=1e-5)
    assert found["padding"] == "reflect"
    with pytest.raises(Exception, match=r"must be \[\d+, \d+\] pixels plus multiples of \[2, 2\]"):
        run(session, padded[:, 1:])


def test_volumes(tmp_path):
    X, y = make_cells(2, (12, 24, 24), radius=6, random_state=0)
    model = segmenter(spatial_ndim=3).fit(X.astype(np.float32), y)
    export_onnx(model, tmp_path / "volumes.onnx")
    session = session_of(tmp_path / "volumes.onnx")
    found = metadata(session)
    assert found["axes"] == "batch, channel, z, y, x"
    assert found["stride"] == [2, 4, 4]
    volume = np.random.default_rng(0).random((1, 6, 20, 28), np.float32)
    (probabilities,) = session.run(None, {"images": volume[:, None]})
    np.testing.assert_allclose(probabilities[:, 0], model.transform(volume), atol=1e-5)


def test_consecutive_sections_are_channels(tmp_path):
    X, y = images(2, n=4)
    model = segmenter(sections="consecutive", section_context=1).fit(X, y)
    export_onnx(model, tmp_path / "sections.onnx")
    session = session_of(tmp_path / "sections.onnx")
    windows = np.moveaxis(X, -1, 1)[section_indices(np.arange(4), 1)].reshape(4, 6, *X.shape[1:3])
    (found,) = session.run(None, {"images": windows})
    np.testing.assert_allclose(found[:, 0], model.transform(X), atol=1e-5)
    assert metadata(session)["input_channels"][:3] == [
        "section -1 channel 0", "section -1 channel 1", "section +0 channel 0",
    ]  # fmt: skip


class Strided(torch.nn.Module):
    """A network of a user; its stride must be known."""

    def __init__(self, stride=None):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 1, 3, padding=1)
        if stride is not None:
            self.stride = stride

    def forward(self, x):
        return self.conv(x)


def test_networks_of_users(tmp_path):
    X, y = images()
    with pytest.raises(ValueError, match=r"Strided, the network .* has no stride"):
        export_onnx(segmenter(network=Strided()).fit(X, y), tmp_path / "model.onnx")
    model = segmenter(network=Strided((1, 2))).fit(X, y)
    export_onnx(model, tmp_path / "model.onnx")
    session = session_of(tmp_path / "model.onnx")
    X, _ = images(shape=(37, 42))
    np.testing.assert_allclose(run(session, X)[:, 0], model.transform(X), atol=1e-5)
    assert "reach" not in metadata(session)


class Sized(Strided):
    """Depends on the size of its input in a way that torch drops without an error."""

    def forward(self, x):
        return self.conv(x) if x.shape[2] > 12 else 1 - self.conv(x)


class Branching(Strided):
    """Depends on values in a way that torch cannot follow."""

    def forward(self, x):
        return self.conv(x) if x.sum() > 0 else 1 - self.conv(x)


@pytest.mark.parametrize(
    ("network", "error", "message"),
    [
        (Sized, RuntimeError, "does not compute what the model predicts"),
        (Branching, ValueError, r"Branching, the network .* cannot be exported by torch"),
    ],
)
def test_networks_that_torch_does_not_export(tmp_path, network, error, message):
    X, y = images()
    model = segmenter(network=network((2, 2))).fit(X, y)
    with pytest.raises(error, match=message):
        export_onnx(model, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_cross_fitted_and_steps_that_change_nothing(tmp_path, exported):
    model, path, _ = exported
    wrapped = CrossFitted(model[1])
    wrapped.segmenter_ = model[1]
    export_onnx(make_pipeline(model[0], "passthrough", wrapped, model[2]), tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").stat().st_size == path.stat().st_size


def refused(name, fitted):
    if name == "not fitted":
        return segmenter()
    if name == "scaler not fitted":
        return make_pipeline(PercentileScaler(), fitted)
    if name == "another estimator":
        return OtsuWatershed()
    if name == "another segmenter":
        return make_pipeline(PixelForest(n_estimators=1), InstanceCounter())
    if name == "another step":
        return make_pipeline(OtsuWatershed(), fitted)
    if name == "contours":
        counter = InstanceCounter("contours")
        counter.threshold_ = 0.5
        return make_pipeline(fitted, counter)
    model = clone(fitted)
    vars(model).update(vars(fitted))
    if name == "flips":
        model.test_time_augmentation = True
    if name == "continuity":
        model.continuity_ = fitted.network_
    return model


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("not fitted", NotFittedError, "not fitted yet"),
        ("scaler not fitted", NotFittedError, "PercentileScaler instance is not fitted"),
        ("another estimator", TypeError, "got OtsuWatershed"),
        ("another segmenter", TypeError, "got PixelForest"),
        ("another step", TypeError, "one PercentileScaler, got .OtsuWatershed"),
        ("contours", ValueError, "count by probabilities"),
        ("flips", ValueError, r"set_params\(test_time_augmentation=False\)"),
        ("continuity", ValueError, r"corrects each section .* semi_supervision='self-training'"),
    ],
)
def test_what_cannot_be_exported(tmp_path, exported, name, error, message):
    with pytest.raises(error, match=message):
        export_onnx(refused(name, exported[0][1]), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_segmenter_that_corrects_sections_is_refused(tmp_path):
    X, y = images(n=4)
    y[1::2] = -1
    model = segmenter(sections="consecutive", semi_supervision=(Continuity(),)).fit(X, y)
    if model.continuity_ is None:
        pytest.skip("sections do not resemble each other")
    with pytest.raises(ValueError, match="continuity_"):
        export_onnx(model, tmp_path / "model.onnx")


def test_a_graph_resamples_images_as_scans_are(tmp_path):
    """The network learned from objects of 20 pixels; those of the images are larger.

    Smaller ones are in `test_bioimageio.py`.
    """
    X, y = make_cells(3, (160, 176), radius=24, random_state=0)
    augmentation = {"object_size": 20.0}
    model = segmenter(loss=CORES, depth=3, augmentation=augmentation).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        export_onnx(model, tmp_path / "model.onnx")
    session = session_of(tmp_path / "model.onnx")
    described = metadata(session)
    assert described["object_size"] == model.object_diameter_ == pytest.approx(48, rel=0.25)
    stride = 32 * model.object_diameter_ / 20  # two of the network, which are 16 pixels each
    assert described["stride"] == pytest.approx([stride, stride], abs=2)
    image = X[0, : 2 * described["stride"][0], : described["stride"][1]].astype(np.float32)
    expected = model.block_predictor(image.shape).predict(image)
    np.testing.assert_allclose(
        np.moveaxis(run(session, image[None])[0], 0, -1), expected, atol=1e-5
    )


def test_objects_of_unknown_size_are_a_warning(tmp_path, exported):
    model = clone(exported[0][1])
    vars(model).update(vars(exported[0][1]))
    model.object_size_, model.object_diameter_ = 24.0, None
    with pytest.warns(UserWarning, match="a diameter of 24 pixels") as caught:
        export_onnx(model, tmp_path / "model.onnx")
    assert caught[0].filename == __file__
    assert metadata(session_of(tmp_path / "model.onnx"))["object_size"] == 24.0


def test_a_graph_that_computes_something_else_is_not_written(tmp_path, exported, monkeypatch):
    (tmp_path / "model.onnx").write_text("older")
    monkeypatch.setattr(_onnx, "preprocessing_steps", lambda parts: [])
    with pytest.raises(RuntimeError, match=r"Nothing was written"):
        export_onnx(exported[0], tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_text() == "older"


def test_an_older_file_is_replaced_and_nothing_else_changes(tmp_path, exported):
    (tmp_path / "model.onnx").write_text("older")
    before = (
        torch.get_rng_state(),
        {k: v.clone() for k, v in exported[0][1].network_.state_dict().items()},
    )
    export_onnx(exported[0], str(tmp_path / "model.onnx"))
    assert (tmp_path / "model.onnx").read_bytes() == exported[1].read_bytes()
    assert torch.equal(torch.get_rng_state(), before[0])
    after = exported[0][1].network_.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before[1].items())


def test_a_missing_package_is_named(tmp_path, exported, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"pip install sskseg\[export\]"):
        export_onnx(exported[0], tmp_path / "model.onnx")


def test_all_preprocessing_has_a_word_of_bioimageio(exported):
    steps = preprocessing_steps(split_model(exported[0]))
    assert len(described_steps(steps, "yx")) == len(steps) == 2
