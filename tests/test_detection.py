import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import sskseg.detection
from sskseg import ContourDetector, ImageStack, InstanceCounter, PercentileScaler, ProxyPretrainer
from sskseg.counting import Contours
from sskseg.datasets import make_cells
from sskseg.metrics import f1_instances
from sskseg.morphology import contour_masks
from sskseg.simulation import CellSimulator


@pytest.fixture(autouse=True)
def _few_simulated_images(monkeypatch):
    monkeypatch.setattr(sskseg.detection._training_data, "_N_SIMULATED", 8)


TINY = {"width": 4, "depth": 1, "batch_size": 2, "max_steps": 4, "random_state": 0}


@pytest.fixture(scope="module")
def cells():
    return make_cells(8, (64, 64), radius=7, separation=0.75, random_state=0)


@pytest.fixture(scope="module")
def trained(cells):
    """A detector after a short training."""
    X, y = cells
    detector = ContourDetector(
        width=8, depth=2, max_steps=400, batch_size=4, random_state=0, precision="float32"
    )
    return detector.fit(X, y)


def test_overlapping_cells_are_detected(trained):
    X, y = make_cells(16, (64, 64), radius=7, separation=0.75, random_state=1)
    assert trained.score(X, y) > 0.85
    assert f1_instances(list(y), list(trained.predict(X)), 0.7) > 0.7
    losses = [row["loss"] for row in trained.history_]
    assert losses[-1] < 0.6 * losses[0]
    assert 1 <= len(trained.validation_indices_) < 3


def test_contours_are_those_of_the_labels(trained, cells):
    X, _ = cells
    labels = trained.predict(X)
    contours, scores = trained.contours(X)
    assert labels.dtype == np.int64
    for label, outlines, score in zip(labels, contours, scores, strict=True):
        assert np.array_equal(np.unique(label), np.arange(len(outlines) + 1))
        assert outlines.shape[1:] == (32, 2)
        assert (np.diff(score) <= 0).all()
        assert (score > trained.score_threshold_).all()
        masks = contour_masks(outlines, label.shape).toarray().astype(bool)
        for number, mask in enumerate(masks, start=1):
            assert mask.reshape(label.shape)[label == number].all()
        assert (masks.any(axis=0) == (label > 0).ravel()).all()


def test_tiles_equal_the_whole(trained, monkeypatch):
    X, _ = make_cells(1, (150, 170), radius=7, separation=0.8, random_state=2)
    whole, contours = trained.predict(X), trained.contours(X)[0][0]
    asked = []

    def small_tiles(network, ndim):
        settings = tile_settings(network, ndim)
        assert all(h >= r for h, r in zip(settings.halo, network.reach, strict=True))
        asked.append(settings)
        return sskseg.inference.TileSettings((96, 104), settings.halo, settings.stride)

    tile_settings = sskseg.detection._detector.tile_settings
    monkeypatch.setattr(sskseg.detection._detector, "tile_settings", small_tiles)
    assert np.array_equal(trained.predict(X), whole)
    assert trained.contours(X)[0][0] == pytest.approx(contours, abs=1e-3)
    assert asked
    assert whole.max() > 40


def test_dask_equals_memory(trained, cells):
    da = pytest.importorskip("dask.array")
    X, _ = cells
    lazy = da.from_array(X, chunks=(3, 30, 40))
    found = trained.predict(lazy)
    assert isinstance(found, da.Array)
    assert np.array_equal(found.compute(), trained.predict(X))
    with pytest.raises(ValueError, match="X is a dask array"):
        trained.contours(lazy)


def test_same_seed_same_bits(cells):
    X, y = cells
    first, second = (ContourDetector(**TINY).fit(X, y) for _ in range(2))
    for a, b in zip(first.network_.parameters(), second.network_.parameters(), strict=True):
        assert torch.equal(a, b)
    assert first.score_threshold_ == second.score_threshold_


def test_save_pickle_and_clone(trained, cells, tmp_path):
    X, _ = cells
    trained.save(tmp_path / "detector")
    for copy in (ContourDetector.load(tmp_path / "detector"), pickle.loads(pickle.dumps(trained))):
        assert np.array_equal(copy.predict(X), trained.predict(X))
        assert copy.history_ == trained.history_
    assert not hasattr(clone(trained), "network_")


def directions(*kernels):
    """Kernels without their norm, which a fit changes."""
    return [kernel / kernel.norm() for kernel in kernels]


def test_training_starts_from_the_backbone(cells):
    X, y = cells
    pretrainer = ProxyPretrainer(
        ("rotation",), width=4, depth=1, max_steps=2, batch_size=2, random_state=0
    )
    stack = pretrainer.fit_transform(X)
    detector = ContourDetector(**{**TINY, "max_steps": 1, "learning_rate": 1e-9})
    detector.set_params(width=None, depth=None).fit(stack, y)  # at their defaults
    assert detector.architecture_ == ("unet-shuffle", 4, 1)
    known, found = stack.backbone.module.state_dict(), detector.network_.unet.state_dict()
    name = "encoder.1.0.weight"
    assert torch.allclose(*directions(known[name], found[name]), atol=1e-6)
    with pytest.raises(ValueError, match="width=8 conflicts"):
        ContourDetector(**{**TINY, "width": 8}).fit(stack, y)


def test_layers_that_are_not_finetuned_stay(cells):
    X, y = cells
    pretrainer = ProxyPretrainer("rotation", width=4, depth=1, max_steps=2, random_state=0)
    stack = pretrainer.fit_transform(X)
    early = "encoder.1.0.weight"
    known = stack.backbone.module.state_dict()[early]
    for finetune, stays in (("last", True), ("all", False)):
        detector = ContourDetector(**{**TINY, "width": 4, "depth": 1}, finetune=finetune)
        found = detector.fit(stack, y).network_.unet.state_dict()[early]
        assert torch.allclose(*directions(known, found), atol=1e-6) == stays
    with pytest.raises(ValueError, match="finetune"):
        ContourDetector(finetune="some").fit(X, y)


def test_simulated_images_are_enough(cells):
    X, y = cells
    stack = ImageStack(X, simulator=CellSimulator(shape=(48, 48), radius=7).calibrate(X))
    nothing = np.full(y.shape, -1)
    detector = ContourDetector(**{**TINY, "width": 8, "depth": 2, "max_steps": 40, "batch_size": 4})
    assert detector.fit(stack, nothing).score(X, y) > 0.4
    assert detector.held_out_counts_ is None
    assert len(detector.validation_indices_) == 0
    for without in (None, [None] * len(X)):
        assert ContourDetector(**TINY).fit(stack, without).predict(X).shape == y.shape
    with pytest.raises(ValueError, match="y labels nothing"):
        ContourDetector(**TINY).fit(X, nothing)
    some = nothing.copy()
    some[:6] = y[:6]
    mixed = ContourDetector(**TINY).fit(stack, some)
    assert len(mixed.validation_indices_) == 1
    with pytest.raises(ValueError, match=r"draws images of 1 channel\(s\), and X has 2"):
        ContourDetector(**TINY).fit(ImageStack(np.stack([X, X], -1), simulator=stack.simulator), y)


class Squares:
    """Draws two squares, one half behind the other."""

    def __init__(self, wrong=False):
        self.wrong = wrong

    def sample_contours(self, n, random_state=None):
        y = np.zeros((n, 32, 32), np.int32)
        y[:, 8:20, 8:14], y[:, 8:20, 14:26] = 1, 2
        square = np.array([(7.5, 7.5), (7.5, 19.5), (19.5, 19.5), (19.5, 7.5)])
        contours = [[square, square + [0, 6]][: 2 - self.wrong] for _ in range(n)]
        return (y > 0) + 0.1 * y, y, contours


def test_simulated_contours_teach_hidden_parts():
    X, _, _ = Squares().sample_contours(4)
    scaled = PercentileScaler().fit(X).transform(ImageStack(X, simulator=Squares()))
    for stack in (ImageStack(X, simulator=Squares()), scaled):
        detector = ContourDetector(**{**TINY, "width": 8, "max_steps": 3, "patch_size": 32})
        detector.fit(stack)
        areas = [
            outlined.radii**2 * np.pi
            for outlined in sskseg.detection._training_data.draw_outlined(stack.simulator, 1, 0)[1]
        ]
        assert np.allclose(areas, 144, rtol=0.02)
    with pytest.raises(ValueError, match="got 1 outlines of labels up to 2"):
        ContourDetector(**TINY).fit(ImageStack(X, simulator=Squares(wrong=True)))


def test_unlabeled_pixels_are_ignored(cells):
    X, y = cells
    y = y.copy()
    y[4:] = -1
    y[:4, :, 40:] = -1
    changed = X.copy()
    few = ContourDetector(**{**TINY, "patch_size": 16}).fit(X, y)
    assert few.validation_indices_.size == 0
    assert few.score(X, y) >= 0
    assert np.isfinite(few.history_[-1]["loss"])
    assert np.array_equal(changed, X)


def test_constant_images_and_empty_results(cells):
    _, y = cells
    flat = np.ones(y.shape)
    detector = ContourDetector(**TINY).fit(flat, y)
    assert detector.predict(flat).shape == y.shape
    nothing = ContourDetector(**TINY, score_threshold=0.999).fit(flat, y)
    assert nothing.predict(flat).max() == 0
    contours, scores = nothing.contours(flat)
    assert contours[0].shape == (0, 32, 2)
    assert scores[0].shape == (0,)


def test_given_thresholds_are_kept_and_channels_are_checked(cells):
    X, y = cells
    detector = ContourDetector(**TINY, score_threshold=0.15, nms_threshold=0.9).fit(X, y)
    assert (detector.score_threshold_, detector.nms_threshold_) == (0.15, 0.9)
    with pytest.raises(ValueError, match=r"must have 1 channel\(s\), got 2"):
        detector.predict(np.stack([X, X], axis=-1))


def test_warm_start_resumes_training(cells):
    X, y = cells
    detector = ContourDetector(**TINY, warm_start=True).fit(X, y)
    n = len(detector.history_)
    network = detector.network_
    assert detector.fit(X, y).network_ is network
    assert len(detector.history_) == 2 * n


def test_images_of_different_sizes(trained, cells):
    X, y = cells
    labels = trained.predict([X[0], X[1][:50, :33]])
    assert [label.shape for label in labels] == [(64, 64), (50, 33)]
    found = ContourDetector(**TINY).fit([X[0], X[1][:50, :33]], [y[0], y[1][:50, :33]])
    assert found.predict(X[:1]).shape == (1, 64, 64)


@pytest.mark.parametrize(
    ("changes", "y", "message"),
    [
        ({}, np.zeros((2, 32, 32), int), "y holds no object"),
        ({}, None, "y is None"),
        ({}, [np.array([(3, 4)]), np.array([(9, 9)])], "not learned from points or counts"),
        ({}, np.array([3, 4]), "not learned from points or counts"),
        ({}, np.ones((2, 8, 32, 32), int), "two-dimensional images, got label images of 3 axes"),
        ({}, np.ones((2, 32, 31), int), "spatial shape"),
        ({"network": "unet-valid"}, np.eye(32, dtype=int)[None].repeat(2, 0), "same padding"),
        ({"network": "dmcn"}, np.eye(32, dtype=int)[None].repeat(2, 0), "same padding"),
        ({"patch_size": (32, 32, 32)}, np.eye(32, dtype=int)[None].repeat(2, 0), "2 integers"),
        ({"order": 0}, np.eye(32, dtype=int)[None].repeat(2, 0), "'order' parameter"),
    ],
)
def test_bad_input_is_refused(changes, y, message):
    with pytest.raises(ValueError, match=message):
        ContourDetector(**{**TINY, **changes}).fit(np.zeros((2, 32, 32)), y)


# The counter with method="contours"


@pytest.fixture(scope="module")
def counter(cells, trained):
    X, y = cells
    detector = clone(trained).set_params(max_steps=150)
    return InstanceCounter(Contours(detector), spacing=(0.5, 2.0)).fit(X, y)


def test_the_counter_counts_detections(counter, cells):
    X, y = cells
    labels = counter.label(X)
    assert np.array_equal(labels, counter.detector_.predict(X))
    assert np.array_equal(labels, counter.transform(X))
    assert counter.predict(X).tolist() == labels.max(axis=(1, 2)).tolist()
    assert counter.score(X, y) == counter.detector_.score(X, y) > 0.6
    assert counter.score(X, [len(np.unique(label)) - 1 for label in y]) > 0.7
    assert not hasattr(counter.method.detector, "network_")


def test_the_table_has_polygons(counter, cells, tmp_path):
    X, _ = cells
    table = counter.measure(X, intensity=X)
    assert len(table) == counter.predict(X).sum()
    table.to_csv(tmp_path / "objects.csv")
    row = table.iloc[0]
    text = row["polygon"].removeprefix("POLYGON ((").removesuffix("))")
    points = np.array([[float(x) for x in pair.split()] for pair in text.split(", ")])
    contour = counter.detector_.contours(X)[0][0][0]
    assert points[:, ::-1] == pytest.approx(
        np.concatenate([contour, contour[:1]]) * (0.5, 2.0), abs=0.006
    )
    middle = points[:-1].mean(axis=0)
    assert middle == pytest.approx([row["centroid_x"], row["centroid_y"]], abs=3)
    assert (table["area"] < 1.1 * table["contour_area"] + 1).all()  # the visible part
    assert (table["perimeter"] > 0).all()
    assert (table["score"] > counter.threshold_).all()


def test_the_counter_is_saved_searched_and_lazy(counter, cells, tmp_path):
    X, y = cells
    counter.save(tmp_path / "counter")
    copy = InstanceCounter.load(tmp_path / "counter")
    assert np.array_equal(copy.label(X), counter.label(X))
    assert copy.method.detector.get_params() == counter.method.detector.get_params()
    da = pytest.importorskip("dask.array")
    lazy = da.from_array(X, chunks=(3, 30, 40))
    assert np.array_equal(counter.label(lazy).compute(), counter.label(X))
    assert np.array_equal(counter.predict(lazy).compute(), counter.predict(X))
    model = InstanceCounter(Contours(ContourDetector(**TINY)))
    search = GridSearchCV(model, {"method__detector__max_steps": [1, 2]}, cv=2).fit(X[:4], y[:4])
    assert search.best_estimator_.detector_.max_steps in (1, 2)


def test_small_objects_and_frames(counter, cells):
    X, _ = cells
    other = clone(counter).set_params(min_size=60, margin=20)
    other.detector_, other.min_size_, other.spatial_ndim_ = counter.detector_, 60, 2
    sizes = [np.unique(label[label > 0], return_counts=True)[1] for label in other.label(X)]
    assert min(size.min() for size in sizes if size.size) >= 60
    assert other.predict(X).sum() < counter.predict(X).sum()
    assert len(other.measure(X)) == sum(len(size) for size in sizes)


def test_intervals_come_from_images_that_were_held_out(tmp_path):
    X, y = make_cells(40, (32, 32), radius=5, random_state=0)
    counter = InstanceCounter(Contours(ContourDetector(**TINY))).fit(X, y)
    assert counter.held_out_counts_.shape == (4, 2)
    counts, intervals = counter.predict(X, return_interval=True, coverage=0.7)
    assert ((intervals[:, 0] <= counts) & (counts <= intervals[:, 1])).all()
    counter.save(tmp_path / "counter")
    loaded = InstanceCounter.load(tmp_path / "counter")
    assert np.array_equal(loaded.predict(X, return_interval=True, coverage=0.7)[1], intervals)
    with pytest.raises(ValueError, match="samples in fit, got 4"):
        counter.predict(X, return_interval=True)
    framed = clone(counter).set_params(margin=4).fit(X, y)  # the detector counted without
    assert framed.held_out_counts_ is None


@pytest.mark.parametrize("changes", [{"spatial_ndim": 3}, {"sections": "consecutive"}])
def test_contours_are_of_plain_images(changes):
    X = np.zeros((2, 16, 16, 16)[: 2 + changes.get("spatial_ndim", 1)])
    with pytest.raises(ValueError, match="independent two-dimensional images"):
        InstanceCounter("contours", **changes).fit(X, X.astype(int))
