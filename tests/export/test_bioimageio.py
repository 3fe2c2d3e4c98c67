"""Packages pass the tests of the BioImage Model Zoo, and their torch weights need torch alone."""

import json
import random
import subprocess
import sys
import zipfile
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from sskseg import (
    ImageStack,
    InstanceCounter,
    PercentileScaler,
    SegmentationLoss,
    SemiSupervisedSegmenter,
)
from sskseg.datasets import make_cells
from sskseg.export import export_bioimageio
from sskseg.export._sample import cover

# Imported by the tests alone: each process collects all tests, and few run these.
for name in ("onnx", "onnxruntime", "onnxscript", "bioimageio"):
    if find_spec(name) is None:
        pytest.skip(f"needs {name}", allow_module_level=True)

pytestmark = pytest.mark.filterwarnings(
    # bioimageio leaves it to Python to close files.
    "ignore:unclosed file:ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)
SMALL = {
    "semi_supervision": None, "width": 4, "depth": 1, "max_steps": 6, "batch_size": 2,
    "random_state": 0, "precision": "float32", "device": "cpu",
}  # fmt: skip
FIELDS = {
    "name": "Simulated cells", "description": "Foreground and cores of simulated cells.",
    "authors": ["A. Author", {"name": "B. Author", "affiliation": "An institute"}],
    "license": "CC-BY-4.0", "tags": ["cells"],
    "cite": [{"text": "A method", "doi": "10.1007/978-3-319-24574-4_28"}],
}  # fmt: skip


@pytest.fixture(scope="module")
def core():
    import bioimageio.core

    return bioimageio.core


@pytest.fixture(scope="module")
def spec(core):
    import bioimageio.spec

    return bioimageio.spec


@pytest.fixture(autouse=True)
def _no_connection(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a connection is opened")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)


def images(n=3, shape=(52, 60)):
    X, y = make_cells(n, shape, random_state=0)
    return X.astype(np.float32), y


def segmenter(**parameters):
    loss = SegmentationLoss(("cross-entropy", "core"))
    return SemiSupervisedSegmenter(**{**SMALL, "loss": loss, **parameters})


@pytest.fixture(scope="module")
def check(core):
    """Run the tests of the zoo, which seed the random numbers of everyone."""

    def run(path, weights):
        before = np.random.get_state(), random.getstate()
        summary = core.test_model(path, weight_format=weights)
        np.random.set_state(before[0])
        random.setstate(before[1])
        assert summary.status == "passed", summary.format()

    return run


@pytest.fixture(scope="module")
def package(tmp_path_factory, spec):
    """A pipeline, its package, the description, and the folder with its files."""
    X, y = images()
    model = make_pipeline(PercentileScaler(), segmenter(), InstanceCounter()).fit(X, y)
    model[1].calibration_ = np.array([1.4, 0.5])
    folder = tmp_path_factory.mktemp("package")
    sample = ImageStack(X, spacing=(0.5, 0.25), unit="µm")
    export_bioimageio(
        model, folder / "model.zip", sample=sample, documentation="Made for tests.", **FIELDS
    )
    with zipfile.ZipFile(folder / "model.zip") as file:
        file.extractall(folder / "files")
    description = spec.load_model_description(folder / "model.zip", format_version="latest")
    return model, folder / "model.zip", description, folder / "files"


@pytest.mark.parametrize("weights", ["onnx", "pytorch_state_dict"])
def test_the_package_passes_the_tests_of_the_zoo(package, weights, check):
    check(package[1], weights)


def test_the_test_output_is_the_prediction_of_the_model(package):
    model, _, _, files = package
    inputs, outputs = (np.load(files / f"test_{name}.npy") for name in ("images", "probabilities"))
    assert inputs.shape == (1, 1, 52, 60)
    assert np.isin(inputs, images()[0][0]).all()
    expected = np.moveaxis(model[:-1].transform(inputs[:, 0]), -1, 1)
    np.testing.assert_allclose(outputs, expected, atol=1e-6)


def test_the_description(package):
    model, _, description, _ = package
    tensor, output = description.inputs[0], description.outputs[0]
    assert [axis.id for axis in tensor.axes] == ["batch", "channel", "y", "x"]
    assert [(axis.scale, axis.unit) for axis in tensor.axes[2:]] == [
        (0.5, "micrometer"), (0.25, "micrometer"),
    ]  # fmt: skip
    halo = model[1].network_.reach[0]
    assert [axis.halo for axis in output.axes[2:]] == [halo, halo]
    assert tensor.axes[2].size.step == 4
    assert tensor.axes[2].size.min == 2 * halo + 4
    assert output.axes[1].channel_names == ["foreground", "core"]
    assert tensor.pad.mode == "edge"
    kinds = [step.id for step in tensor.preprocessing]
    assert kinds == ["ensure_dtype", *["fixed_zero_mean_unit_variance"] * 2, "ensure_dtype"]
    first, second = tensor.preprocessing[1:3]
    assert first.kwargs.mean == pytest.approx(model[0].low_)
    assert first.kwargs.std == pytest.approx(model[0].high_ - model[0].low_)
    assert second.kwargs.mean == pytest.approx(model[1].channel_mean_)
    assert description.config.sskseg["counter"]["threshold"] == model[2].threshold_
    assert description.weights.onnx.parent == "pytorch_state_dict"
    assert [author.name for author in description.authors] == ["A. Author", "B. Author"]


def test_readme_and_cover(package):
    import imageio.v3 as iio

    model, _, _, files = package
    text = (files / "README.md").read_text()
    for part in ("# Simulated cells", "Made for tests.", "## Validation", "## Objects",
                 f"threshold: {model[2].threshold_}", "multiples of [4, 4]"):  # fmt: skip
        assert part in text
    assert iio.imread(files / "cover.png").shape == (52, 120)


def test_torch_weights_need_torch_alone(package):
    import onnxruntime

    _, _, description, files = package
    arguments = json.dumps(dict(description.weights.pytorch_state_dict.architecture.kwargs))
    code = (
        "import sys, json, numpy as np, torch\n"
        "sys.modules['sskseg'] = None\n"
        "import architecture\n"
        f"model = architecture.make_model(**json.loads({arguments!r})).eval()\n"
        "model.load_state_dict(torch.load('weights.pt', weights_only=True))\n"
        "with torch.no_grad():\n"
        "    np.save('found.npy', model(torch.from_numpy(np.load('inputs.npy'))).numpy())\n"
    )
    x = np.random.default_rng(0).normal(size=(2, 1, 24, 32)).astype(np.float32)
    np.save(files / "inputs.npy", x)
    subprocess.run([sys.executable, "-c", code], cwd=files, check=True)
    session = onnxruntime.InferenceSession(files / "weights.onnx")
    (expected,) = session.run(None, {"images": x})
    np.testing.assert_allclose(np.load(files / "found.npy"), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("scaler", "parameters", "options"),
    [
        (PercentileScaler(scope="image", clip=True), {}, {"halo": 0}),
        (None, {"network": "unet-valid", "loss": SegmentationLoss(("dice",))}, {}),
        (None, {"sections": "consecutive", "section_context": 1}, {}),
        (PercentileScaler(clip=True), {"target": "classes", "network": "dmcn", "loss": "auto"}, {}),
    ],
    ids=["percentiles of images", "valid padding", "sections", "classes"],
)
def test_other_models_pass(tmp_path, check, spec, scaler, parameters, options):
    X, y = images()
    y = np.minimum(y, 1) * 3 if "target" in parameters else y
    model = make_pipeline(scaler, segmenter(**parameters)).fit(X, y)
    path = tmp_path / "model.ZIP"
    export_bioimageio(model, path, sample=X, **FIELDS, **options)
    check(path, "onnx")
    check(path, "pytorch_state_dict")
    halos = [getattr(axis, "halo", 0) for axis in
             spec.load_model_description(path).outputs[0].axes]  # fmt: skip
    is_without = "halo" in options or parameters.get("network") == "unet-valid"
    assert (max(halos) == 0) == is_without


def test_a_model_that_resamples_images_passes(tmp_path, check, spec):
    X, y = make_cells(3, (96, 112), radius=7, random_state=0)
    model = segmenter(depth=3, augmentation={"object_size": 20.0}).fit(X, y)
    export_bioimageio(model, tmp_path / "model.zip", sample=X, halo=8, **FIELDS)
    description = spec.load_model_description(tmp_path / "model.zip", format_version="latest")
    arguments = description.weights.pytorch_state_dict.architecture.kwargs
    assert dict(arguments)["magnification"] == pytest.approx(20 / model.object_diameter_)
    for weights in ("onnx", "pytorch_state_dict"):
        check(tmp_path / "model.zip", weights)


def test_a_volume_passes(tmp_path, check):
    X, y = make_cells(1, (12, 24, 24), radius=6, random_state=0)
    model = segmenter(spatial_ndim=3).fit(X.astype(np.float32), y)
    export_bioimageio(model, tmp_path / "model.zip", sample=X, halo=4, **FIELDS)
    check(tmp_path / "model.zip", "onnx")


class Conv(torch.nn.Module):
    """A network of a user."""

    def __init__(self):
        super().__init__()
        self.conv, self.stride = torch.nn.Conv2d(1, 2, 3, padding=1), (1, 1)

    def forward(self, x):
        return self.conv(x)


def test_a_network_of_a_user_has_onnx_weights_alone(tmp_path, check, spec):
    X, y = images()
    model = segmenter(network=Conv()).fit(X, y)
    export_bioimageio(model, tmp_path / "model.zip", sample=X, **FIELDS)
    description = spec.load_model_description(tmp_path / "model.zip")
    assert description.weights.pytorch_state_dict is None
    check(tmp_path / "model.zip", "onnx")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"path": "model.onnx"}, r"must have the suffix \.zip, got '\.onnx'"),
        ({"sample": np.zeros((1, 40, 40, 2))}, r"sample must have 1 channel\(s\), got 2"),
        ({"sample": np.zeros((40, 40))}, "sample must"),
        ({"sample": None}, "sample must"),
        (
            {"license": "none of all"},
            "license must be an identifier of SPDX such as CC-BY-4.0, got",
        ),
        ({"name": "A"}, r"^name must be at least 5 letters, digits, spaces, _\+-\(\), got 'A'\.$"),
        ({"name": "a/b/c/d"}, "name"),
        ({"authors": [{"affiliation": "nobody"}]}, "name"),
        ({"cite": [{"text": "without a DOI"}]}, "doi"),
        ({"halo": -1}, "halo must be a number of pixels or None, got -1"),
        ({"halo": 2.5}, "halo must be"),
    ],
)
def test_bad_arguments(tmp_path, package, changes, message):
    arguments = {"sample": images()[0], **FIELDS, **changes}
    path = tmp_path / arguments.pop("path", "model.zip")
    with pytest.raises(ValueError, match=message):
        export_bioimageio(package[0], path, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_a_package(tmp_path):
    with pytest.raises(NotFittedError):
        export_bioimageio(segmenter(), tmp_path / "model.zip", sample=images()[0], **FIELDS)
    X, y = images()
    loss = SegmentationLoss(("dice",))
    model = make_pipeline(
        PercentileScaler(scope="image"), segmenter(network="unet-valid", loss=loss)
    ).fit(X, y)
    with pytest.raises(ValueError, match="percentiles of images, scope='image'"):
        export_bioimageio(model, tmp_path / "model.zip", sample=X, **FIELDS)
    assert list(tmp_path.iterdir()) == []


def test_cover_of_volumes_and_constant_images():
    drawn = cover(np.zeros((3, 5, 8, 9), np.float32), np.ones((1, 5, 6, 7), np.float32))
    assert drawn.shape == (6, 14)
    assert not drawn[:, :7].any()
    assert (drawn[:, 7:] == 255).all()
