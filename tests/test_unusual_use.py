"""What is legal but unusual works alike, and what is not is refused by name."""

import warnings

import joblib
import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sskseg import (
    ImageStack,
    InstanceCounter,
    LabeledKFold,
    LogBlobs,
    OtsuWatershed,
    PercentileScaler,
    PixelForest,
    ProxyPretrainer,
    SemiSupervisedSegmenter,
    SimulatedRefiner,
    count_scorer,
    dice_scorer,
)
from sskseg.datasets import make_cells

SMALL = {"width": 2, "depth": 1, "max_steps": 2, "batch_size": 2, "random_state": 0}


def segmenter(**changes):
    return SemiSupervisedSegmenter(semi_supervision=None, **{**SMALL, **changes})


@pytest.fixture(scope="module")
def cells():
    X, y = make_cells(6, (48, 56), random_state=0)
    y[4:] = -1
    return np.clip(X, 0, 1).astype(float), y


@pytest.fixture(scope="module")
def expected(cells):
    return segmenter().fit(*cells).transform(cells[0])


def test_orders_of_memory_and_bytes_do_not_matter(cells, expected, tmp_path):
    X, y = cells
    on_disk = np.memmap(tmp_path / "X", float, "w+", shape=X.shape, order="F")
    on_disk[:] = X
    on_disk.flush()
    sparse = np.zeros((12, 48, 112))
    sparse[::2, :, ::2] = X
    for same in (
        np.memmap(tmp_path / "X", float, "r", shape=X.shape, order="F"),
        sparse[::2, :, ::2],
        X[:, ::-1].copy()[:, ::-1],
        X.astype(">f8"),
        list(X),
        [[row.tolist() for row in image] for image in X],
        [torch.from_numpy(image) for image in X],
    ):
        assert np.array_equal(np.stack(segmenter().fit(same, y).transform(same)), expected)
    assert np.array_equal(segmenter().fit(X, y.astype(">i2")).transform(X), expected)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", ">u2", "i8", "u8", "f2", "longdouble"])
def test_intensities_of_any_type_give_the_same_counts(cells, dtype):
    X, y = cells
    images = (100 * X).astype("u1").astype(dtype)
    model = make_pipeline(PercentileScaler(), segmenter(), InstanceCounter("components"))
    counts = model.fit(images, y).predict(images)
    assert np.array_equal(counts, model.fit(images.astype("f4"), y).predict(images.astype("f4")))


@pytest.mark.parametrize("dtype", ["u1", ">i2", "u4", "i8", "u8"])
def test_labels_of_any_type_and_size_are_objects(cells, dtype):
    X, y = cells[0][:4], cells[1][:4]
    ids = {"i8": 2**40, "u8": 2**62}.get(dtype, 0)
    labels = np.where(y > 0, y.astype(dtype) + np.array(ids, dtype), np.array(0, dtype))
    for model in (InstanceCounter("components"), OtsuWatershed(), LogBlobs(n_sigma=1)):
        images = (y > 0).astype(float) if isinstance(model, InstanceCounter) else X
        assert model.fit(images, labels).score(images, labels) == model.score(images, y)
    forest = PixelForest(n_estimators=2, sigma_max=1.0, random_state=0)
    assert forest.fit(X, labels).score(X, labels) == forest.score(X, y)


def test_classes_of_any_value_come_back(cells):
    X, y = cells
    labels = np.where(y > 0, 2**40, y.astype(np.int64))
    assert set(np.unique(segmenter(target="classes").fit(X, labels).predict(X))) <= {0, 2**40}


def test_fits_in_threads_do_not_mix_their_random_numbers(cells, expected):
    X, y = cells
    before = torch.get_rng_state()
    found = joblib.Parallel(4, backend="threading")(
        joblib.delayed(lambda: segmenter().fit(X, y).transform(X))() for _ in range(6)
    )
    assert all(np.array_equal(maps, expected) for maps in found)
    assert torch.equal(torch.get_rng_state(), before)


def test_predictions_in_threads_draw_nothing(cells, expected):
    X, y = cells
    model = segmenter().fit(X, y)
    rng = np.random.default_rng(0)
    model.set_params(random_state=rng)
    before, state = torch.get_rng_state(), rng.bit_generator.state
    found = joblib.Parallel(4, backend="threading")(
        joblib.delayed(model.transform)(X) for _ in range(6)
    )
    assert all(np.array_equal(maps, expected) for maps in found)
    assert torch.equal(torch.get_rng_state(), before)
    assert rng.bit_generator.state == state


def test_grid_search_in_threads_is_that_without(cells):
    search = GridSearchCV(segmenter(), {"width": [2, 3]}, cv=LabeledKFold(2), error_score="raise")
    alone = search.fit(*cells).cv_results_["mean_test_score"]
    with joblib.parallel_backend("threading", n_jobs=2):
        together = search.fit(*cells).cv_results_["mean_test_score"]
    assert np.array_equal(alone, together)


@pytest.mark.parametrize("factor", [1e-30, 1e17])
def test_intensities_of_any_size_give_finite_probabilities(cells, factor):
    X, y = cells[0] * factor, cells[1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(segmenter().fit(X, y).transform(X)).all()
        assert PercentileScaler(clip=True).fit_transform(X).max() == 1


def test_images_of_one_pixel_and_one_row(cells):
    X, y = cells
    for part in (np.s_[:, :1, :1], np.s_[:, :1]):
        maps = segmenter().fit(X[part], y[part]).transform(X[part])
        assert InstanceCounter("components").fit(maps).transform(maps).shape == X[part].shape


@pytest.mark.parametrize("kind", ["max", "whole"])
def test_validation_leaves_something_to_train_on(cells, kind):
    X, y = make_cells(6, (48, 56), random_state=0)
    fraction = 0.99 if kind == "max" else 1 - 1e-9
    assert len(segmenter(validation_fraction=fraction).fit(X, y).validation_indices_) == 5
    pretrainer = ProxyPretrainer(("rotation",), validation_fraction=fraction, **SMALL)
    assert len(pretrainer.fit(X).validation_indices_) == 4  # their neighbor is in neither set


class Draws:
    """A simulator of whatever it is given."""

    def __init__(self, X, y):
        self.X, self.y = X, y

    def sample(self, n, random_state=None):
        return self.X, self.y


@pytest.mark.parametrize(
    ("simulator", "message"),
    [
        ("cells", "simulator must have sample"),
        (Draws(np.zeros((3, 64)), np.zeros((3, 64), int)), "X of simulator.sample must be"),
        (Draws(np.zeros((3, 64, 64)), np.zeros((3, 63, 64), int)), r"y of simulator.sample\[0\]"),
        (Draws(np.full((3, 64, 64), np.nan), np.zeros((3, 64, 64), int)), "contains NaN"),
        (Draws(np.zeros((3, 16, 16)), np.zeros((3, 16, 16), int)), "of at least"),
    ],
)
def test_simulators_that_do_not_serve_are_refused(cells, simulator, message):
    with pytest.raises(ValueError, match=message):
        SimulatedRefiner(simulator, **SMALL).fit(cells[0])


def test_other_things_that_do_not_serve_are_refused(cells):
    X, y = cells
    model = segmenter().fit(X, y)
    with pytest.raises(ValueError, match="stack.simulator must have sample"):
        segmenter().fit(ImageStack(X, simulator="cells"), y)
    for scorer in (dice_scorer, count_scorer):
        with pytest.raises(ValueError, match="X and y must have as many samples, got 6 and 2"):
            scorer(model, X, y[:2])
    with pytest.raises(ValueError, match="network must return a torch module"):
        segmenter(network=lambda *a, **k: None).fit(X, y)
