"""Images whose objects have unlike sizes."""

import json
import warnings
from dataclasses import replace

import fastremap
import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from sskseg import ImageStack, InstanceCounter, SemiSupervisedSegmenter
from sskseg.datasets import make_cells
from sskseg.images.augmentation import Augmentation
from sskseg.inference.object_size import (
    SizedPredictor,
    magnification,
    resample,
    resample_labels,
    resampled_shape,
    typical_diameter,
)
from sskseg.io.storage import open_storage
from sskseg.metrics import f1_instances
from sskseg.scans.checkpoints import Ledger
from sskseg.segmentation import _training
from sskseg.segmentation._predictors import image_predictor
from sskseg.simulation import CellSimulator

TINY = {
    "width": 4, "depth": 2, "max_steps": 40, "batch_size": 2, "precision": "float32",
    "semi_supervision": None, "random_state": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def mixed():
    """Small cells in some images, large ones in others."""
    small = make_cells(4, (64, 80), radius=4, random_state=0)
    large = make_cells(4, (96, 100), radius=14, random_state=1)
    return [*small[0], *large[0]], [*small[1], *large[1]]


def test_typical_diameters():
    y = np.zeros((20, 40), int)
    y[2:7, 2:7], y[2:7, 10:15], y[10:18, 2:38], y[0, :5] = 1, 2, 9, 4
    assert typical_diameter(y) == pytest.approx(2 * np.sqrt(25 / np.pi))
    y[2:6, 2:15] = 0
    assert typical_diameter(y) == pytest.approx(2 * np.sqrt(288 / np.pi))
    assert np.isnan(typical_diameter(np.full((3, 3), -1)))


def test_magnification_is_limited_and_left_out_where_it_is_small():
    assert magnification(48.0, 24.0) == 0.5
    assert magnification(12.0, 24.0) == 2.0
    assert magnification(np.nan, 24.0) == 1
    assert magnification(23.0, 24.0) == magnification(25.5, 24.0) == 1
    assert magnification(1.0, 24.0) == 3
    assert magnification(500.0, 24.0) == 0.4
    assert resampled_shape((10, 90), 0.4) == (10, 90)
    assert resampled_shape((20, 90), 0.4) == (16, 72)  # as much along both axes
    assert resampled_shape((100, 50), 0.4) == (40, 20)
    assert resampled_shape((64, 80), 1.0) == (64, 80)


class Thresholds:
    """Predicts the foreground of an image by its intensity, and keeps the shapes that it saw."""

    n_outputs = n_passes = 1

    def __init__(self):
        self.shapes = []

    def predict(self, images):
        self.shapes += [image.shape[:2] for image in images]
        for index, image in enumerate(images):
            yield index, np.moveaxis(image, -1, 0).astype(np.float32)


@pytest.mark.parametrize(
    ("radius", "shapes"),
    [
        (6, [(192, 192)]),
        (8, [(192, 192), (144, 144)]),
        (12, [(192, 192), (96, 96)]),
        (24, [(192, 192), (96, 96), (48, 48)]),
    ],
    ids=["as expected", "a little larger", "twice as large", "four times as large"],
)
def test_the_first_prediction_has_the_expected_magnification(radius, shapes):
    image, thresholds = disk(radius), Thresholds()
    sized = SizedPredictor(thresholds, object_size=24.0, n_outputs=1, first_factor=2.0)
    ((_, found),) = sized.predict([image])
    np.testing.assert_allclose(thresholds.shapes, shapes, rtol=0.05)
    assert found.shape == (1, 96, 96)
    assert np.mean((found[0] > 0.5) == (image[..., 0] > 0.5)) > 0.99
    assert sized.diameter(image) == pytest.approx(2 * radius, rel=0.03)
    nothing = np.zeros_like(image)
    assert np.isnan(sized.diameter(nothing))
    ((_, found),) = sized.predict([nothing])
    assert found.shape == (1, 96, 96)
    assert not found.any()


def disk(radius, side=96):
    """A disk in the middle of an image of one channel."""
    rows, columns = np.indices((side, side)) - (side - 1) / 2
    return (np.hypot(rows, columns) < radius).astype(np.float32)[..., None]


class Breaks(Thresholds):
    """Breaks an object of 180 pixels into four of 40."""

    def predict(self, images):
        for index, outputs in super().predict(images):
            if outputs.sum() > 20_000:
                quarter = disk(20, outputs.shape[-1] // 2)[..., 0]
                outputs = np.tile(quarter, (2, 2))[None]
            yield index, outputs


@pytest.mark.parametrize(
    ("first_factor", "radius", "shapes"),
    [(0.43, 4, [41, 96, 283]), (3.0, 30, [288, 96, 38])],
    ids=["too small to be found", "too large"],
)
def test_far_from_the_expected_size_objects_are_measured_as_they_are(first_factor, radius, shapes):
    image, network = disk(radius), Breaks()
    sized = SizedPredictor(network, object_size=24.0, n_outputs=1, first_factor=first_factor)
    ((_, found),) = sized.predict([image])
    np.testing.assert_allclose([shape[0] for shape in network.shapes], shapes, atol=2)
    assert np.mean((found[0] > 0.5) == (image[..., 0] > 0.5)) > 0.98
    assert sized.n_passes == 3


def test_training_images_say_which_magnification_to_expect():
    X, y = make_cells(2, (64, 64), radius=5, random_state=0)
    model = SemiSupervisedSegmenter(**TINY, augmentation={"object_size": 24}).fit(X, y)
    expected = magnification(model.object_diameter_, 24)
    assert expected > 2
    assert image_predictor(model).first_factor == expected


def test_images_and_labels_are_resampled_about_the_same_points():
    rows, columns = np.indices((30, 40)).astype(np.float32)
    image = np.stack([rows, columns], axis=-1)
    for shape in ((60, 80), (15, 20)):
        found, step = resample(image, shape), 30 / shape[0]
        inside = slice(2, -2)
        for axis in (0, 1):
            expected = (np.indices(shape)[axis] + 0.5) * step - 0.5
            assert np.abs(found[..., axis] - expected)[inside, inside].max() < 1e-4
    offset = resample(image.astype(np.float64) + 1e8, (15, 20)) - 1e8
    assert np.abs(offset - resample(image, (15, 20))).max() < 1e-4
    assert resample(image.astype(np.uint16), (15, 20)).dtype == np.uint16
    noise = np.random.default_rng(0).normal(size=(16, 1000, 1))
    assert resample(noise, (16, 400)).std() < 0.7 * noise.std()
    labels = np.arange(1200).reshape(30, 40)
    assert np.array_equal(resample_labels(resample_labels(labels, (60, 80)), (30, 40)), labels)
    assert resample_labels(labels, (30, 40)) is labels


def test_images_of_unlike_sizes_are_trained_on_at_one(mixed, monkeypatch):
    X, y = mixed
    seen, start = [], _training.Training.__init__
    monkeypatch.setattr(
        _training.Training, "__init__", lambda *a, **k: (seen.append(a[2]), start(*a, **k))[-1]
    )
    model = SemiSupervisedSegmenter(**TINY, validation_fraction=0).fit(X, y)
    assert model.object_size_ == 24
    (data,) = seen
    for image, label in zip(data.images, data.labels, strict=True):
        assert image.shape[:2] == label.shape
        assert 20 < typical_diameter(label) < 29
    assert data.images[0].shape[0] > 100 > data.images[-1].shape[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"augmentation": {"object_size": None}}, {"augmentation": "dihedral"},
        {"target": "classes"}, {"augmentation": None},
    ],
)  # fmt: skip
def test_sizes_are_left_as_they_are(mixed, changes):
    X, y = mixed
    y = [np.sign(label) for label in y] if "target" in changes else y
    assert (
        SemiSupervisedSegmenter(**{**TINY, "max_steps": 2, **changes}).fit(X, y).object_size_
        is None
    )


def test_auto_needs_unlike_sizes_in_five_labeled_images(mixed):
    X, y = mixed
    options = {**TINY, "max_steps": 2}
    assert SemiSupervisedSegmenter(**options).fit(X[:4] * 2, y[:4] * 2).object_size_ is None
    few = [*y[:1], *([None] * 3), *y[4:6], *([None] * 2)]
    assert SemiSupervisedSegmenter(**options).fit(X, few).object_size_ is None
    given = SemiSupervisedSegmenter(**options, augmentation={"object_size": 12.0})
    assert given.fit(X[:4], y[:4]).object_size_ == 12
    sections = SemiSupervisedSegmenter(**options, sections="consecutive")
    assert sections.fit(X[:4], y[:4]).object_size_ is None
    with pytest.raises(ValueError, match=r"object_size=12.0 of the augmentation needs indep"):
        sections.set_params(augmentation={"object_size": 12.0}).fit(X[:4], y[:4])


def test_points_and_cut_objects_have_no_size(mixed):
    """The border of what touches unlabeled pixels is unknown, as that of discs of points."""
    X, y = mixed
    centers = [np.argwhere(label == 1).mean(0)[None] for label in y[4:]]
    options = {**TINY, "max_steps": 2}
    some = SemiSupervisedSegmenter(**options).fit(X, [*y[:4], *centers])
    assert some.object_size_ is None
    cut = [np.where(label == 0, -1, label) for label in y[4:]]
    assert SemiSupervisedSegmenter(**options).fit(X, [*y[:4], *cut]).object_size_ is None


@pytest.fixture(scope="module")
def fitted(mixed):
    X, y = mixed
    options = {**TINY, "width": 8, "max_steps": 150, "patch_size": 64}
    return make_pipeline(SemiSupervisedSegmenter(**options), InstanceCounter()).fit(X, y)


def test_predictions_have_the_size_of_the_images(mixed, fitted, tmp_path):
    da = pytest.importorskip("dask.array")
    X, y = mixed
    segmenter = fitted[0]
    assert segmenter.object_size_ == 24
    maps = segmenter.transform(X)
    assert [m.shape for m in maps] == [(*x.shape, 2) for x in X]
    assert all(m.dtype == np.float32 for m in maps)
    masks = segmenter.predict(X)
    assert all(np.array_equal(mask, m[..., 0] > 0.5) for mask, m in zip(masks, maps, strict=True))
    assert segmenter.score(X, y) > 0.85
    assert fitted.score(X, y) > 0.7
    for part in (slice(0, 4), slice(4, 8)):
        lazy = da.from_array(np.stack(X[part]), chunks=(2, 32, 32))
        assert np.array_equal(segmenter.transform(lazy).compute(), np.stack(maps[part]))
        assert np.array_equal(segmenter.predict(lazy).compute(), np.stack(masks[part]))
    segmenter.save(tmp_path / "model")
    loaded = SemiSupervisedSegmenter.load(tmp_path / "model")
    assert loaded.object_size_ == 24
    assert np.array_equal(loaded.predict_proba(X)[0], segmenter.predict_proba(X)[0])
    assert sorted(segmenter.suggest_sections(X, 8)) == list(range(8))


def test_new_sizes_are_found_in_predictions(fitted):
    """Objects between those of fit in size, and images without any."""
    X, y = make_cells(3, (80, 90), radius=8, random_state=5)
    assert fitted.score(X, y) > 0.6
    assert fitted.predict(np.zeros((1, 60, 60))).shape == (1,)


def test_pseudo_labels_have_the_size_of_the_images(mixed):
    X, y = mixed
    known = [*y[:3], None, *y[4:7], None]
    options = {**TINY, "semi_supervision": "self-training", "validation_fraction": 0}
    model = SemiSupervisedSegmenter(**options).fit(X, known)
    assert model.object_size_ == 24
    assert [labels.shape for labels in model.transduction_] == [x.shape for x in X]
    for labels, label in zip(model.transduction_, known, strict=True):
        if label is not None:
            assert np.array_equal(labels, np.sign(label))


def test_a_warm_start_keeps_the_size(mixed):
    X, y = mixed
    model = SemiSupervisedSegmenter(**{**TINY, "max_steps": 2}, warm_start=True).fit(X, y)
    assert model.fit(X[:4], y[:4]).object_size_ == 24
    with pytest.raises(ValueError, match=r"must be that of the last fit, 24.0, with warm_start"):
        model.set_params(augmentation={"object_size": 30.0}).fit(X, y)


def test_scans_are_not_resampled_and_say_so(mixed, fitted, tmp_path):
    da = pytest.importorskip("dask.array")
    from sskseg.scans import plan_scan

    with pytest.warns(UserWarning, match="therefore not resampled: its objects should have about"):
        plan_scan(fitted, da.zeros((90, 90)), block_shape=64)
    X, y = mixed
    plain = SemiSupervisedSegmenter(**TINY, augmentation={"object_size": None}).fit(X, y)
    model = make_pipeline(plain, InstanceCounter().fit(plain.transform(X), y))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plan_scan(model, da.zeros((90, 90)), block_shape=64)


@pytest.mark.parametrize("size", [0, -3.0, "large", np.inf, True])
def test_wrong_sizes_are_refused(size):
    with pytest.raises(ValueError, match="object_size must be 'auto', a positive number or None"):
        Augmentation(object_size=size)


def test_simulated_images_tell_that_sizes_differ_if_few_real_ones_are_labeled(mixed):
    X, y = mixed
    small, large = CellSimulator(shape=(64, 64), radius=4), CellSimulator(shape=(64, 64), radius=14)
    both = replace(small, variants=(small, large))
    nothing = [np.full(label.shape, -1) for label in y]
    for simulator, labels, size in (
        (both, nothing, 24.0),
        (both, [*y[:2], *nothing[2:]], 24.0),
        (large, nothing, None),
        (large, y, 24.0),  # real ones do
    ):
        model = SemiSupervisedSegmenter(**{**TINY, "max_steps": 1})
        model.fit(ImageStack(X, simulator=simulator), labels)
        assert model.object_size_ == size


@pytest.mark.parametrize("radius", [7, 24])
def test_scans_have_the_size_of_the_objects_of_training(radius, tmp_path):
    """The network learned from objects of 24 pixels; those of the scan are smaller or larger."""
    da = pytest.importorskip("dask.array")
    from sskseg.scans import count_scan

    X, y = make_cells(3, (160, 160), radius=radius, random_state=0)
    segmenter = SemiSupervisedSegmenter(
        semi_supervision=None, max_steps=1, precision="float32", random_state=0
    ).fit(X, y)
    assert segmenter.object_size_ == 24
    assert segmenter.object_diameter_ == pytest.approx(2 * radius, rel=0.25)
    model = make_pipeline(segmenter, InstanceCounter().fit(segmenter.transform(X), y))
    scan, reference = make_cells(1, (700, 600), radius=radius, random_state=1)
    results = []
    for side in (256, 512):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = count_scan(
                model, da.from_array(scan[0], chunks=300), tmp_path / f"{side}", block_shape=side
            )
        results.append(fastremap.renumber(found.labels.compute())[0])  # in raster order
    np.testing.assert_array_equal(*results)
    assert f1_instances([reference[0]], results[:1]) > 0.75
    loaded = SemiSupervisedSegmenter.load(_saved(segmenter, tmp_path))
    assert loaded.object_diameter_ == segmenter.object_diameter_


def test_the_diameter_of_a_scan_is_measured_if_training_images_differ(tmp_path, caplog):
    da = pytest.importorskip("dask.array")
    from sskseg.scans import count_scan, plan_scan

    sets = [make_cells(2, (160, 160), radius=radius, random_state=0) for radius in (7, 24)]
    X, y = (np.concatenate([each[k] for each in sets]) for k in (0, 1))
    segmenter = SemiSupervisedSegmenter(
        semi_supervision=None, max_steps=1, precision="float32", random_state=0
    ).fit(X, y)
    assert segmenter.object_size_ == 24
    assert segmenter.object_diameter_ is None
    assert segmenter.measure_diameter(lambda: X[2:]) == pytest.approx(48, rel=0.25)
    model = make_pipeline(segmenter, InstanceCounter().fit(segmenter.transform(X), y))
    scan, reference = make_cells(1, (700, 600), radius=24, random_state=1)
    source, results = da.from_array(scan[0], chunks=300), {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        planned = plan_scan(model, source, measure=False).object_diameter
        for side in (256, 512):
            results[side] = count_scan(model, source, tmp_path / f"{side}", block_shape=side)
    assert planned == pytest.approx(48, rel=0.25)
    labels = [fastremap.renumber(found.labels.compute())[0] for found in results.values()]
    np.testing.assert_array_equal(*labels)
    assert f1_instances([reference[0]], labels[:1]) > 0.75
    known = [row["object_diameter"] for row in map(_recorded, (tmp_path / "256", tmp_path / "512"))]
    assert known == [planned, planned]
    # A run that resumes takes what was measured, and another diameter is another run.
    again = count_scan(model, source, tmp_path / "256", block_shape=256)
    assert again.n_objects == results[256].n_objects
    with pytest.raises(ValueError, match="object_diameter"):
        count_scan(model, source, tmp_path / "256", block_shape=256, object_diameter=20.0)
    given = count_scan(model, source, tmp_path / "given", block_shape=256, object_diameter=planned)
    np.testing.assert_array_equal(given.labels.compute(), again.labels.compute())


def _recorded(folder):
    """What the ledger of a scan says of its run."""
    run = Ledger(open_storage(folder)).run()
    return {**run, "object_diameter": json.loads(run["object_diameter"])}


def test_a_scan_of_another_magnification_than_training_is_a_warning():
    X, y = make_cells(3, (160, 160), radius=7, random_state=0)
    segmenter = SemiSupervisedSegmenter(
        semi_supervision=None, max_steps=1, precision="float32", random_state=0
    ).fit(X, y)
    known = segmenter.object_diameter_
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert segmenter.measure_diameter(lambda: X) == known
        assert segmenter.measure_diameter(list) == known
    large, _ = make_cells(2, (200, 200), radius=24, random_state=0)
    with pytest.warns(UserWarning, match="pass its object_diameter"):
        assert segmenter.measure_diameter(lambda: large) == known


def test_an_empty_scan_keeps_its_magnification_with_a_warning(tmp_path):
    da = pytest.importorskip("dask.array")
    from sskseg.scans import plan_scan

    X, y = make_cells(2, (96, 96), radius=8, random_state=0)
    segmenter = SemiSupervisedSegmenter(
        semi_supervision=None, max_steps=1, precision="float32", random_state=0
    ).fit(X, y)
    segmenter.object_diameter_ = None
    model = make_pipeline(segmenter, InstanceCounter().fit(segmenter.transform(X), y))
    with pytest.warns(
        UserWarning, match="A scan without object_diameter is therefore not resampled"
    ):
        assert plan_scan(model, da.zeros((300, 300)), measure=False).object_diameter is None


def test_integers_are_diameters_and_another_model_is_named(tmp_path):
    da = pytest.importorskip("dask.array")
    from sskseg.scans import count_scan

    X, y = make_cells(2, (64, 64), random_state=0)
    source, models = da.from_array(X[0]), []
    for object_size in (24, None):
        segmenter = SemiSupervisedSegmenter(
            semi_supervision=None, width=4, depth=1, max_steps=1, random_state=0,
            augmentation={"object_size": object_size},
        ).fit(X, y)  # fmt: skip
        models.append(make_pipeline(segmenter, InstanceCounter().fit(segmenter.transform(X), y)))
    first = count_scan(models[0], source, tmp_path / "scan", object_diameter=np.int64(20))
    for same in (20, 20.0, None):
        again = count_scan(models[0], source, tmp_path / "scan", object_diameter=same)
        assert again.n_objects == first.n_objects
    with pytest.raises(ValueError, match="holds a run of another model"):
        count_scan(models[1], source, tmp_path / "scan")


@pytest.mark.parametrize("diameter", [0, -3.0, "large"])
def test_bad_diameters_of_a_scan(diameter, tmp_path):
    da = pytest.importorskip("dask.array")
    from sskseg.scans import count_scan

    X, y = make_cells(2, (64, 64), random_state=0)
    segmenter = SemiSupervisedSegmenter(
        semi_supervision=None, width=4, depth=1, max_steps=1, random_state=0,
        augmentation={"object_size": None},
    ).fit(X, y)  # fmt: skip
    model = make_pipeline(segmenter, InstanceCounter().fit(segmenter.transform(X), y))
    with pytest.raises(ValueError, match="'object_diameter' parameter"):
        count_scan(model, da.zeros((64, 64)), tmp_path / "scan", object_diameter=diameter)
    with pytest.raises(ValueError, match="does not resample images"):
        count_scan(model, da.zeros((64, 64)), tmp_path / "scan", object_diameter=20.0)
    assert segmenter.measure_diameter(pytest.fail) is None  # images are not read
    assert not (tmp_path / "scan").exists()


def _saved(segmenter, folder):
    segmenter.save(folder / "model.sskseg")
    return folder / "model.sskseg"


class Saturated:
    """A predictor that is sure of every pixel."""

    n_passes = n_outputs = 1

    def predict(self, images):
        (image,) = images
        yield 0, np.ones((1, *image.shape[:2]), np.float32)


def test_sure_probabilities_stay_probabilities():
    """Interpolation in float32 makes some of them a bit larger than 1."""
    images = [np.zeros((side, 2 * side, 1), np.float32) for side in range(40, 60)]
    ones = [np.ones((*resampled_shape(image.shape[:2], 1.7), 1), np.float32) for image in images]
    back = [resample(one, image.shape[:2]) for one, image in zip(ones, images, strict=True)]
    assert max(each.max() for each in back) > 1
    predictor = SizedPredictor(Saturated(), 24.0, 1, first_factor=1.7)
    for _, output in predictor.predict(images):
        assert output.min() >= 0
        assert output.max() <= 1
