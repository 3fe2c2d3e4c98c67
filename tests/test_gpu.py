"""What needs a GPU: ``python -m pytest tests/test_gpu.py`` on a machine that has one."""

import pickle

import numpy as np
import pytest
import torch

from sskseg import (
    ContourDetector,
    ProxyPretrainer,
    SemiSupervisedSegmenter,
    SimulatedRefiner,
)
from sskseg.datasets import make_cells, make_neuromuscular_junctions
from sskseg.images import PatchSampler, section_indices
from sskseg.images.augmentation import Augmentation
from sskseg.metrics import f1_instances
from sskseg.morphology import normalized_distance
from sskseg.simulation import CellSimulator
from sskseg.training import DeviceBatches, PatchBatches, device_arrays

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


@pytest.mark.filterwarnings("ignore:Histogram and power spectrum alone")
def test_all_proxies_are_learned_on_a_gpu():
    X, _ = make_neuromuscular_junctions(5, (128, 128), random_state=0)
    names = ("magnification", "channel", "rotation", "restoration", "masked")
    pretrainer = ProxyPretrainer(
        names, width=8, depth=2, patch_size=32, max_steps=20, device="cuda", random_state=0
    ).fit(X)
    assert set(pretrainer.report_) == set(names)
    channel = ProxyPretrainer(
        ("channel",), width=8, depth=2, batch_size=8, max_steps=60, device="cuda", random_state=0
    ).fit(X)
    assert channel.report_["channel"]["network"] > 0.9


def test_a_refiner_trains_on_a_gpu():
    real = CellSimulator(shape=(96, 96), noise=0.08, psf=2.0).sample(8, 3)[0]
    refiner = SimulatedRefiner(
        width=8, depth=1, batch_size=4, max_steps=30, device="cuda", random_state=0
    ).fit(real)
    assert all(np.isfinite(row["discriminator"]) for row in refiner.history_)
    assert {p.device.type for p in refiner.network_.parameters()} == {"cpu"}


@pytest.mark.parametrize("fits", [True, False])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_patches_of_the_gpu_are_those_of_the_cpu(dtype, fits, monkeypatch):
    if not fits:
        monkeypatch.setattr(device_arrays, "_MAX_SHARE", 0)
    X, y = make_cells(4, (160, 128), random_state=0)
    images = list((200 * X).astype(dtype)[..., None])
    targets = [normalized_distance(label).astype(np.float16) for label in y]
    ours, theirs = (
        next(kind(
            images, list(y), targets, section_indices=section_indices(np.arange(4), 1),
            sampler=PatchSampler(list(y), (64, 64)), augmentation=Augmentation(warm_up=0, noise=0),
            mean=np.full(1, 20, np.float32), std=np.full(1, 50, np.float32), batch_size=16,
            rng=np.random.default_rng(0), device=torch.device(device),
        ))
        for kind, device in ((DeviceBatches, "cuda"), (PatchBatches, "cpu"))
    )  # fmt: skip
    assert {tensor.device.type for tensor in ours if tensor is not None} == {"cuda"}
    difference = (ours.images.cpu() - theirs.images).abs()
    assert difference.max() < 0.05
    assert difference.mean() < 1e-3
    assert (ours.labels.cpu() != theirs.labels).float().mean() < 2e-3
    known = ~(ours.targets.cpu().isnan() | theirs.targets.isnan())
    assert (ours.targets.cpu() - theirs.targets)[known].abs().quantile(0.99) < 5e-3


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
