"""Model files from strangers: an error that names the file, never code, a hang or much memory."""

import json
import pickle
import struct
import sys
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import InconsistentVersionWarning

import sskseg
from sskseg import (
    ContourDetector,
    CrossFitted,
    DomainCheck,
    InstanceCounter,
    LogBlobs,
    OtsuWatershed,
    PercentileScaler,
    PixelForest,
    PretrainedBackbone,
    ProxyPretrainer,
    SemiSupervisedSegmenter,
    SimulatedRefiner,
)
from sskseg.counting import Contours, Watershed
from sskseg.datasets import make_cells
from sskseg.images.augmentation import Augmentation
from sskseg.io.models import read_model, write_model
from sskseg.io.registry import encode
from sskseg.segmentation.semi_supervised import SelfTraining
from sskseg.training import SegmentationLoss

SMALL = {"width": 2, "depth": 1, "max_steps": 1, "batch_size": 2, "random_state": 0}
MODELS = {
    "scaler": PercentileScaler(),
    "pretrainer": ProxyPretrainer(("rotation",), **SMALL),
    "refiner": SimulatedRefiner(**SMALL),
    "segmenter": SemiSupervisedSegmenter(semi_supervision=None, **SMALL),
    "sections": SemiSupervisedSegmenter(
        sections="consecutive", semi_supervision=("continuity",), **SMALL
    ),
    "classes": SemiSupervisedSegmenter(target="classes", semi_supervision=None, **SMALL),
    "objects": SemiSupervisedSegmenter(
        semi_supervision=(SelfTraining(),),
        loss=SegmentationLoss(("cross-entropy",)),
        augmentation=Augmentation(grid=4),
        **SMALL,
    ),
    "counter": InstanceCounter("components"),
    "watershed": InstanceCounter(Watershed("probability", smoothing=0.5)),
    "detector": ContourDetector(order=2, samples=8, **SMALL),
    "contours": InstanceCounter(Contours(ContourDetector(order=2, samples=8, **SMALL))),
    "otsu": OtsuWatershed(),
    "blobs": LogBlobs(n_sigma=1),
    "check": DomainCheck(),
    "backbone": PretrainedBackbone("cells-simulated"),
    "crossed": CrossFitted(SemiSupervisedSegmenter(semi_supervision=None, **SMALL), cv=2),
}
each = pytest.mark.parametrize("name", MODELS)
pytestmark = pytest.mark.usefixtures("small_reports")
ACTIONS = {
    "os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "socket.connect",
    "pickle.find_class", "marshal.loads", "ctypes.dlopen", "shutil.unpack_archive",
}  # fmt: skip
seen = []
watching = False


def _watch(event, arguments):
    writes = event == "open" and set(str(arguments[1])) & set("wax+")
    if watching and (event in ACTIONS or writes):
        seen.append((event, arguments))


sys.addaudithook(_watch)


@pytest.fixture(scope="module")
def cells():
    X, y = make_cells(5, (48, 48), random_state=0)
    y[2] = -1
    return np.clip(X, 0, 1), y


@pytest.fixture(scope="module")
def files(cells, tmp_path_factory):
    """Each estimator as it was fitted, and the bytes of its file."""
    X, y = cells
    path = tmp_path_factory.mktemp("models") / "model"
    made = {}
    for name, model in MODELS.items():
        model.fit(X, np.minimum(y, 1)).save(path)
        made[name] = model, path.read_bytes()
    return made


def load(model, path):
    """Load as a stranger's file: nothing may run, and only a ValueError may come."""
    global watching
    seen.clear()
    watching = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return type(model).load(path)
    finally:
        watching = False
        assert not seen


def refused(model, path, match=None):
    with pytest.raises(ValueError, match=match) as caught:
        load(model, path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 2000


def test_every_public_estimator_is_in_these_tests():
    names = [name for name in sskseg.__all__ if hasattr(getattr(sskseg, name), "fit")]
    assert {*names} == {type(model).__name__ for model in MODELS.values()} | {"PixelForest"}


@each
def test_pickles_and_clones(name, files, cells):
    model = files[name][0]
    copied, cloned = pickle.loads(pickle.dumps(model)), clone(model)
    assert np.array_equal(np.asarray(model.transform(cells[0])),
                          np.asarray(copied.transform(cells[0])))  # fmt: skip
    assert repr(copied.get_params()) == repr(cloned.get_params()) == repr(model.get_params())
    assert not [attribute for attribute in vars(cloned) if attribute.endswith("_")]


def test_pickles_of_another_version_say_so(files, monkeypatch):
    """As those of scikit-learn do."""
    for name in ("scaler", "segmenter"):
        content = pickle.dumps(files[name][0])
        with monkeypatch.context() as context:
            context.setattr("sskseg.base.__version__", "9.9")
            with pytest.warns(
                InconsistentVersionWarning,
                match=f"from version sskseg {sskseg.__version__} when using version sskseg 9.9",
            ):
                copied = pickle.loads(content)
        assert vars(copied).keys() == vars(files[name][0]).keys()
    build, (kind, state) = files["segmenter"][0].__reduce__()
    del state["_sskseg_version"], state["spatial_ndim_"]
    with (
        pytest.warns(InconsistentVersionWarning, match="from version sskseg before 0.1.0"),
        pytest.raises(ValueError, match="SemiSupervisedSegmenter from sskseg before 0.1.0 cannot"),
    ):
        build(kind, state)


def forge(name, files, path, change):
    """Write a file whose checksum is right: what someone who means harm would write."""
    model, content = files[name]
    path.write_bytes(content)
    class_name, values, tensors = read_model(path)
    changed = change(values, tensors)
    write_model(path, changed or class_name, values, tensors)
    return model


@each
def test_what_was_saved_is_loaded_and_does_the_same(name, files, cells, tmp_path):
    model, content = files[name]
    (tmp_path / "model").write_bytes(content)
    before = torch.get_rng_state()
    loaded = load(model, tmp_path / "model")
    X = cells[0]
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.asarray(model.transform(X)), np.asarray(loaded.transform(X)))
    if name == "refiner":
        assert np.array_equal(model.sample(1, 0)[0], loaded.sample(1, 0)[0])
    assert repr(loaded.get_params()) == repr(model.get_params())
    loaded.save(tmp_path / "again")
    (name_again, values_again, _), (name, values, _) = map(
        read_model, (tmp_path / "again", tmp_path / "model")
    )
    assert (name_again, encode(values_again)) == (name, encode(values))


@each
def test_truncated_files_are_refused(name, files, tmp_path):
    model, content = files[name]
    path = tmp_path / "model"
    for size in {*range(0, 24), *np.linspace(24, len(content) - 1, 40).astype(int)}:
        path.write_bytes(content[:size])
        refused(model, path)
    path.write_bytes(content + b"more")
    refused(model, path)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(sorted(MODELS)), st.floats(0, 1, exclude_max=True), st.integers(0, 7))
def test_flipped_bits_are_refused(files, tmp_path_factory, name, where, bit):
    model, content = files[name]
    damaged = bytearray(content)
    damaged[int(where * len(content))] ^= 1 << bit
    path = tmp_path_factory.getbasetemp() / "flipped"
    path.write_bytes(damaged)
    try:
        loaded = load(model, path)
    except ValueError as error:
        assert str(path) in str(error)  # noqa: PT017 - most flips are refused, all must name it
    else:  # a space of the padding, say: nothing that is read differs
        assert repr(loaded.get_params()) == repr(model.get_params())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside),
    max_leaves=5,
)


@settings(max_examples=120, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(sorted(MODELS)), st.data())
def test_any_value_in_any_place_loads_usable_or_is_refused(files, tmp_path_factory, name, data):
    path = tmp_path_factory.getbasetemp() / "forged"

    def change(values, tensors):
        part = data.draw(st.sampled_from(["params", "fitted"]))
        if values[part]:
            key = data.draw(st.sampled_from(sorted(values[part])))
            values[part][key] = data.draw(JSON)

    model = forge(name, files, path, change)
    try:
        loaded = load(model, path)
    except ValueError as error:
        assert str(path) in str(error)  # noqa: PT017
    else:  # as if the user had set it: what does not serve is refused by name
        loaded._validate_params()


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"__metadata__": {}}',
        b'{"__metadata__": {"format": "sskseg-1"}}',
        b'{"__metadata__": {"format": 1}}',
        b'{"__metadata__": {"format": "sskseg-1", "class": "os.system", "values": "x"}}',
        b'{"t": {"dtype": "F32", "shape": [1000000000000], "data_offsets": [0, 4000000000000]}}',
        b'{"t": {"dtype": "F32", "shape": [4611686018427387904, 4], "data_offsets": [0, 0]}}',
        b'{"t": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}',
        b'{"t": {"dtype": "PICKLE", "shape": [1], "data_offsets": [0, 4]}}',
        b'{"t": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}',
        b'{"../../etc/passwd": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}',
        b'{"a":' * 100_000,
        b"\xff\xfe" * 50,
    ],
)
def test_foreign_headers_are_refused(header, tmp_path):
    path = tmp_path / "model"
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0\0\0\0")
    refused(PercentileScaler(), path)


@pytest.mark.parametrize("size", [2**63, 2**40, 10**8, 0])
def test_headers_that_claim_a_size_are_refused(size, tmp_path):
    path = tmp_path / "model"
    path.write_bytes(struct.pack("<Q", size) + b"{}")
    refused(PercentileScaler(), path)


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04" + bytes(100),  # a zip, as torch.save writes it
        b"\x80\x04cos\nsystem\n(S'touch hacked'\ntR.",  # a pickle
        b"\x93NUMPY" + bytes(100),
        b"\x1f\x8b" + bytes(100),
    ],
)
def test_other_formats_are_refused(content, tmp_path):
    path = tmp_path / "model"
    path.write_bytes(content)
    refused(PercentileScaler(), path)
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def put(part, **changes):
    def change(values, tensors):
        values[part].update(changes)

    return change


def drop(part, name):
    def change(values, tensors):
        del values[part][name]

    return change


def rename(class_name):
    return lambda values, tensors: class_name


def stored(name, **params):
    """What a file holds of an object."""
    return {"(object)": [name, params]}


def tensors_changed(function):
    def change(values, tensors):
        function(tensors)

    return change


def nested(depth):
    found = []
    for _ in range(depth):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("scaler", rename("os.system"), "holds a os.system, expected a PercentileScaler"),
        ("scaler", rename("ImageEstimator"), "holds a ImageEstimator"),
        ("scaler", rename("sklearn.svm.SVC"), "holds a sklearn.svm.SVC"),
        ("scaler", rename("x" * 10**6), "expected a PercentileScaler"),
        ("segmenter", put("params", surprise=1), "surprise"),
        ("segmenter", put("params", self=1), "self"),
        ("segmenter", put("params", width=10**9), "damaged"),
        ("segmenter", put("params", width=10**30), "damaged"),
        ("segmenter", put("params", width=float("nan")), "'width' parameter"),
        ("segmenter", put("params", learning_rate=float("inf")), "'learning_rate' parameter"),
        ("segmenter", put("params", depth=60), "'depth' parameter"),
        ("segmenter", put("params", network="os.system"), "network must be one of"),
        ("segmenter", put("params", network={"a": 1}), "'network' parameter"),
        ("segmenter", put("params", section_context=10**9, sections="consecutive"), "damaged"),
        ("segmenter", put("params", loss=nested(300)), "damaged"),
        ("segmenter", put("fitted", n_channels_="one"), "n_channels_ must be a count, got 'one'"),
        ("segmenter", put("fitted", n_channels_=10**12), "n_channels_ must be a count"),
        ("segmenter", put("fitted", n_channels_=2**31 - 1), "damaged"),
        ("segmenter", tensors_changed(lambda t: t.pop("calibration_")), "calibration_ is missing"),
        ("segmenter", tensors_changed(lambda t: t["calibration_"].fill_(float("nan"))),
         "calibration_ must be 2 finite numbers, the first of them positive, got .nan, nan."),
        ("segmenter", tensors_changed(lambda t: t.update(calibration_=torch.tensor([-1.0, 0.0]))),
         "calibration_ must be 2 finite numbers, the first of them positive, got .-1.0, 0.0."),
        ("segmenter", tensors_changed(lambda t: t.update(calibration_=torch.ones(3))),
         "calibration_ must be 2 finite numbers"),
        ("segmenter", put("fitted", spacing_=(0.0, 1.0)), "spacing_ must be a spacing or None"),
        ("segmenter", put("fitted", patch_shape_=[1, 2]), "patch_shape_ must be a shape"),
        ("segmenter", put("fitted", network_=None), "damaged"),
        ("segmenter", put("fitted", continuity_="x"), "continuity_ must be a network or None"),
        ("segmenter", put("fitted", fit="x"), "'fit' is not the name of a fitted attribute"),
        ("segmenter", put("fitted", __class__="x"), "is not the name of a fitted attribute"),
        ("segmenter", put("fitted", __reduce__=["os.system", "x"]), "is not the name"),
        ("segmenter", drop("fitted", "patch_shape_"), "patch_shape_"),
        ("segmenter", tensors_changed(dict.clear), "damaged"),
        ("segmenter", tensors_changed(lambda t: t.pop("network_.head.weight")), "Missing key"),
        ("segmenter", tensors_changed(lambda t: t.update({"network_.x": torch.ones(1)})),
         "Unexpected key"),
        ("segmenter", tensors_changed(lambda t: t.update({"predict.weight": torch.ones(1)})),
         "'predict' is not the name"),
        ("segmenter", tensors_changed(lambda t: t.update({"other_.weight": torch.ones(1)})),
         "has no network 'other_'"),
        ("segmenter", tensors_changed(
            lambda t: t.update({"network_.head.weight": t["network_.head.weight"].double()})),
         "must be of torch.float32, got torch.float64"),
        ("segmenter", tensors_changed(lambda t: t["network_.head.weight"].fill_(float("nan"))),
         "holds NaN or infinity"),
        ("segmenter", tensors_changed(
            lambda t: t.update(channel_mean_=torch.zeros(7, dtype=torch.float64))),
         "must be of each channel"),
        ("segmenter", tensors_changed(
            lambda t: t.update(channel_mean_=torch.zeros(1, dtype=torch.bfloat16))), "damaged"),
        ("sections", put("fitted", continuity_context_=10**6), "damaged"),
        ("classes", tensors_changed(lambda t: t.pop("classes_")), "classes_ is missing"),
        ("scaler", tensors_changed(lambda t: t.pop("low_")), "low_ is missing"),
        ("counter", put("fitted", threshold_="0.5"), "threshold_ must be a number, got '0.5'"),
        ("counter", put("fitted", min_size_=-1), "min_size_ must be a count"),
        ("otsu", put("fitted", counter_="os.system"), "damaged"),
        ("otsu", put("fitted", counter_={"params": {}, "fitted": {}}), "is missing"),
        ("contours", put("fitted", detector_=None), "damaged"),
        ("contours", put("fitted", detector_="os.system"), "damaged"),
        ("contours", put("params", method="os.system"), "'method' parameter"),
        ("contours", put("params", method=stored("os.system")), "registered class"),
        ("contours", put("params", method=stored(["Contours"])), "damaged"),
        ("contours", put("params", method=stored("Augmentation")), "'method' parameter"),
        ("contours", put("params", method=stored("Contours", detector="x")), "'detector'"),
        ("contours", put("params", method=stored("Contours", detector=stored("os.system"))),
         "registered class"),
        ("contours", put("params", method=stored(
            "Contours", detector=stored("ContourDetector", samples=10**9))), "'samples'"),
        ("counter", put("params", method=stored("Watershed", smoothing=-1.0)),
         "'smoothing' parameter"),
        ("objects", put("params", loss=stored("os.system")), "registered class"),
        ("objects", put("params", loss=stored("SegmentationLoss", border_weight="x" * 10**6)),
         "'border_weight' parameter"),
        ("objects", put("params", loss=stored("Augmentation")), "'loss' parameter"),
        ("objects", put("params", augmentation=stored("Augmentation", grid="os.system")),
         "grid must be an integer"),
        ("objects", put("params", semi_supervision=stored("SelfTraining", surprise=1)),
         "surprise"),
        ("detector", put("params", samples=10**9), "'samples' parameter"),
        ("detector", put("params", order=30), "damaged"),
        ("blobs", put("fitted", low_=None), "low_ must be a number, got None"),
        ("pretrainer", put("fitted", classes_={"../x.y": [1, 2]}), "damaged"),
        ("pretrainer", put("fitted", classes_=3), "damaged"),
        ("refiner", put("fitted", simulator_="os.system"), "damaged"),
        ("refiner", put("fitted", simulator_={"variants": [], "run": 1}), "damaged"),
        ("refiner", put("fitted", simulator_=stored("CellSimulator", radius="x")), "damaged"),
        ("refiner", put("params", depth=12, width=10**8), "damaged"),
        ("crossed", put("params", segmenter="os.system"), "'segmenter' parameter"),
        ("crossed", put("params", segmenter=stored("SegmentationLoss")), "'segmenter' parameter"),
        ("crossed", put("params", segmenter=stored("ContourDetector")), "damaged"),
        ("crossed", put("params", segmenter=stored("SemiSupervisedSegmenter", width="x")),
         "'width' parameter"),
        ("crossed", put("fitted", segmenter_=None), "damaged"),
        ("crossed", put("fitted", segmenter_="os.system"), "damaged"),
    ],
)  # fmt: skip
def test_forged_files_are_refused(name, change, message, files, tmp_path):
    path = tmp_path / "model"
    refused(forge(name, files, path, change), path, message)


def test_deeply_nested_values_are_refused(files, tmp_path):
    path, (_, content) = tmp_path / "model", files["scaler"]
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"]["values"] = "[" * 200_000
    header = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + content[8 + size :])
    refused(PercentileScaler(), path)


def test_what_is_no_file_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere", "/dev/zero", "a\0b"):
        with pytest.raises((OSError, ValueError)):
            PercentileScaler.load(path)


def test_a_forest_is_told_to_need_joblib(cells, tmp_path):
    X, y = cells
    forest = PixelForest(n_estimators=1, sigma_max=1.0, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="got RandomForestClassifier. Use joblib or pickle"):
        forest.save(tmp_path / "model")


def test_a_fitted_model_is_no_parameter_in_a_file(files, cells, tmp_path):
    """Only its parameters would be stored, and not what it learned."""
    backbone = PretrainedBackbone(files["segmenter"][0]).fit(cells[0])
    with pytest.raises(ValueError, match="model .* a fitted SemiSupervisedSegmenter: save it"):
        backbone.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())
