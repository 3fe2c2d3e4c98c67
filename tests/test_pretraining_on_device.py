"""Batches of proxies that are made on the device, here the CPU: what is drawn, and training."""

import numpy as np
import pytest
import torch

from sskseg import ProxyPretrainer
from sskseg.datasets import make_neuromuscular_junctions
from sskseg.pretraining import DeviceProxyBatches, ProxyBatches, proxy_batches_on
from sskseg.proxies import PROXIES, Proxy, make_proxy
from sskseg.training import device_arrays

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def images():
    X, _ = make_neuromuscular_junctions(6, (128, 96), random_state=0)
    return [(255 * x.clip(0, 1)).astype(np.uint8) for x in X]


def batches(kind, images, names, *, shape=(16, 16), strata=None, n=64, guards=True, seed=0):
    proxies = [make_proxy(name).prepare(images[0].shape[-1], None) for name in names]
    return kind(
        images, strata or [np.arange(len(images))], None, proxies=proxies, patch_shape=shape,
        guards=guards, batch_size=n, rng=np.random.default_rng(seed), device=CPU,
    )  # fmt: skip


def statistics(batch, classes):
    """Mean and error of statistics of the patches of each class."""
    patches = batch.images.numpy()[:, 0]
    values = np.stack([
        *np.percentile(patches, (1, 25, 50, 75, 99), axis=(1, 2)),
        np.square(np.diff(patches, axis=-1)).mean((1, 2)),
    ])  # fmt: skip
    groups = [values[:, classes.numpy() == k] for k in np.unique(classes)]
    errors = [group.std(1) / group.shape[1] ** 0.5 for group in groups]
    return np.stack([group.mean(1) for group in groups]), np.stack(errors)


@pytest.mark.parametrize("guards", [True, False])
@pytest.mark.parametrize("names", [("magnification", "channel"), ("channel", "restoration")])
def test_patches_have_the_same_distribution(images, names, guards):
    ours, theirs = (
        next(batches(kind, images, names, n=1000, guards=guards, seed=seed))
        for seed, kind in enumerate((DeviceProxyBatches, ProxyBatches))
    )
    for name in ours.targets:
        n = len(torch.unique(theirs.targets[name]))
        shares = torch.bincount(ours.targets[name]) / 1000
        assert (shares - 1 / n).abs().max() < 0.06
    classes = [sum(k * x for k, x in zip((1, 10), b.targets.values())) for b in (ours, theirs)]
    (one, its), (other, error) = map(statistics, (ours, theirs), classes)
    assert (np.abs(one - other) / np.hypot(its, error)).max() < 4.5
    if ours.clean is not None:
        assert torch.equal(ours.weights, torch.ones_like(ours.images))
        damage = [float((b.images - b.clean).square().mean()) for b in (ours, theirs)]
        assert damage[0] == pytest.approx(damage[1], rel=0.15)


def test_strata_are_drawn_equally(images):
    marked = [np.full_like(image, 50 * i) for i, image in enumerate(images)]
    for image in marked:
        image[::2] += 1
    strata = [np.array([0]), np.arange(1, 6)]
    made = batches(DeviceProxyBatches, marked, ("channel",), strata=strata, n=400)
    drawn = [made._varied_region(made.rng)[0] for _ in range(400)]
    assert np.mean(np.array(drawn) == 0) == pytest.approx(0.5, abs=0.08)


def test_patches_are_rarely_constant():
    image = np.zeros((64, 64, 2), np.uint8)
    image[20:36, 20:36, 0] = np.arange(16)
    made = next(batches(DeviceProxyBatches, [image], ("rotation",), shape=(8, 8), n=100))
    is_constant = (made.images == 0).flatten(1).all(1)
    assert is_constant.float().mean() < 0.9
    image[20:36, 20:36] = np.arange(16)[:, None]
    made = next(batches(DeviceProxyBatches, [image], ("rotation",), shape=(8, 8), n=100))
    assert (made.images == 0).flatten(1).all(1).float().mean() < 0.5


def test_images_that_do_not_fit_are_cut_on_the_cpu(images, monkeypatch):
    here = next(batches(DeviceProxyBatches, images, ("magnification", "channel", "masked")))
    monkeypatch.setattr(device_arrays, "_MAX_BYTES", 0)
    there = next(batches(DeviceProxyBatches, images, ("magnification", "channel", "masked")))
    assert torch.equal(here.images, there.images)
    assert torch.equal(here.targets["channel"], there.targets["channel"])


def test_a_proxy_without_batches_is_made_on_the_cpu(device_path):
    class Upright(Proxy):
        name = "upright"

    try:
        known = [make_proxy(name) for name in ("channel", "masked")]
        assert proxy_batches_on(CPU, known) is DeviceProxyBatches
        assert proxy_batches_on(CPU, [*known, make_proxy("upright")]) is ProxyBatches
    finally:
        del PROXIES["upright"]


def test_each_device_has_its_class():
    proxies = [make_proxy("channel")]
    assert proxy_batches_on(CPU, proxies) is ProxyBatches
    assert proxy_batches_on(torch.device("cuda"), proxies) is DeviceProxyBatches


@pytest.mark.filterwarnings("ignore:Histogram and power spectrum alone")
def test_it_learns_on_the_device(device_path):
    X, _ = make_neuromuscular_junctions(5, (64, 64), random_state=0)
    options = {"width": 8, "depth": 2, "random_state": 0, "batch_size": 8, "max_steps": 60}
    pretrainer, again = (ProxyPretrainer(("channel",), **options).fit(X) for _ in range(2))
    assert pretrainer.report_["channel"]["network"] > 0.9
    losses = [[row["loss"] for row in each.history_] for each in (pretrainer, again)]
    assert losses[0] == losses[1]
    masked = ProxyPretrainer(("masked",), **options).fit(X)
    assert masked.report_["masked"]["network"] > 0.1


@pytest.mark.filterwarnings("ignore:Histogram and power spectrum alone")
def test_all_proxies_train_on_volumes_on_the_device(device_path):
    X = [make_neuromuscular_junctions(1, (64, 64, 72), random_state=i)[0][0] for i in range(2)]
    names = ("magnification", "channel", "rotation", "restoration", "masked")
    options = {"width": 8, "depth": 2, "random_state": 0, "batch_size": 4, "max_steps": 2}
    pretrainer = ProxyPretrainer(names, spatial_ndim=3, **options).fit(X)
    assert set(pretrainer.report_) == set(names)
