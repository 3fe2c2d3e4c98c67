"""Objects that are told apart by their cores."""

import warnings

import numpy as np
import pytest
from scipy import ndimage as ndi
from sklearn.pipeline import make_pipeline

from sskseg import (
    ImageStack,
    InstanceCounter,
    PercentileScaler,
    SemiSupervisedSegmenter,
)
from sskseg.counting import InstanceMethod, Watershed
from sskseg.datasets import make_cells
from sskseg.metrics import f1_instances
from sskseg.morphology import label_components, normalized_distance, share_with_neighbors
from sskseg.training import SegmentationLoss

TINY = {
    "width": 4, "depth": 2, "max_steps": 40, "batch_size": 2, "precision": "float32",
    "semi_supervision": None, "random_state": 0,
}  # fmt: skip


def outputs_of(y, noise=0.0, seed=0):
    """Foreground and cores as a good network predicts them."""
    rng = np.random.default_rng(seed)
    core = np.nan_to_num(normalized_distance(y)) > 0.4
    maps = np.stack([y > 0, core], axis=-1) * 0.9 + 0.05
    return np.clip(maps + noise * rng.normal(size=maps.shape), 0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def cells():
    """Cells that touch so closely that their common shape does not tell them apart."""
    y = np.zeros((4, 60, 90), np.int64)
    for sample in range(4):
        for k in range(6):
            y[sample, 6:50, 6 + 13 * k : 19 + 13 * k] = k + 1
    return y


def stack(y):
    return np.stack([outputs_of(image, 0.02, i) for i, image in enumerate(y)])


def test_cores_tell_apart_what_shapes_cannot(cells):
    X = stack(cells)
    with_cores = InstanceCounter().fit(X, cells)
    assert with_cores.seeds_ == "core"
    assert with_cores.score(X, cells) == 1
    assert with_cores.predict(X).tolist() == [6] * 4
    plain = InstanceCounter().fit(X[..., 0], cells)
    assert plain.seeds_ == "distance"
    assert plain.score(X[..., 0], cells) < 0.5
    assert InstanceCounter().fit(X).seeds_ == "core"  # without annotations, too


def test_distances_are_chosen_where_cores_fail(cells):
    y = make_cells(4, (64, 80), separation=0.7, random_state=0)[1]
    X = np.stack([outputs_of(image) for image in y])
    X[..., 1] = 0.95 * (np.random.default_rng(0).random(X.shape[:-1]) < 0.2)
    counter = InstanceCounter().fit(X, y)
    assert counter.seeds_ == "distance"
    assert np.array_equal(counter.label(X), counter.label(X[..., 0]))
    forced = InstanceCounter(Watershed("core", smoothing=0)).fit(X, y)
    assert forced.seeds_ == "core"
    assert forced.score(X, y) < counter.score(X, y)


def test_objects_without_a_core_are_counted():
    """Thin ones have none: they are objects of their own, wherever they lie."""
    y = np.zeros((1, 40, 60), int)
    y[0, 4:6, 5:30], y[0, 10, 5:30], y[0, 20:35, 5:20] = 1, 2, 3
    X = stack(y)
    X[0, :18, :, 1] = 0
    counter = InstanceCounter(min_size=0).fit(X)
    labels = counter.label(X)
    assert counter.predict(X).tolist() == [3]
    assert f1_instances(y, labels, 0.99) == 1
    nothing = np.zeros((1, 20, 20, 2))
    assert counter.predict(nothing).tolist() == [0]


def test_thin_cores_are_seeds():
    y = np.zeros((1, 40, 40), int)
    y[0, 4:36, 10:13], y[0, 4:36, 13:16] = 1, 2
    X = np.stack([(y > 0) * 0.98 + 0.01, np.isin(np.indices(y.shape)[2], (11, 14)) * 0.98], -1)
    X[..., 1] *= y > 0
    assert InstanceCounter(min_size=0).fit(X).predict(X).tolist() == [2]
    volume, maps = y[:, None].repeat(6, 1), X[:, None].repeat(6, 1)
    counter = InstanceCounter(min_size=0, spatial_ndim=3, spacing=(5.0, 1.0, 1.0)).fit(maps)
    assert counter.predict(maps).tolist() == [2]
    assert volume.shape == maps.shape[:-1]


def test_a_large_object_is_one_and_one_alone_is_found():
    y = np.zeros((1, 90, 90), int)
    y[0, 5:85, 5:85] = 1
    assert InstanceCounter().fit(stack(y)).predict(stack(y)).tolist() == [1]


def test_fragmented_objects_are_merged_by_distances():
    """Each fragment has a core of its own."""
    y = np.zeros((3, 60, 80), int)
    y[:, 10:22, 8:36], y[:, 26:38, 8:36] = 1, 1
    y[:, 10:22, 48:74], y[:, 26:38, 48:74] = 2, 2
    X = stack(y)
    counter = InstanceCounter().fit(X, y)
    assert (counter.seeds_, counter.merge_distance_ > 0) == ("distance", True)
    assert counter.predict(X).tolist() == [2] * 3
    assert InstanceCounter(merge_distance=5.0).fit(X).seeds_ == "distance"
    assert InstanceCounter(merge_distance=5.0).fit(X, [2, 2, 2]).seeds_ == "distance"


def test_what_lacks_cores_says_so(cells):
    X = stack(cells)
    counter = InstanceCounter().fit(X, cells)
    with pytest.raises(ValueError, match="X must hold the probabilities of foreground and cores"):
        counter.predict(X[..., 0])
    with pytest.raises(ValueError, match="X must hold the probabilities of foreground and cores"):
        InstanceCounter(Watershed("core")).fit(X[..., 0], cells)
    with pytest.raises(ValueError, match=r"in the last axis, got 3 channels\. Images go through"):
        counter.predict(np.concatenate([X, X[..., :1]], axis=-1))
    with pytest.raises(ValueError, match="two channels whose sum is 1: classes"):
        InstanceCounter().fit(np.stack([1 - X[..., 0], X[..., 0]], axis=-1), cells)
    with pytest.raises(ValueError, match="between 0 and 1"):
        counter.predict(X * 2)


def test_a_method_that_reads_no_cores_gets_the_foreground(cells):
    class Plain(InstanceMethod):
        def split(self, probability, parameters, spacing=None):
            assert probability.ndim == 2
            return label_components(self.foreground(probability, parameters, spacing))

    X = stack(cells)
    assert InstanceCounter(Plain()).fit(X, cells).predict(X).tolist() == [1] * 4
    assert InstanceCounter("components").fit(X, cells).predict(X).tolist() == [1] * 4


def test_volumes_and_sections(cells):
    y = np.zeros((2, 12, 30, 40), int)
    y[:, 2:10, 4:26, 4:20], y[:, 2:10, 4:26, 20:36] = 1, 2
    X = stack(y)
    volumes = InstanceCounter(spatial_ndim=3).fit(X, y)
    assert volumes.seeds_ == "core"
    assert volumes.predict(X).tolist() == [2, 2]
    sections = InstanceCounter(sections="consecutive").fit(stack(cells), cells)
    assert sections.predict(stack(cells)).sum() == 6


def test_model_files_and_lazy_probabilities(cells, tmp_path):
    da = pytest.importorskip("dask.array")
    X = stack(cells)
    counter = InstanceCounter().fit(X, cells)
    counter.save(tmp_path / "counter")
    loaded = InstanceCounter.load(tmp_path / "counter")
    assert loaded.seeds_ == "core"
    lazy = da.from_array(X, chunks=(1, 30, 40, 1))
    assert np.array_equal(loaded.label(lazy).compute(), counter.label(X))
    assert loaded.predict(lazy).compute().tolist() == [6] * 4
    table = loaded.measure(X)
    assert len(table) == 24
    assert table.score.between(0.9, 1).all()


@pytest.fixture(scope="module")
def crowded():
    return make_cells(5, (64, 72), radius=6, separation=0.8, random_state=0)


def test_segmenters_hand_on_foreground_and_cores(crowded):
    da = pytest.importorskip("dask.array")
    X, y = crowded
    segmenter = SemiSupervisedSegmenter(**TINY).fit(X, y)
    maps = segmenter.transform(X)
    assert maps.shape == (*X.shape, 2)
    assert maps.dtype == np.float32
    assert np.array_equal(maps[..., 0], segmenter.predict_proba(X))
    assert np.array_equal(segmenter.predict(X), maps[..., 0] > 0.5)
    lazy = segmenter.transform(da.from_array(X, chunks=(1, 40, 40)))
    assert lazy.shape == maps.shape
    assert np.abs(lazy.compute() - maps).max() < 1e-5
    listed = segmenter.transform([X[0], X[1, :50]])
    assert [x.shape for x in listed] == [(64, 72, 2), (50, 72, 2)]
    carried = segmenter.fit_transform(ImageStack(X, spacing=(2.0, 2.0)), y)
    assert carried.in_sample
    assert carried.spacing == (2.0, 2.0)
    without = SemiSupervisedSegmenter(**TINY, loss=SegmentationLoss(("cross-entropy", "dice")))
    assert without.fit(X, y).transform(X).shape == X.shape
    classes = SemiSupervisedSegmenter(**TINY, target="classes").fit(X, np.sign(y))
    assert classes.transform(X).shape == X.shape


@pytest.mark.parametrize("methods", [None, "continuity"])
def test_cores_of_sections(crowded, methods):
    """A correction by neighbors changes the foreground alone, in memory and lazily."""
    da = pytest.importorskip("dask.array")
    X, y = crowded
    known = np.where(np.arange(5)[:, None, None] % 2 == 1, y, -1)
    options = {**TINY, "semi_supervision": methods}
    segmenter = SemiSupervisedSegmenter(**options, sections="consecutive").fit(X, known)
    maps = segmenter.transform(X)
    assert np.array_equal(maps[..., 0], segmenter.predict_proba(X))
    assert 0 <= maps[..., 1].min() < maps[..., 1].max() <= 1
    lazy = segmenter.transform(da.from_array(X, chunks=(2, 40, 40)))
    assert lazy.shape == maps.shape
    assert np.abs(lazy.compute() - maps).max() < 1e-5
    some = segmenter.transform(X[1:4], positions=[1, 2, 3])
    if methods is None:
        return
    assert some.shape == (3, 64, 72, 2)


def test_cores_learn_what_the_foreground_cannot_show():
    """Two cells in each clump, told apart by a faint line."""
    rng = np.random.default_rng(0)
    y = np.zeros((6, 64, 64), int)
    for sample in range(6):
        for k, (row, column) in enumerate(((4, 4), (4, 34), (34, 4), (34, 34))):
            row, column = row + rng.integers(4), column + rng.integers(4)
            y[sample, row : row + 20, column : column + 11] = 2 * k + 1
            y[sample, row : row + 20, column + 11 : column + 22] = 2 * k + 2
    edges = np.stack([ndi.morphological_gradient(image, 3) > 0 for image in y])
    X = (y > 0) * (1 - 0.5 * edges) + 0.05 * rng.normal(size=y.shape)
    options = {**TINY, "width": 8, "max_steps": 200, "patch_size": 64, "augmentation": "dihedral"}
    model = make_pipeline(
        PercentileScaler(), SemiSupervisedSegmenter(**options), InstanceCounter()
    ).fit(X, y)
    assert model[-1].seeds_ == "core"
    assert model.score(X, y) > 0.95
    maps = model[:-1].transform(X)
    assert InstanceCounter().fit(maps[..., 0], y).score(maps[..., 0], y) < model.score(X, y)


def test_scans_give_the_objects_of_the_whole(crowded, tmp_path):
    da = pytest.importorskip("dask.array")
    zarr = pytest.importorskip("zarr")
    from sskseg.scans import count_scan

    X, y = crowded
    segmenter = SemiSupervisedSegmenter(**TINY).fit(X, y)
    plane = make_cells(1, (170, 190), radius=6, separation=0.8, random_state=7)[0][0]
    counter = InstanceCounter(Watershed("core"), threshold=0.5).fit(segmenter.transform(X), y)
    model = make_pipeline(segmenter, counter)
    whole = segmenter.transform(plane[None])
    expected = counter.label(whole)[0]
    options = {"block_shape": 60, "halo": 40, "n_workers": 1}
    found = count_scan(
        model, da.from_array(plane), tmp_path / "kept", keep_probabilities=True, **options
    )
    cores = zarr.open_array(tmp_path / "kept" / "cores")[:]
    assert np.abs(cores - whole[0, ..., 1]).max() < 1e-5
    labels = found.labels.compute()
    pairs = np.unique(np.stack([labels.ravel(), expected.ravel()]), axis=1)
    assert pairs.shape[1] == len(np.unique(labels)) == len(np.unique(expected)) > 10
    assert found.n_objects == expected.max()
    count_scan(model, da.from_array(plane), tmp_path / "gone", **options)
    assert not (tmp_path / "gone" / "cores").exists()
    assert not (tmp_path / "gone" / "probabilities").exists()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = count_scan(
            model, da.from_array(plane), tmp_path / "kept", keep_probabilities=True, **options
        )
    assert again.n_objects == found.n_objects
    plain = InstanceCounter("components", fill_holes=False).fit(segmenter.transform(X), y)
    count_scan(
        make_pipeline(segmenter, plain), da.from_array(plane), tmp_path / "plain",
        keep_probabilities=True, **options,
    )  # fmt: skip
    assert not (tmp_path / "plain" / "cores").exists()


def test_shares_of_objects_that_almost_touch():
    y = np.zeros((20, 60), int)
    y[4:10, 4:10], y[4:10, 13:19], y[4:10, 30:36], y[15:19, 50:] = 1, 2, 3, 4
    assert share_with_neighbors([y]) == 0.5  # a gap of three pixels
    y[4:10, 13] = 0
    assert share_with_neighbors([y]) == 0
    y[4:10, 36:40], y[0] = 5, -1
    assert share_with_neighbors([y, y * 0]) == 0.4
    assert share_with_neighbors([]) == share_with_neighbors([y * 0]) == 0
    y[4:10, 0] = -1
    assert share_with_neighbors([np.where(np.isin(y, (3, 5)), -1, y)]) == 0
    volume = np.zeros((9, 9, 9), int)
    volume[:3], volume[5:] = 1, 2
    assert share_with_neighbors([volume]) == 1


@pytest.mark.filterwarnings("ignore:Labels lie")  # squares that are not in the image
def test_cores_are_learned_where_objects_almost_touch(crowded):
    X, y = crowded
    few = np.zeros_like(y)
    few[:, 10:20, 10:20], few[:, 40:50, 40:50] = 1, 2
    options = {**TINY, "max_steps": 2}
    assert SemiSupervisedSegmenter(**options).fit(X, y).has_cores_
    alone = SemiSupervisedSegmenter(**options).fit(X, few)
    assert not alone.has_cores_
    assert alone.transform(X).shape == X.shape
    assert alone.network_.head.out_channels == 2 * 4  # foreground and distance, of four sub-pixels
    asked = SemiSupervisedSegmenter(**options, loss=SegmentationLoss(("dice", "core"))).fit(X, few)
    assert asked.has_cores_
    points = [np.argwhere(label == 1).mean(0)[None] for label in y]
    assert not SemiSupervisedSegmenter(**options).fit(X, points).has_cores_
    assert asked.transform(X).shape == (*X.shape, 2)
    without = SegmentationLoss(("dice", "distance"))
    assert not SemiSupervisedSegmenter(**options, loss=without).fit(X, y).has_cores_
    warm = SemiSupervisedSegmenter(**options, warm_start=True).fit(X, few).fit(X, y)
    assert not warm.has_cores_
