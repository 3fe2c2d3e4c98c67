"""What needs a GPU: ``python -m pytest tests/test_gpu.py`` on a machine that has one."""

import pickle

import numpy as np
import pytest
import torch

from sskseg import ContourDetector, ProxyPretrainer, SemiSupervisedSegmenter
from sskseg.datasets import make_cells
from sskseg.metrics import f1_instances

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


@pytest.fixture(scope="module")
def trained():
    X, y = make_cells(4, (256, 256), random_state=0)
    model = SemiSupervisedSegmenter(
        semi_supervision=None, max_steps=50, device="cuda", random_state=0
    )
    return X, model.fit(X, y)


def test_gpu_and_cpu_agree(trained):
    X, model = trained
    model.set_params(precision="float32", device="cuda")
    with torch.backends.cudnn.flags(allow_tf32=False):
        on_gpu = model.predict_proba(X)
    on_cpu = model.set_params(device="cpu").predict_proba(X)
    assert np.abs(on_gpu - on_cpu).max() < 1e-4


@pytest.mark.parametrize("network", ["unet", "unet-valid", "unet-lite", "dmcn"])
def test_membrane_networks_agree_on_gpu_and_cpu(network):
    X, y = make_cells(4, (256, 256), random_state=0)
    model = SemiSupervisedSegmenter(
        network, width=8, depth=3, learning_rate=5e-4, max_steps=20, device="cuda",
        precision="float32", semi_supervision=None, random_state=0,
    ).fit(X, y)  # fmt: skip
    with torch.backends.cudnn.flags(allow_tf32=False):
        on_gpu = model.predict_proba(X)
    on_cpu = model.set_params(device="cpu").predict_proba(X)
    assert np.abs(on_gpu - on_cpu).max() < 1e-4


def test_contours_agree_on_gpu_and_cpu():
    X, y = make_cells(4, (256, 256), random_state=0)
    detector = ContourDetector(max_steps=60, device="cuda", precision="float32", random_state=0)
    detector.fit(X, y)
    with torch.backends.cudnn.flags(allow_tf32=False):
        on_gpu = detector.predict(X)
    on_cpu = detector.set_params(device="cpu").predict(X)
    assert f1_instances(list(on_gpu), list(on_cpu), 0.9) > 0.99
    assert detector.score(X, y) > 0.9


def test_a_model_of_the_gpu_loads_on_the_cpu(trained, tmp_path):
    _, model = trained
    devices = {p.device.type for p in pickle.loads(pickle.dumps(model)).network_.parameters()}
    assert devices == {"cpu"}
    model.save(tmp_path / "model")
    loaded = SemiSupervisedSegmenter.load(tmp_path / "model")
    assert {p.device.type for p in loaded.network_.parameters()} == {"cpu"}


def test_all_ways_to_learn_without_labels_run_on_a_gpu():
    rng = np.random.default_rng(0)
    cells, known = make_cells(1, (128, 128), random_state=0)
    stack = cells[0] + rng.normal(0, 0.05, (12, 128, 128)).astype(np.float32)
    y = np.full(stack.shape, -1)
    y[[2, 8]] = known[0]
    options = {"sections": "consecutive", "max_steps": 40, "device": "cuda", "random_state": 0}
    for methods in (("self-training", "continuity"), "consistency", "mean-teacher"):
        model = SemiSupervisedSegmenter(semi_supervision=methods, **options).fit(stack, y)
        assert np.isfinite(model.predict_proba(stack)).all()
    pretrainer = ProxyPretrainer(
        ("restoration",), patch_size=32, max_steps=10, device="cuda",
        random_state=0,
    ).fit(stack)  # fmt: skip
    assert np.isfinite(pretrainer.features(stack[:1])[0]).all()


def test_too_little_memory_gives_smaller_tiles(trained):
    _, model = trained
    X = np.random.default_rng(0).random((1, 1024, 1024), dtype=np.float32)
    model.set_params(precision="float32", device="cuda")
    expected = model.predict_proba(X)
    torch.cuda.empty_cache()
    free, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction((total - free + 150e6) / total)
    try:
        result = model.predict_proba(X)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert np.abs(result - expected).max() < 1e-4
