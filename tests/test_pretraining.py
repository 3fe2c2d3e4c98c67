"""ProxyPretrainer: what it learns, what it hands on, what it refuses."""

import pickle
import warnings

import dask.array as da
import joblib
import numpy as np
import pytest
import sklearn
import torch
from scipy import fft
from scipy import ndimage as ndi
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sskseg import ImageStack, PercentileScaler, ProxyPretrainer, SemiSupervisedSegmenter
from sskseg.datasets import make_neuromuscular_junctions
from sskseg.nn import Backbone, make_network, transfer_weights
from sskseg.pretraining import _pretrainer
from sskseg.pretraining._training_data import hold_out, read_pretraining_data
from sskseg.proxies import PROXIES, Channel, Magnification, Masked, Proxy, make_proxy
from sskseg.simulation import CellSimulator

SMALL = {"width": 8, "depth": 2, "random_state": 0, "batch_size": 8}
ALL = ("magnification", "channel", "rotation", "restoration", "masked")


@pytest.fixture(autouse=True)
def calm():
    """Networks of a few steps learn little."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Histogram and power spectrum alone")
        yield


@pytest.fixture
def _few_crops(monkeypatch):
    monkeypatch.setattr(_pretrainer, "_CROPS", 16)


few_crops = pytest.mark.usefixtures("_few_crops")  # of tests that are not about the report


@pytest.fixture(scope="module")
def scans():
    return make_neuromuscular_junctions(5, (64, 64), random_state=0)[0]


class Unnamed(Proxy):
    pass


def scale_free(n, side, rng, noise=0.0):
    """Images whose power falls as the square of the frequency: no size is special."""
    f = np.sqrt(fft.fftfreq(side)[:, None] ** 2 + fft.fftfreq(side)[None] ** 2)
    f[0, 0] = np.inf
    images = fft.ifft2(fft.fft2(rng.standard_normal((n, side, side))) / f).real
    images /= images.std(axis=(1, 2), keepdims=True)
    return images + noise * rng.standard_normal(images.shape)


def accuracy(X, **options):
    pretrainer = ProxyPretrainer(
        (Magnification(factors=(1, 4)),), width=8, depth=2, max_steps=150, random_state=0,
        patch_size=32, validation_fraction=0.3, **options,
    )  # fmt: skip
    return pretrainer.fit(X).report_["magnification"]


def test_guards_leave_chance_where_scale_means_nothing():
    X = scale_free(12, 256, np.random.default_rng(0), noise=0.3)
    assert accuracy(X)["network"] < 0.6
    open_to_shortcuts = accuracy(X, guards=False)
    assert open_to_shortcuts["network"] > 0.7  # the noise, which shrinking averages away
    assert open_to_shortcuts["probe"] > 0.8


def test_noise_that_shrinking_averages_away_tells_nothing():
    X = scale_free(12, 256, np.random.default_rng(0), noise=1.0)
    found = accuracy(X)
    assert max(found["network"], found["probe"]) < 0.6


def test_guards_keep_scale_where_it_means_something():
    X = make_neuromuscular_junctions(8, (192, 192), noise=0.02, random_state=0)[0][..., 0]
    assert accuracy(X)["network"] > 0.7


def test_the_probe_flags_a_planted_shortcut():
    rng = np.random.default_rng(0)
    X = scale_free(8, 64, rng)
    X = np.stack([X, X[::-1]], axis=-1)
    X[:, :, ::4, 1] += 2.0  # lines of a camera, in the second channel
    pretrainer = ProxyPretrainer(("channel",), max_steps=2, **SMALL)
    with pytest.warns(UserWarning, match="Histogram and power spectrum alone predict the channel"):
        pretrainer.fit(X)
    assert pretrainer.report_["channel"]["probe"] > 0.9
    assert pretrainer.report_["channel"]["chance"] == 0.5


def test_it_learns_to_tell_channels(scans):
    pretrainer = ProxyPretrainer(("channel",), max_steps=60, **SMALL).fit(scans)
    new, _ = make_neuromuscular_junctions(4, (64, 64), random_state=9)
    assert pretrainer.score(new) > 0.9
    found = pretrainer.predict(new)
    assert found.columns.tolist() == ["sample", "channel", "predicted_channel"]
    assert (found.channel == found.predicted_channel).mean() > 0.8


def test_it_learns_to_restore(scans):
    scores = [
        ProxyPretrainer(("masked",), max_steps=steps, **SMALL).fit(scans).report_["masked"]
        for steps in (1, 150)
    ]
    assert scores[0].keys() == {"network"}
    assert scores[1]["network"] > max(0.1, scores[0]["network"])


def test_it_learns_what_a_simulator_draws(scans):
    stack = ImageStack(scans, simulator=CellSimulator(shape=(32, 32), radius=4.0, psf=0.5))
    pretrainer = ProxyPretrainer("simulation", max_steps=50, patch_size=32, **SMALL).fit(stack)
    assert pretrainer.history_[-1]["loss"] < 0.7 * pretrainer.history_[0]["loss"]
    assert pretrainer.report_["simulation"].keys() == {"network"}
    handed_on = pretrainer.transform(stack)
    assert handed_on.simulator is stack.simulator
    assert handed_on.backbone is not None


def test_constant_images_are_not_simulated():
    X, _ = CellSimulator(shape=(64, 64)).sample(2, 0)
    images = [*X[..., None], np.ones((64, 64, 1), np.float32)]
    data = read_pretraining_data(images, None, None, [make_proxy("simulation")])
    assert len(data.proxies[0].simulator.variants) == 2


@few_crops
def test_what_restores_tells_no_class(scans):
    pretrainer = ProxyPretrainer("restoration", max_steps=2, **SMALL).fit(scans)
    assert list(pretrainer.predict(scans)) == ["sample", "channel"]
    assert len(pretrainer.predict(scans)) == scans.shape[-1] * len(scans)


@pytest.mark.parametrize("ndim", [2, 3])
def test_all_proxies_together_on_ragged_domains(ndim, monkeypatch):
    monkeypatch.setattr(_pretrainer, "_CROPS", 32)
    shapes = [(64, 80), (72, 64), (64, 64)] if ndim == 2 else [(64, 64, 64), (64, 72, 64)]
    X = [make_neuromuscular_junctions(1, s, random_state=i)[0][0] for i, s in enumerate(shapes)]
    pretrainer = ProxyPretrainer(ALL, spatial_ndim=ndim, max_steps=2, **SMALL)
    pretrainer.fit(X, domains=["a", "b", "b"][: len(X)])
    assert set(pretrainer.report_) == set(ALL)
    assert pretrainer.classes_["magnification"] == [1.0, 2.0, 4.0]
    features = pretrainer.features(X)
    assert [f.shape for f in features] == [(*s, 16) for s in shapes]
    assert np.isfinite(features[0]).all()
    assert len(pretrainer.predict(X)) == 2 * len(X)


@few_crops
@pytest.mark.parametrize("proxy", ["channel", Channel()])
def test_a_single_proxy_needs_no_tuple(scans, proxy):
    pretrainer = ProxyPretrainer(proxy, max_steps=2, **SMALL).fit(scans)
    assert set(pretrainer.report_) == {"channel"}


def test_domains_are_drawn_equally_and_some_images_held_out():
    X = np.random.default_rng(0).random((9, 32, 32)).astype(np.float32)
    X[8] = 1000 + X[8] * 1000
    seen = []

    class Watching(Proxy):
        name = "watching"

        def find_classes(self, n_channels, magnifications):
            return ["low", "high"]

        def make(self, view, rng):
            target = int(view.image.max() > 500)
            seen.append(target)
            return view, target

    try:
        pretrainer = ProxyPretrainer((Watching(),), max_steps=40, patch_size=16, **SMALL)
        pretrainer.fit(X, domains=[0] * 8 + [1])
    finally:
        del PROXIES["watching"]
    assert abs(np.mean(seen) - 0.5) < 0.08
    assert len(pretrainer.validation_indices_) == 1
    assert pretrainer.validation_indices_[0] < 8


@few_crops
def test_known_magnifications_are_the_classes():
    (low, _), (high, _) = make_neuromuscular_junctions(
        2, (64, 64), magnification=(1, 2), random_state=0
    )
    X = [*low, *high]
    known = [1.0, 1.0, 2.0, 2.0]
    pretrainer = ProxyPretrainer(("magnification",), max_steps=2, patch_size=32, **SMALL)
    pretrainer.fit(X, magnification=known)
    assert pretrainer.classes_ == {"magnification": [1.0, 2.0]}
    assert 0 <= pretrainer.score(X, magnification=known) <= 1
    with pytest.raises(ValueError, match="X must hold the classes"):
        pretrainer.score(X, magnification=[1.0, 1.0, 3.0, 3.0])


@few_crops
def test_the_same_seed_gives_the_same_bits_and_files_keep_it(scans, tmp_path):
    model = ProxyPretrainer(("channel", "masked"), max_steps=3, **SMALL)
    first, second = clone(model).fit(scans), clone(model).fit(scans)
    for a, b in zip(first.network_.parameters(), second.network_.parameters(), strict=True):
        assert torch.equal(a, b)
    first.save(tmp_path / "model")
    joblib.dump(first, tmp_path / "pickled")
    for other in (ProxyPretrainer.load(tmp_path / "model"), joblib.load(tmp_path / "pickled")):
        assert np.array_equal(other.features(scans[:1]), first.features(scans[:1]))
        assert other.report_ == first.report_
        assert other.predict(scans).equals(first.predict(scans))


@pytest.mark.parametrize(
    ("blur", "noise", "guarded", "unguarded"),
    [((0.5, 0.5), (0.05, 0.3), 0.6, 0.85), ((0.5, 1.5), (0.1, 0.1), 0.8, 0.95)],
)
def test_guards_of_two_scanners(blur, noise, guarded, unguarded):
    """Unequal noise is no shortcut; unequal blur is less of one, but is still told in part."""
    rng = np.random.default_rng(0)
    X = [
        ndi.gaussian_filter(image, sigma) + strength * rng.standard_normal(image.shape)
        for sigma, strength in zip(blur, noise, strict=True)
        for image in scale_free(12, 128, rng)
    ]
    model = ProxyPretrainer(
        "magnification", width=8, depth=2, max_steps=150, random_state=0, patch_size=32,
        validation_fraction=0.3,
    )  # fmt: skip
    known = [1] * 12 + [4] * 12
    assert model.fit(X, magnification=known).report_["magnification"]["network"] < guarded
    model.set_params(guards=False).fit(X, magnification=known)
    assert model.report_["magnification"]["network"] > unguarded


@few_crops
def test_a_pretrained_pipeline_predicts_dask_arrays(scans):
    y = np.full(scans.shape[:-1], -1)
    y[0] = scans[0, ..., 0] > 0.5
    model = make_pipeline(
        PercentileScaler(), ProxyPretrainer("restoration", max_steps=1, **SMALL),
        SemiSupervisedSegmenter(semi_supervision=None, max_steps=1, **SMALL),
    ).fit(scans, y)  # fmt: skip
    found = model.predict(da.from_array(scans, chunks=(1, 64, 64, 2)))
    assert isinstance(found, da.Array)
    assert np.array_equal(found.compute(), model.predict(scans))


@few_crops
def test_a_fit_begins_anew(scans):
    model = ProxyPretrainer("channel", max_steps=2, **SMALL).fit(scans)
    rows = [row | {"time": 0} for row in model.history_]
    assert [row | {"time": 0} for row in model.fit(scans).history_] == rows


@few_crops
def test_a_proxy_may_have_any_name_and_only_one_answer(scans):
    class Items(Proxy):
        name = "items"

        def find_classes(self, n_channels, magnifications):
            return ["this", "that"]

        def make(self, view, rng):
            return view, 0

    try:
        model = ProxyPretrainer("items", max_steps=2, **SMALL).fit(scans)
        assert set(model.predict(scans)["predicted_items"]) <= {"this", "that"}
    finally:
        del PROXIES["items"]
    assert model.report_["items"]["probe"] == 0.5


class Headless(torch.nn.Module):
    margin = (0, 0)

    def features(self, x):
        return x


def test_a_network_without_what_is_needed_is_refused(scans):
    model = ProxyPretrainer("channel", network=lambda *a, **o: Headless(), max_steps=1)
    with pytest.raises(ValueError, match=r"without \['read_out', 'stride', 'reach'\]"):
        model.fit(scans)


@few_crops
def test_warm_start_goes_on(scans):
    model = ProxyPretrainer(("channel",), max_steps=2, warm_start=True, **SMALL).fit(scans)
    network = model.network_
    assert model.fit(scans).network_ is network
    assert len({id(row) for row in model.history_}) == 4
    with pytest.raises(ValueError, match="must have 2 channel"):
        model.fit(np.concatenate([scans, scans], axis=-1))


@pytest.mark.parametrize(
    ("proxies", "change", "options", "message"),
    [
        (("channel",), lambda X: X[..., :1], {}, "two channels or more, got 1"),
        (("channel",), lambda X: 0 * X, {}, "All images of X are constant"),
        (("magnification",), lambda X: X[:, :40], {}, "choose a smaller patch_size"),
        (("channel", "channel"), lambda X: X, {}, "different ones"),
        ((), lambda X: X, {}, "different ones"),
        (("jigsaw",), lambda X: X, {}, "A proxy is one of"),
        (("simulation", "channel"), lambda X: X, {}, "draws its patches and must be alone"),
        ("simulation", lambda X: X % 0.001, {}, "No cell was found"),
        ("jigsaw", lambda X: X, {}, "A proxy is one of"),
        (("magnification",), lambda X: X, {"magnification": [1, 1, 2, 2]}, "5 numbers"),
        (("magnification",), lambda X: X, {"magnification": [1, 1, 2, 2, np.nan]}, "for every"),
        (("magnification",), lambda X: X, {"magnification": [1] * 5}, "two magnifications"),
        (
            ("magnification",),
            lambda X: X * (np.arange(5) > 0)[:, None, None, None],  # the only one of 4 is constant
            {"magnification": [4, 1, 1, 1, 1]},
            r"two magnifications or more, got \[1.0\]",
        ),
        (
            ("magnification",),  # the same, with channels that differ from each other
            lambda X: np.concatenate([0 * X[:1] + [0, 1], X[1:]]),
            {"magnification": [4, 1, 1, 1, 1]},
            r"two magnifications or more, got \[1.0\]",
        ),
        (("channel",), lambda X: X * [1, 0], {}, "Channel 1 of X is constant"),
        (Unnamed(), lambda X: X, {}, "needs a name"),
        ("channel", lambda X: X, {"domains": [None] * 5}, "must be of one type"),
        ("channel", lambda X: X, {"domains": ["a", 1, 1, 1, 1]}, "must be of one type"),
        ("channel", lambda X: X, {"domains": [np.nan, 1, 1, 1, 1]}, "must be of one type"),
        ((Masked(block=32),), lambda X: X, {"patch_size": 32}, "block must be smaller"),
        (("channel",), lambda X: X, {"domains": [1, 2]}, "a domain for each of 5"),
    ],
)
def test_what_does_not_serve_is_refused_before_training(scans, proxies, change, options, message):
    model = ProxyPretrainer(proxies, max_steps=10**6, **SMALL)
    model.set_params(patch_size=options.get("patch_size", "auto"))
    with pytest.raises(ValueError, match=message):
        model.fit(change(scans), **{k: v for k, v in options.items() if k != "patch_size"})


def test_patches_and_networks_that_do_not_fit_are_refused(scans):
    with pytest.raises(ValueError, match=r"X\[0\] has shape \(64, 64\), smaller than \(128, 128\)"):
        ProxyPretrainer((Channel(),), patch_size=128, **SMALL).fit(scans)
    with pytest.raises(ValueError, match="decoder features and same padding"):
        ProxyPretrainer(("channel",), network="unet-valid", **SMALL).fit(scans)
    with pytest.raises(ValueError, match="decoder features and same padding"):
        ProxyPretrainer(("channel",), network="dmcn", **SMALL).fit(scans)


@few_crops
def test_magnification_and_groups_are_routed(scans):
    known, domains = [1.0, 1.0, 2.0, 2.0, 2.0], ["a", "a", "a", "b", "b"]
    pretrainer = ProxyPretrainer(("magnification",), max_steps=1, patch_size=32, **SMALL)
    with sklearn.config_context(enable_metadata_routing=True):
        model = make_pipeline(
            PercentileScaler(), pretrainer.set_fit_request(magnification=True, domains=True)
        )
        model.fit(scans, magnification=known, domains=domains)
        assert model[-1].classes_ == {"magnification": [1.0, 2.0]}
        with pytest.raises(ValueError, match="a domain for each of 5 samples"):
            model.fit(scans, magnification=known, domains=domains[:4])


# The backbone in the segmenter


def test_weights_are_taken_over_and_the_stem_adapted():
    source, target = (make_network("unet-shuffle", n, 1, 4, 1) for n in (1, 2))
    taken = transfer_weights(source, target)
    assert not any(name.startswith("head") for name in taken)
    source.eval(), target.eval()
    x = torch.rand(1, 1, 8, 8)
    torch.testing.assert_close(source.features(x), target.features(torch.cat([x, x], 1)))
    with pytest.raises(ValueError, match="does not fit"):
        transfer_weights(source, make_network("unet-shuffle", 1, 1, 8, 1))
    with pytest.raises(ValueError, match="another network"):
        transfer_weights(source, make_network("unet-shuffle", 1, 1, 4, 2))


def test_rescaled_weights_have_the_norm_of_new_ones_and_the_same_features():
    source, target = (make_network("unet-shuffle", 1, 1, 4, 2) for _ in range(2))
    with torch.no_grad():
        for name, weight in source.named_parameters():
            weight.mul_(5.0 if name.startswith("encoder") else 0.5)
    x = torch.rand(2, 1, 32, 32)
    source.features(x)  # for statistics that are not those of new networks
    kernels = [target.encoder[1][0], target.encoder[2][3], target.decoder[0][0]]
    norms = [kernel.weight.norm().item() for kernel in kernels]
    transfer_weights(source, target, rescale=True)
    for mode in (True, False):
        features = [network.train(mode).features(x) for network in (source, target)]
        torch.testing.assert_close(*features, atol=1e-3, rtol=1e-3)
    assert [kernel.weight.norm().item() for kernel in kernels] == pytest.approx(norms)


def directions(*kernels):
    """Kernels without their norm, which the segmenter changes."""
    return [kernel / kernel.norm() for kernel in kernels]


def pipeline(finetune="all", **options):
    pretrainer = ProxyPretrainer(("channel", "restoration"), max_steps=2, **SMALL)
    options = {"max_steps": 4, "random_state": 0, "batch_size": 2, **options}
    return make_pipeline(
        PercentileScaler(), pretrainer,
        SemiSupervisedSegmenter(finetune=finetune, semi_supervision=None, **options),
    )  # fmt: skip


@few_crops
@pytest.mark.parametrize("finetune", ["last", "all", "gradual"])
def test_the_segmenter_starts_from_the_backbone(scans, finetune, tmp_path):
    y = make_neuromuscular_junctions(5, (64, 64), random_state=0)[1]
    # Without early stopping, which may keep weights from before all layers learn.
    model = pipeline(finetune, validation_fraction=0.0).fit(scans, y)
    segmenter, backbone = model[-1], model[1].transform(scans).backbone.module
    assert segmenter.architecture_ == ("unet-shuffle", 8, 2)
    networks = segmenter.network_, backbone
    early = directions(*(network.encoder[1][0].weight for network in networks))
    late = directions(*(network.decoder[-1][0].weight for network in networks))
    assert torch.allclose(*early, atol=1e-6) == (finetune == "last")
    assert not torch.allclose(*late, atol=1e-6)
    torch.testing.assert_close(*late, atol=0.02, rtol=0)
    assert all(p.requires_grad for p in segmenter.network_.parameters())
    segmenter.save(tmp_path / "model")
    loaded = SemiSupervisedSegmenter.load(tmp_path / "model")
    assert np.array_equal(loaded.predict(scans[:1]), segmenter.predict(scans[:1]))


@few_crops
def test_a_backbone_that_conflicts_is_refused(scans):
    y = make_neuromuscular_junctions(5, (64, 64), random_state=0)[1]
    with pytest.raises(ValueError, match="width=12 conflicts with the backbone, .*width=8"):
        pipeline(width=12).fit(scans, y)
    with pytest.raises(ValueError, match="network='unet' conflicts"):
        pipeline(network="unet").fit(scans, y)
    module = make_network("unet-shuffle", 1, 1, 32, 3, ndim=3)
    stack = ImageStack(scans, backbone=Backbone(module, "unet-shuffle", 32, 3, 3))
    with pytest.raises(ValueError, match="spatial_ndim=2 conflicts"):
        SemiSupervisedSegmenter(semi_supervision=None, max_steps=1).fit(stack, y)
    with pytest.raises(TypeError, match=r"must be a sskseg\.nn\.Backbone"):
        SemiSupervisedSegmenter(semi_supervision=None, max_steps=1).fit(
            ImageStack(scans, backbone="me"), y
        )


@few_crops
def test_consecutive_sections_start_from_the_backbone_too(scans):
    y = make_neuromuscular_junctions(5, (64, 64), random_state=0)[1]
    model = pipeline(sections="consecutive").fit(scans, y)
    assert model[-1].network_.encoder[0][0].weight.shape[1] == 4 * 5 * 2


@few_crops
def test_a_pickled_copy_has_the_hash_of_the_original(scans):
    pretrainer = ProxyPretrainer(("channel",), max_steps=2, **SMALL).fit(scans)
    stack = pretrainer.transform(scans)
    for thing in (stack, pretrainer):
        copied = pickle.loads(pickle.dumps(thing))
        again = pickle.loads(pickle.dumps(copied))
        assert joblib.hash(thing) == joblib.hash(copied) == joblib.hash(again)
    features = pretrainer.features(scans)
    assert np.array_equal(np.stack(copied.features(scans)), np.stack(features))


def test_what_is_held_out_is_no_neighbor_of_what_is_trained_on():
    strata = [np.arange(10), np.array([10, 11, 13, 14]), np.arange(20, 23)]
    validation, training = hold_out(strata, 0.2)
    assert [indices.tolist() for indices in validation] == [[8, 9], [14], [20, 21, 22]]
    # Image 12 is constant, say: none lies before a gap.
    assert [indices.tolist() for indices in training] == [[*range(7)], [10, 11], [20, 21, 22]]
    assert hold_out([np.array([1, 2, 5, 9])], 0.2)[1][0].tolist() == [1, 2, 5]
    for fraction in (0.01, 0.5, 0.99):
        (held_out,), (trained,) = hold_out([np.arange(6)], fraction)
        assert held_out.size
        assert trained.size
        assert held_out[0] - trained[-1] == 2
    assert [len(each[0]) for each in hold_out([np.arange(6)], 0.0)] == [6, 6]
