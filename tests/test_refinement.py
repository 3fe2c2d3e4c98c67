"""SimulatedRefiner: what it changes, what it keeps, and what it tells."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from sskseg import ImageStack, InstanceCounter, SemiSupervisedSegmenter, SimulatedRefiner
from sskseg.nn import PatchDiscriminator, Refiner, SpatiallyAdaptiveNorm
from sskseg.simulation import (
    CellSimulator,
    boundary_shifts,
    hallucinated,
    label_maps,
    surviving,
)
from sskseg.training import HistoryBuffer, self_regularization

TINY = {"width": 8, "depth": 1, "batch_size": 2, "random_state": 0}


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


def test_self_regularization_counts_what_labels_depend_on():
    label = np.zeros((32, 32), int)
    label[8:24, 8:24] = 1
    maps = torch.from_numpy(label_maps(label))[None]
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


def test_shifts_are_measured(disc):
    image, label = disc
    for size, radius in ((0, 15), (2, 17), (3, 12)):
        y, x = np.mgrid[:64, :64]
        moved = 0.2 + 0.6 * ((y - 32) ** 2 + (x - 32) ** 2 < radius**2)
        assert abs(np.median(boundary_shifts(image, moved, label)) - size) <= 0.5
    assert not boundary_shifts(image, image, 0 * label).size


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
        "realism", "realism_simulated", "boundary_shift", "boundary_shift_95", "survival",
        "hallucination",
    }  # fmt: skip
    assert 6 < fitted.history_[-1]["step"] <= 12
    assert 0 <= fitted.score(real) <= 1
    assert fitted.predict(y).shape == X.shape


def test_it_is_deterministic_and_saved(fitted, real, tmp_path):
    again = clone(fitted).fit(real)
    assert np.array_equal(again.sample(2, 0)[0], fitted.sample(2, 0)[0])
    import joblib

    joblib.dump(fitted, tmp_path / "model")
    assert np.array_equal(joblib.load(tmp_path / "model").sample(2, 0)[0], fitted.sample(2, 0)[0])


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
    from sskseg import refinement

    monkeypatch.setattr(
        refinement, "surviving",
        lambda before, after, labels: np.array([np.abs(after - before).max() < 1e-9]),
    )  # fmt: skip
    model = SimulatedRefiner(max_steps=12, **TINY)
    with pytest.warns(UserWarning, match="its last state that did neither is kept"):
        model.fit(real)
    X, _ = model.sample(2, 0)
    assert np.array_equal(X, model.simulator_.sample(2, np.random.default_rng(0))[0])
    assert model.report_["survival"] == 1.0


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
    with pytest.raises(ValueError, match=r"must have 1 channel\(s\), got 2"):
        SimulatedRefiner(**TINY).fit(np.stack([real, real], axis=-1))
    model = SimulatedRefiner(Fixed(CellSimulator(shape=(64, 64))), max_steps=1, **TINY).fit(real)
    with pytest.raises(ValueError, match="predict needs a simulator with render"):
        model.predict(np.ones((1, 64, 64), int))
