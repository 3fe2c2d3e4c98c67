"""CellSimulator: what it draws, what it learns from real images, and learning from it alone."""

import numpy as np
import pytest
from scipy import ndimage as ndi
from sklearn.pipeline import make_pipeline

from sskseg import ImageStack, InstanceCounter, PercentileScaler, SemiSupervisedSegmenter
from sskseg.datasets import load_dsb2018_nuclei, load_nissl_rat_cortex
from sskseg.simulation import CellSimulator


@pytest.mark.parametrize("shape", [(96, 80), (24, 40, 40)])
def test_images_have_what_was_asked_for(shape):
    simulator = CellSimulator(shape=shape, coverage=0.2, radius=6, noise=0.0, texture=0.0)
    X, y = simulator.sample(8, random_state=0)
    assert X.shape == y.shape == (8, *shape)
    assert abs((y > 0).mean() - 0.2) < 0.07
    assert X[y > 0].mean() - X[y == 0].mean() > 0.2
    for label in y:
        ids = np.unique(label)
        assert np.array_equal(ids, np.arange(len(ids)))
    again, _ = simulator.sample(3, random_state=0)
    assert np.array_equal(again, X[:3])


def test_dark_cells_on_a_bright_background():
    X, y = CellSimulator(foreground=0.3, background=0.8).sample(2, random_state=0)
    assert X[y > 0].mean() < X[y == 0].mean() - 0.2


@pytest.mark.parametrize("with_labels", [False, True])
@pytest.mark.parametrize("levels", [(0.6, 0.15), (0.2, 0.7)])
def test_calibration_finds_what_was_drawn(with_labels, levels):
    truth = CellSimulator(
        shape=(192, 192), coverage=0.15, radius=11.0, foreground=levels[0], background=levels[1],
        psf=1.5, noise=0.02, overlap=0.0,
    )  # fmt: skip
    X, y = truth.sample(6, random_state=0)
    found = CellSimulator().calibrate(X, y if with_labels else None)
    assert found.shape == (128, 128)
    assert abs(found.coverage - (y > 0).mean()) < 0.05
    assert abs(np.log(found.radius / 11)) < 0.25
    assert abs(found.foreground - np.median(X[y > 0])) < 0.05
    assert abs(found.background - np.median(X[y == 0])) < 0.05
    assert abs(found.psf - 1.5) < 0.6
    assert abs(found.noise - 0.02) < 0.01
    assert len(found.variants) == 6
    drawn, _ = found.sample(30, 0)
    assert drawn.shape == (30, 128, 128)


def test_images_of_several_kinds_are_drawn_in_each_of_them():
    small = CellSimulator(shape=(96, 96), radius=4, overlap=0.0).sample(3, 0)
    large = CellSimulator(shape=(96, 96), radius=14, overlap=0.0).sample(3, 0)
    found = CellSimulator().calibrate(np.concatenate([small[0], large[0]]))
    radii = sorted(v.radius for v in found.variants)
    assert radii[2] < 7
    assert radii[3] > 9


def test_real_images_are_imitated(data_dir):
    X, y = load_dsb2018_nuclei(data_dir / "dsb2018_nuclei")
    X = PercentileScaler(scope="image").fit_transform(X[:40])
    simulator = CellSimulator().calibrate(X)
    assert simulator.foreground > simulator.background + 0.2
    true = np.concatenate([np.unique(label[label > 0], return_counts=True)[1] for label in y[:40]])
    assert abs(np.log(simulator.radius / np.median(np.sqrt(true / np.pi)))) < 0.5
    cells, _ = load_nissl_rat_cortex(data_dir / "nissl_rat_cortex")
    gray = [np.mean(image, axis=-1) / 255 for image in cells]
    assert CellSimulator().calibrate(gray).foreground < CellSimulator().calibrate(gray).background


def test_what_does_not_serve_is_refused():
    with pytest.raises(ValueError, match="No cell was found in X"):
        CellSimulator().calibrate(np.ones((2, 32, 32)))
    with pytest.raises(ValueError, match="coverage must be between 0 and 0.9, got 2"):
        CellSimulator(coverage=2)
    with pytest.raises(ValueError, match="n must be a positive integer, got 0"):
        CellSimulator().sample(0)
    with pytest.raises(ValueError, match="2 or 3 sides of at least 8"):
        CellSimulator(shape=(4, 4))


# Learning from a simulator

TINY = {"width": 8, "depth": 2, "max_steps": 150, "batch_size": 4, "random_state": 0}


@pytest.fixture(scope="module")
def images():
    simulator = CellSimulator(shape=(64, 64), radius=7, coverage=0.2)
    return simulator, *simulator.sample(4, random_state=5)


def test_no_label_at_all(images):
    simulator, X, y = images
    stack = ImageStack(X * 100, simulator=Scaled(simulator))
    model = make_pipeline(
        PercentileScaler(), SemiSupervisedSegmenter(semi_supervision=None, **TINY),
        InstanceCounter(),
    )  # fmt: skip
    model.fit(stack, np.full(y.shape, -1))
    assert model.score(X * 100, y) > 0.5
    assert model[-1].count_residuals_ is not None
    with pytest.raises(ValueError, match="y labels nothing"):
        model.fit(X, np.full(y.shape, -1))


class Scaled:
    """A simulator in other units."""

    def __init__(self, simulator):
        self.simulator = simulator

    def sample(self, n, random_state=None):
        X, y = self.simulator.sample(n, random_state)
        return 100 * X, y


def test_simulated_images_are_learnt_beside_real_ones(images):
    simulator, X, y = images
    known = np.where(np.arange(4)[:, None, None] < 1, y, -1)
    options = {**TINY, "max_steps": 3}
    model = SemiSupervisedSegmenter(**options).fit(ImageStack(X, simulator=simulator), known)
    alone = SemiSupervisedSegmenter(**options).fit(X, known)
    assert model.transduction_.shape == y.shape
    assert not np.array_equal(model.predict_proba(X), alone.predict_proba(X))
    assert np.array_equal(model.channel_mean_, alone.channel_mean_)
    maps = model.transform(ImageStack(X, simulator=simulator))
    drawn, labels = maps.simulator.sample(2, 0)
    raw, same = simulator.sample(2, 0)
    assert np.array_equal(drawn, model.transform(raw))
    assert np.array_equal(labels, same)


def test_simulators_that_do_not_fit_are_refused(images):
    simulator, X, y = images
    both = ImageStack(np.stack([X, X], axis=-1), simulator=simulator)
    with pytest.raises(ValueError, match=r"draws images of 1 channel\(s\), and X has 2"):
        SemiSupervisedSegmenter(**TINY).fit(both, y)
    for options in ({"sections": "consecutive"}, {"target": "classes"}):
        with pytest.raises(ValueError, match="A stack with a simulator needs"):
            SemiSupervisedSegmenter(**options, **TINY).fit(ImageStack(X, simulator=simulator), y)


def test_cells_are_drawn_where_they_are_seen():
    X, y = CellSimulator(noise=0, texture=0, background_spread=0, psf=0.5).sample(1, 0)
    centers = ndi.center_of_mass(y[0] > 0, y[0], np.unique(y[0])[1:])
    bright = [X[0][tuple(np.round(c).astype(int))] for c in centers]
    assert np.median(bright) > 0.4
