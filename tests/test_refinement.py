"""SimulatedRefiner: what it changes, what it keeps, and what it tells."""

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sskseg import (
    ImageStack,
    InstanceCounter,
    SemiSupervisedSegmenter,
    SimulatedRefiner,
    refinement,
)
from sskseg.refinement import (
    HistoryBuffer,
    PatchDiscriminator,
    Refiner,
    SpatiallyAdaptiveNorm,
    adversarial,
    self_regularization,
    spectrum_realism,
    structure_realism,
)
from sskseg.refinement.patches import SimulatedPool, hold_out
from sskseg.refinement.realism import structure_features
from sskseg.simulation import (
    CellSimulator,
    boundary_shifts,
    hallucinated,
    label_conditioning,
    surviving,
)

TINY = {"width": 8, "depth": 1, "batch_size": 2, "random_state": 0}


@pytest.fixture(scope="module", autouse=True)
def _small_pool():
    """Less is drawn and looked at than by default."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refinement._refiner, "_POOL", 32)
        patch.setattr(refinement.monitor, "N_PATCHES", 24)
        patch.setattr(refinement.monitor, "N_EVALUATED", 4)
        yield


@pytest.fixture(scope="module")
def real():
    """Cells that are noisier and smoother than simulated ones are by default."""
    return CellSimulator(shape=(64, 80), noise=0.08, psf=2.0, radius=7).sample(6, 3)[0]


@pytest.fixture(scope="module")
def fitted(real):
    return SimulatedRefiner(max_steps=12, **TINY).fit(real)


# Networks


def test_a_refiner_starts_as_the_identity():
    torch.manual_seed(0)
    refiner = Refiner(3, width=8, n_blocks=2)
    x, maps, noise = torch.rand(2, 1, 20, 24), torch.rand(2, 3, 20, 24), torch.randn(2, 1, 20, 24)
    assert torch.equal(refiner(x, maps, noise), x)
    torch.nn.init.normal_(refiner.head.weight)
    changed = refiner(x, maps, noise)
    assert (changed - x).abs().max() <= 0.5
    assert not torch.allclose(changed, refiner(x, 1 - maps, noise))
    assert not torch.allclose(changed, refiner(x, maps, -noise))


def test_modulation_is_by_place():
    torch.manual_seed(0)
    norm = SpatiallyAdaptiveNorm(4, 1, hidden=4)
    x, maps = torch.rand(1, 4, 16, 16), torch.zeros(1, 1, 16, 16)
    maps[..., 8:] = 1.0
    both = norm(x, maps), norm(x, torch.zeros_like(maps))
    assert torch.allclose(both[0][..., :6], both[1][..., :6], atol=1e-6)
    assert not torch.allclose(both[0][..., 9:], both[1][..., 9:])


def test_a_discriminator_scores_patches_at_two_scales():
    scores = PatchDiscriminator(width=4, n_layers=2)(torch.rand(3, 1, 64, 48))
    assert [s.shape[:2] for s in scores] == [(3, 1), (3, 1)]
    assert scores[0].shape[2] > scores[1].shape[2] > 1


def test_the_buffer_gives_old_images_back():
    buffer = HistoryBuffer(6, np.random.default_rng(0))
    for step in range(5):
        mixed = buffer.mix(torch.full((4, 1), float(step)))
        assert len(mixed) == 4
        assert (mixed == step).sum() >= 2
        if step > 1:
            assert (mixed[2:] < step).any()
    assert len(buffer.images) == 6


def test_the_buffer_fills_with_single_images():
    buffer = HistoryBuffer(6, np.random.default_rng(0))
    old = 0
    for step in range(40):
        mixed = buffer.mix(torch.full((1, 1), float(step)))
        assert len(mixed) == 1
        old += float(mixed) < step
    assert len(buffer.images) == 6
    assert 10 < old < 30


def test_self_regularization_counts_what_labels_depend_on():
    label = np.zeros((32, 32), int)
    label[8:24, 8:24] = 1
    maps = torch.from_numpy(label_conditioning(label))[None]
    x = torch.zeros(1, 1, 32, 32)
    inside, outside, level = x.clone(), x.clone(), x + 0.1
    inside[..., 16, 16] = outside[..., 2, 2] = 1.0
    losses = [float(self_regularization(y, x, maps)) for y in (x, outside, inside, level)]
    assert losses[0] == 0
    assert losses[2] > 2 * losses[1] > 0
    assert abs(losses[3] - 0.05) < 1e-3


# Annotations


@pytest.fixture(scope="module")
def disc():
    y, x = np.mgrid[:64, :64]
    label = ((y - 32) ** 2 + (x - 32) ** 2 < 15**2).astype(int)
    return 0.2 + 0.6 * label, label


# Realism


def phase_scrambled(images, rng):
    """Noise with the histograms and the power spectra of images (IAAFT surrogates)."""
    scrambled = []
    for image in images:
        amplitude, values = np.abs(np.fft.fftn(image)), np.sort(image, axis=None)
        noise = rng.permutation(image.ravel()).reshape(image.shape)
        for _ in range(20):
            phase = np.exp(1j * np.angle(np.fft.fftn(noise)))
            noise = np.fft.ifftn(amplitude * phase).real
            noise = values[noise.argsort(axis=None).argsort()].reshape(image.shape)
        scrambled.append(noise)
    return scrambled


@pytest.mark.parametrize("shape", [(64, 64), (24, 24, 24)])
def test_only_the_realism_of_structure_tells_cells_from_noise_of_their_spectrum(shape):
    simulator = CellSimulator(shape=shape, noise=0.08)
    cells, others = simulator.sample(40, 0)[0], simulator.sample(40, 1)[0]
    noise = phase_scrambled(others, np.random.default_rng(0))
    assert spectrum_realism(cells, noise) > 0.7
    assert structure_realism(cells, noise) < 0.4
    assert structure_realism(cells, others) > 0.7
    assert structure_realism(cells, 0.5 * others + 0.2) > 0.7
    assert structure_features(cells).shape == (40, 18)
    assert np.isfinite(structure_features(np.zeros((1, *shape)))).all()


def test_realism_is_measured_on_held_out_images(real, monkeypatch):
    trained, evaluated, drawn = [], [], []
    original = refinement._refiner.real_batches
    monkeypatch.setattr(
        refinement._refiner, "real_batches",
        lambda images, *rest: trained.append(images) or original(images, *rest),
    )  # fmt: skip
    monitor = refinement.monitor.Monitor
    monkeypatch.setattr(
        refinement._refiner, "Monitor", lambda *a: evaluated.append(a[1:3]) or monitor(*a)
    )
    batches = SimulatedPool.batches
    monkeypatch.setattr(SimulatedPool, "batches", lambda s, *a: drawn.append(s.X) or batches(s, *a))
    SimulatedRefiner(max_steps=1, **TINY).fit(real)
    ((judged, held_out),), (training,) = evaluated, trained
    assert len(held_out) == 2
    sums = [float(image.sum()) for image in (*held_out, *training)]
    assert sorted(sums) == sorted(float(image.sum()) for image in real)
    (used,) = drawn
    assert (len(used), len(judged.X)) == (24, 8)
    assert not any((a == b).all() for a in used for b in judged.X)


def test_a_part_of_the_only_image_is_held_out():
    image = np.arange(60 * 200.0).reshape(60, 200)
    (training,), (held_out,) = hold_out([image], (48, 48), np.random.default_rng(0))
    assert training.shape == (60, 150)
    assert np.array_equal(np.concatenate([training, held_out], 1), image)
    with pytest.warns(UserWarning, match=r"one image, of shape \(60, 90\), .* too high"):
        parts = hold_out([image[:, :90]], (48, 48), np.random.default_rng(0))
    assert [part[0].shape for part in parts] == [(60, 90)] * 2


def test_shifts_are_measured(disc):
    image, label = disc
    for size, radius in ((0, 15), (2, 17), (-3, 12)):
        y, x = np.mgrid[:64, :64]
        moved = 0.2 + 0.6 * ((y - 32) ** 2 + (x - 32) ** 2 < radius**2)
        assert abs(np.median(boundary_shifts(image, moved, label)) - size) <= 0.5
    assert not boundary_shifts(image, image, 0 * label).size


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("size", [-0.3, 0.15, 0.4])
def test_shifts_of_less_than_a_pixel_are_measured(ndim, size):
    side = 64 if ndim == 2 else 40
    distance = np.linalg.norm(np.indices((side,) * ndim) - side / 2, axis=0)
    before, after = (1 / (1 + np.exp(distance - r)) for r in (12, 12 + size))
    found = boundary_shifts(before, after, (distance < 12).astype(int))
    assert np.median(found) == pytest.approx(size, abs=0.07)


def test_a_halo_is_regularized_more_than_noise_or_sharpness(disc):
    image, label = disc
    maps = torch.from_numpy(label_conditioning(label)).expand(8, -1, -1, -1)
    x = torch.from_numpy(image.astype(np.float32)).expand(8, 1, -1, -1)
    distance = torch.from_numpy(np.hypot(*(np.indices(label.shape) - 31.5)) - 15).float()
    halo = 0.06 * torch.exp(-0.5 * ((distance - 2) / 1.5) ** 2)
    noise = 0.06 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    sharper = -0.06 * torch.tanh(distance / 2) * torch.exp(-0.5 * (distance / 3) ** 2)
    halo, noise, sharper = (
        float(adversarial._bias(c + 0 * x, maps)) for c in (halo, noise, sharper)
    )
    assert halo > 0.001
    assert max(noise, sharper) < 0.2 * halo


def test_objects_survive_or_do_not(disc):
    image, label = disc
    assert surviving(image, 0.1 + 0.7 * image, label).tolist() == [True]
    assert surviving(image, np.full_like(image, 0.2), label).tolist() == [False]
    assert surviving(image, 1 - image, label).tolist() == [False]


def test_new_objects_are_counted(disc):
    image, label = disc
    more = image.copy()
    more[2:14, 2:20] = 0.8
    assert hallucinated(image, more, label) == 1
    assert hallucinated(image, image, label) == 0


# The estimator


def test_it_draws_images_with_labels(fitted, real):
    X, y = fitted.sample(3, random_state=0)
    plain, same = fitted.simulator_.sample(3, np.random.default_rng(0))
    assert X.shape == (3, *fitted.patch_shape_) == y.shape == (3, 64, 64)
    assert np.array_equal(y, same)
    assert X.dtype == np.float32
    assert np.abs(X - plain).max() <= 0.5 + 1e-6
    assert set(fitted.report_) == {
        "spectrum_realism", "spectrum_realism_simulated", "structure_realism",
        "structure_realism_simulated", "boundary_shift", "boundary_shift_95", "boundary_bias",
        "survival", "hallucination",
    }  # fmt: skip
    assert 6 < fitted.history_[-1]["step"] <= 12
    assert 0 <= fitted.score(real) <= 1
    assert fitted.predict(y).shape == X.shape


def test_it_is_deterministic_and_saved(fitted, real, tmp_path):
    expected = fitted.sample(2, 0)
    again = clone(fitted).fit(real)
    assert np.array_equal(again.sample(2, 0)[0], expected[0])
    joblib.dump(fitted, tmp_path / "model")
    assert np.array_equal(joblib.load(tmp_path / "model").sample(2, 0)[0], expected[0])
    fitted.save(tmp_path / "model.safetensors")
    loaded = SimulatedRefiner.load(tmp_path / "model.safetensors")
    assert all(np.array_equal(a, b) for a, b in zip(loaded.sample(2, 0), expected))
    assert loaded.simulator_ == fitted.simulator_
    assert loaded.report_ == fitted.report_
    assert loaded.score(real) == fitted.score(real)


def test_a_simulator_of_the_parameters_is_saved_and_one_of_the_callers_is_not(real, tmp_path):
    given = CellSimulator(shape=(64, 64), radius=6).calibrate(real)
    model = SimulatedRefiner(given, max_steps=1, **TINY).fit(real)
    assert model.simulator_ is given
    model.save(tmp_path / "model")
    assert SimulatedRefiner.load(tmp_path / "model").simulator == given
    model = SimulatedRefiner(Fixed(given), max_steps=1, **TINY).fit(real)
    with pytest.raises(ValueError, match="without executing code: .* got Fixed"):
        model.save(tmp_path / "other")
    assert not (tmp_path / "other").exists()
    damaged = (tmp_path / "model").read_bytes().replace(b"radius_spread", b"sadius_spread")
    (tmp_path / "model").write_bytes(damaged)
    with pytest.raises(ValueError, match="model is damaged"):
        SimulatedRefiner.load(tmp_path / "model")


def test_stacks_of_three_dimensions(monkeypatch):
    for module, name in ((refinement._refiner, "_POOL"), (refinement.monitor, "N_PATCHES")):
        monkeypatch.setattr(module, name, 8)  # what is drawn in three dimensions takes long
    simulator = CellSimulator(shape=(26, 28, 30), radius=5, coverage=0.1)
    X, y = simulator.sample(3, 0)
    model = SimulatedRefiner(simulator, spatial_ndim=3, max_steps=2, **TINY).fit(X)
    assert model.patch_shape_ == (26, 26, 26)
    drawn, labels = model.sample(1, 0)
    assert drawn.shape == labels.shape == (1, 26, 28, 30)
    assert model.refine(X, y, random_state=0).shape == X.shape
    assert model.report_["survival"] > 0.9
    assert abs(model.report_["boundary_bias"]) < 0.5
    with pytest.raises(ValueError, match="at least 24 pixels wide, got shape"):
        SimulatedRefiner(spatial_ndim=3, **TINY).fit(X[:, :20])


def test_training_changes_images_towards_real_ones(real):
    plain = CellSimulator(shape=(64, 64), noise=0.0, psf=0.5, texture=0.0)
    model = SimulatedRefiner(
        Fixed(plain), self_regularization=1.0, max_steps=150, **{**TINY, "learning_rate": 2e-3}
    ).fit(real)
    X, _ = model.sample(8, 0)
    before, _ = plain.sample(8, np.random.default_rng(0))

    def roughness(images):
        return np.abs(np.diff(images, 2, axis=-1)).mean()

    assert roughness(before) < 0.6 * roughness(real)
    assert abs(roughness(X) - roughness(real)) < abs(roughness(before) - roughness(real))


class Fixed:
    """A simulator that cannot be calibrated."""

    def __init__(self, simulator):
        self.simulator = simulator

    def sample(self, n, random_state=None):
        return self.simulator.sample(n, random_state)


def test_a_refiner_that_damages_annotations_warns_and_keeps_what_did_not(real, monkeypatch):
    monkeypatch.setattr(
        refinement.monitor, "surviving",
        lambda before, after, labels: np.array([np.abs(after - before).max() < 1e-9]),
    )  # fmt: skip
    model = SimulatedRefiner(max_steps=12, **TINY)
    with pytest.warns(
        UserWarning, match="raise self_regularization.*The last state that was good is kept"
    ):
        model.fit(real)
    X, _ = model.sample(2, 0)
    assert np.array_equal(X, model.simulator_.sample(2, np.random.default_rng(0))[0])
    assert model.report_["survival"] == 1.0


def test_training_that_diverges_ends_with_the_last_good_state(real, monkeypatch):
    def broken(*args, **kwargs):
        regular = self_regularization(*args, **kwargs)
        calls.append(1)
        return regular * float("nan") if len(calls) > 8 else regular

    calls: list[int] = []
    monkeypatch.setattr("sskseg.refinement.adversarial.self_regularization", broken)
    model = SimulatedRefiner(max_steps=40, **TINY)
    told = "Training diverged: .* The learning rate is 0.0004; the last good state is kept"
    with pytest.warns(UserWarning, match=told):
        model.fit(real)
    assert model.history_
    assert np.isfinite(model.sample(2, 0)[0]).all()
    assert model.report_["survival"] > 0.97


def test_training_that_collapses_ends_with_the_last_good_state(real, monkeypatch):
    simulator = CellSimulator(shape=(64, 64)).calibrate(real)

    def judge(watch, images):
        plain = np.array_equal(images, watch.pool.X[: len(images)])
        return {"spectrum_realism": 0.3 if plain else 0.1, "structure_realism": 0.0}

    monkeypatch.setattr(refinement.monitor.Monitor, "_realism", judge)
    model = SimulatedRefiner(simulator, max_steps=12, **TINY)
    with pytest.warns(UserWarning, match="Refining collapsed: .* spectrum_realism of 0.10, plain "
                      "simulated ones 0.30. Lower learning_rate"):  # fmt: skip
        model.fit(real)
    X, _ = model.sample(2, 0)
    assert np.array_equal(X, simulator.sample(2, np.random.default_rng(0))[0])


def test_polarity_the_wrong_way_round_is_told(real):
    dark = Fixed(CellSimulator(shape=(64, 64), foreground=0.2, background=0.7))
    told = "Simulated cells are dark, and real ones look the other way round in 6 of 6 images"
    with pytest.warns(UserWarning, match=f"{told}: exchange foreground and background"):
        SimulatedRefiner(dark, max_steps=1, **TINY).fit(real)
    model = SimulatedRefiner(max_steps=1, **TINY).fit(0.9 - real)
    assert model.simulator_.foreground < model.simulator_.background


def test_a_pipeline_learns_without_any_label(real):
    model = make_pipeline(
        SimulatedRefiner(max_steps=3, **TINY),
        SemiSupervisedSegmenter(
            semi_supervision=None, width=4, depth=1, max_steps=3, batch_size=2, random_state=0
        ),
        InstanceCounter(),
    )  # fmt: skip
    assert model.fit(real, np.full(real.shape, -1)).predict(real).shape == (6,)
    stack = model[0].transform(real)
    assert isinstance(stack, ImageStack)
    assert stack.simulator is model[0]


def test_what_does_not_serve_is_refused(real):
    with pytest.raises(ValueError, match="All images of X are constant"):
        SimulatedRefiner(**TINY).fit(np.ones((2, 64, 64)))
    with pytest.raises(ValueError, match="at least 48 pixels wide, got shape"):
        SimulatedRefiner(**TINY).fit(real[:, :32])
    with pytest.raises(ValueError, match="patch_size must be at least 48 in 2 dimensions, got 30"):
        SimulatedRefiner(patch_size=30, **TINY).fit(real)
    with pytest.raises(ValueError, match=r"must have 1 channel\(s\), got 2"):
        SimulatedRefiner(**TINY).fit(np.stack([real, real], axis=-1))
    model = SimulatedRefiner(Fixed(CellSimulator(shape=(64, 64))), max_steps=1, **TINY).fit(real)
    with pytest.raises(ValueError, match="predict needs a simulator with render"):
        model.predict(np.ones((1, 64, 64), int))
