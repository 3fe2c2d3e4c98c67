import pickle
import warnings
import zlib

import numpy as np
import pytest
from scipy import ndimage as ndi
from sklearn.base import BaseEstimator, clone

from sskseg import ContourDetector, CrossFitted, ImageStack, InstanceCounter
from sskseg.counting import Contours, Watershed
from sskseg.datasets import load_nuclei3d, make_cells, make_neuromuscular_junctions
from sskseg.images.annotations import Annotations
from sskseg.metrics import f1_instances
from sskseg.model_selection import reference as truth_module
from sskseg.model_selection.reference import object_parts, reference_of


@pytest.fixture(scope="module")
def cells():
    return make_cells(5, (64, 80), separation=1.1, random_state=0)[1]


def probability_of(y, noise=0.0):
    rng = np.random.default_rng(0)
    return np.clip((y > 0) * 0.9 + 0.05 + noise * rng.normal(size=y.shape), 0, 1)


def true_counts(y):
    return np.array([len(np.unique(label[label > 0])) for label in y])


def test_counts_of_cells_apart(cells):
    X = probability_of(cells)
    counter = InstanceCounter().fit(X, cells)
    assert (counter.predict(X) == true_counts(cells)).all()
    assert counter.score(X, cells) > 0.98
    assert counter.score(X, true_counts(cells)) == 1
    assert f1_instances(list(cells), list(counter.transform(X)), 0.9) > 0.95


def test_touching_cells_need_the_watershed():
    y = make_cells(5, (64, 80), separation=0.7, random_state=0)[1]
    X = probability_of(y)
    watershed = InstanceCounter().fit(X, y).score(X, y)
    components = InstanceCounter("components").fit(X, y).score(X, y)
    assert watershed > 0.95
    assert watershed > components + 0.05


@pytest.mark.parametrize("kind", ["labels", "counts"])
def test_the_search_finds_the_threshold(cells, kind):
    X = probability_of(cells, noise=0.02)
    X = np.where(X > 0.5, 0.45, 0.35)  # a segmenter of low confidence
    y = cells if kind == "labels" else true_counts(cells)
    counter = InstanceCounter().fit(X, y)
    assert 0.35 <= counter.threshold_ < 0.45
    assert counter.score(X, y) > 0.95
    assert InstanceCounter().fit(X).score(X, true_counts(cells)) <= 0


def test_the_search_removes_specks(cells):
    rng = np.random.default_rng(0)
    X = (cells > 0).astype(float)
    for image in X:
        image[tuple(rng.integers(0, (64, 80), (30, 2)).T)] = 1
    assert InstanceCounter().fit(X).score(X, cells) < 0.8
    counter = InstanceCounter().fit(X, cells)
    assert counter.min_size_ > 1
    assert counter.score(X, cells) > 0.9


def test_given_parameters_are_kept(cells):
    X = probability_of(cells)
    counter = InstanceCounter(Watershed(seed_height=0.2), threshold=0.61, min_size=3).fit(X, cells)
    assert (counter.threshold_, counter.seed_height_, counter.min_size_) == (0.61, 0.2, 3)


@pytest.mark.parametrize("method", ["watershed", "components"])
def test_fragments_of_labeled_objects_are_merged(method):
    y = make_neuromuscular_junctions(6, (128, 128), random_state=0)[1]
    X = [(label > 0).astype(float) for label in y]
    counter = InstanceCounter(method, fill_holes=False).fit(X[:3], y[:3])
    assert counter.merge_distance_ > 2
    apart = InstanceCounter(method, fill_holes=False, merge_distance=0.0).fit(X[:3], y[:3])
    assert counter.score(X[3:], y[3:]) > apart.score(X[3:], y[3:]) + 0.1
    assert all((found > 0)[x == 0].sum() == 0 for found, x in zip(counter.label(X), X, strict=True))
    # Points and counts hold no fragments.
    assert InstanceCounter(method).fit(X, true_counts(y)).merge_distance_ == 0


@pytest.mark.parametrize("scale", [1e-6, 0.5, 40.0])
def test_the_distance_is_in_units_of_the_spacing(scale):
    y = make_neuromuscular_junctions(3, (128, 128), random_state=0)[1]
    X = [(label > 0).astype(float) for label in y]
    counter = InstanceCounter(fill_holes=False).fit(X, y)
    scaled = InstanceCounter(fill_holes=False, spacing=(scale, scale)).fit(X, y)
    assert np.isclose(scaled.merge_distance_, scale * counter.merge_distance_)
    assert scaled.score(X, y) == counter.score(X, y)


def test_objects_cut_by_unlabeled_pixels_are_not_fragmented(cells):
    y = cells.copy()
    y[:, 30:33] = -1
    y[:, :, 20::20] = -1
    parts = [object_parts(label) for label in y]
    assert max(map(max, parts)) == 1
    y[0, :, :] = 0
    y[0, 3, 3] = y[0, 8, 8] = 7
    assert object_parts(y[0]).tolist() == [2]


def test_whole_objects_are_not_merged(cells):
    assert InstanceCounter().fit((cells > 0).astype(float), cells).merge_distance_ == 0


def test_near_junctions_are_separated_although_fragments_are_merged():
    y = make_neuromuscular_junctions(12, (192, 192), random_state=3)[1]
    X = [(label > 0).astype(float) for label in y]
    together = InstanceCounter("components", fill_holes=False).fit(X[:6], y[:6])
    split = InstanceCounter(fill_holes=False).fit(X[:6], y[:6])
    assert split.score(X[6:], y[6:]) > max(0.9, together.score(X[6:], y[6:]))


def test_merged_fragments_in_coarse_volumes_stay_together():
    """Bridges between fragments are narrow, where voxels are long along z."""
    options = {"n_junctions": 8, "radius": 14, "random_state": 0}
    y = [label[1::3] for label in make_neuromuscular_junctions(3, (48, 140, 140), **options)[1]]
    X = [(label > 0).astype(float) for label in y]
    counter = InstanceCounter(spatial_ndim=3, spacing=(3.0, 1.0, 1.0)).fit(X[:2], y[:2])
    assert counter.seed_height_ > 0.2
    assert abs(counter.predict(X[2:])[0] - len(np.unique(y[2])) + 1) <= 1


def test_unlabeled_pixels_are_ignored(cells):
    X = probability_of(cells)
    y = cells.copy()
    y[:, :, 40:] = -1
    y[4] = -1
    counter = InstanceCounter().fit(X, y)
    assert counter.score(X, y) > 0.9
    with pytest.raises(ValueError, match="y labels nothing"):
        InstanceCounter().fit(X, np.full_like(y, -1))


@pytest.mark.parametrize("margin", [0, 8])
def test_overlapping_tiles_count_each_object_once(margin):
    (y,) = make_cells(1, (160, 160), separation=1.1, random_state=2)[1]
    X = np.pad((y > 0).astype(float), margin)
    counter = InstanceCounter("components", margin=margin).fit([X])
    whole = counter.predict([X])[0]
    side = 40
    tiles = [
        X[a : a + side + 2 * margin, b : b + side + 2 * margin]
        for a in range(0, 160, side)
        for b in range(0, 160, side)
    ]
    total = counter.predict(np.array(tiles)).sum()
    assert whole > 40
    if margin:
        assert total == whole
    else:
        assert total > whole


def test_objects_over_sections_count_once():
    volume = make_cells(1, (10, 48, 48), radius=6, n_cells=6, separation=1.2, random_state=0)[1][0]
    X = (volume > 0).astype(float)
    counter = InstanceCounter(sections="consecutive", spacing=(3.0, 1.0, 1.0)).fit(X)
    n = len(np.unique(volume)) - 1
    assert counter.predict(X).shape == (10,)
    assert counter.predict(X).sum() == n < InstanceCounter().fit(X).predict(X).sum()
    labels = counter.label(X)
    assert f1_instances(volume, labels, 0.9) > 0.9
    table = counter.measure(X, intensity=X)
    assert len(table) == n
    assert table["volume"].sum() == pytest.approx(3 * (labels > 0).sum())
    assert table["centroid_z"].max() <= 27
    shuffled = np.random.default_rng(0).permutation(10)
    counts = counter.predict(X[shuffled], positions=shuffled)
    assert np.array_equal(counts, counter.predict(X)[shuffled])
    apart = counter.predict(X, positions=2 * np.arange(10))
    assert apart.sum() == InstanceCounter().fit(X).predict(X).sum()


@pytest.mark.parametrize(
    ("spacing", "unit", "expected"),
    [
        ((0.25, 0.25), "um", (2.0, 0.25, 0.25)),  # the distance of sections is that of fit
        ((250.0, 250.0), "nm", (2000.0, 250.0, 250.0)),
        ((0.25, 0.25), None, (2.0, 0.5, 0.5)),  # of no known unit
        ((3.0, 0.25, 0.25), "um", (3.0, 0.25, 0.25)),
        (None, None, (2.0, 0.5, 0.5)),
    ],
)
def test_sections_are_measured_with_the_size_of_their_own_pixels(spacing, unit, expected):
    X = np.zeros((3, 8, 8))
    X[:2, 2:6, 2:6] = 1
    trained = ImageStack(X, spacing=(2.0, 0.5, 0.5), unit="um")
    counter = InstanceCounter("components", min_size=0, sections="consecutive").fit(trained)
    table = counter.measure(ImageStack(X, spacing=spacing, unit=unit))
    assert table["volume"].tolist() == pytest.approx([32 * np.prod(expected)])
    assert table.attrs["units"]["volume"] == ("nano" if unit == "nm" else "micro") + "meter^3"
    assert counter.spacing_ == (2.0, 0.5, 0.5)


def test_joining_sections_changes_no_section():
    """Cells that touch within a section, and move from section to section."""
    y = np.stack([make_cells(1, (64, 64), n_cells=20, separation=0.9, random_state=i)[1][0]
                  for i in (0, 0, 1, 0)])  # fmt: skip
    core = np.stack([ndi.binary_erosion(section > 0, iterations=2) for section in y])
    X = np.stack([y > 0, core], axis=-1).astype(float)
    joined, apart = (
        InstanceCounter(sections=sections).fit(X, y).label(X)
        for sections in ("consecutive", "independent")
    )
    for one, other in zip(joined, apart, strict=True):
        pairs = np.unique(np.stack([one, other]).reshape(2, -1), axis=1)
        assert pairs.shape[1] == len(np.unique(one)) == len(np.unique(other)) > 10
    assert np.array_equal(joined[0], joined[1])


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (4.0, 1.0, 1.0), (8.0, 1.0, 1.0)])
def test_anisotropic_volumes(spacing):
    side = 48
    thin = max(4, int(side / spacing[0]))
    z, y, x = np.meshgrid(
        np.arange(thin) * spacing[0], np.arange(side), np.arange(side), indexing="ij"
    )
    middle = (thin - 1) * spacing[0] / 2
    balls = [(z - middle) ** 2 + (y - 24) ** 2 + (x - c) ** 2 < 11**2 for c in (14, 33)]
    X = (balls[0] | balls[1]).astype(float)[None]
    counter = InstanceCounter(spatial_ndim=3, spacing=spacing).fit(X)
    assert counter.predict(X).tolist() == [2]


def test_a_margin_leaves_a_part_of_each_image(cells):
    """The largest margin of 9 x 10 pixels leaves the pixels (4, 4) and (4, 5)."""
    objects = np.zeros((3, 9, 10), int)
    objects[0, 4, 4] = objects[1, 4, 5] = objects[2, 4, 6] = 1
    X = probability_of(objects)
    counter = InstanceCounter(margin=4, min_size=0).fit(X, objects)
    assert counter.predict(X).tolist() == [1, 1, 0]
    large = probability_of(cells)
    fitted = InstanceCounter(margin=5).fit(large, cells)
    for method in (fitted.fit, fitted.predict):
        with pytest.raises(
            ValueError, match=r"margin must be at most 4 for X\[1\] of 9 x 10 pixels"
        ):
            method([large[0], X[0]])
    with pytest.raises(ValueError, match="margin must be at most 4 for images of 9 x 10 pixels"):
        Annotations(objects, X[..., None]).counts(margin=5)


def test_a_margin_of_half_an_image_is_an_error_before_a_detector_is_trained(cells):
    counter = InstanceCounter(Contours(ContourDetector(max_steps=10**9)), margin=32)
    with pytest.raises(ValueError, match=r"margin must be at most 31 for X\[0\] of 64 x 80 pixels"):
        counter.fit(probability_of(cells), cells)


def test_lazy_images_smaller_than_the_frame_are_an_error_before_they_are_computed(cells):
    da = pytest.importorskip("dask.array")
    counter = InstanceCounter(margin=5).fit(probability_of(cells), cells)
    with pytest.raises(ValueError, match="margin must be at most 3 for"):
        counter.predict(da.zeros((2, 8, 8)))


def test_the_largest_minimum_size_is_named_with_all_digits():
    with pytest.raises(ValueError, match="at most 1048576 for images of 1024 x 1024 .* 1048577"):
        InstanceCounter(min_size=1024**2 + 1).fit(np.zeros((1, 1024, 1024)))


def test_tables_have_physical_units(cells):
    X = probability_of(cells)
    counter = InstanceCounter(spacing=(0.5, 0.25)).fit(X, cells)
    table = counter.measure(X, intensity=np.stack([cells, -cells], -1).astype(float))
    labels = counter.label(X)
    assert len(table) == counter.predict(X).sum()
    assert table["area"].sum() == pytest.approx((labels > 0).sum() / 8)
    assert {"sample", "id", "score", "mean_intensity_0", "mean_intensity_1"} <= set(table.columns)
    assert table["score"].between(0.9, 1).all()


@pytest.mark.parametrize("sections", ["independent", "consecutive"])
def test_dask_equals_memory(cells, sections):
    da = pytest.importorskip("dask.array")
    X = probability_of(cells)
    counter = InstanceCounter(sections=sections).fit(X, cells)
    lazy = da.from_array(X, chunks=(2, 30, 40))
    for method in ("label", "predict", "transform"):
        result = getattr(counter, method)(lazy)
        assert isinstance(result, da.Array)
        expected = getattr(counter, method)(X)
        assert result.dtype == expected.dtype
        assert np.array_equal(result.compute(), expected)


def test_stacks_lists_and_read_only_arrays(cells):
    X = probability_of(cells)
    X.flags.writeable = False
    counter = InstanceCounter().fit(X, cells)
    assert (counter.predict(ImageStack(X)) == counter.predict(X)).all()
    assert (counter.predict(list(X)) == counter.predict(X)).all()
    ragged = [X[0], X[1][:50]]
    assert [label.shape for label in counter.label(ragged)] == [(64, 80), (50, 80)]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.int32])
def test_read_only_labels_of_any_dtype(cells, dtype):
    X, y = probability_of(cells), cells.astype(dtype)
    expected = InstanceCounter().fit(X, y).predict(X)
    y.flags.writeable = False
    assert np.array_equal(InstanceCounter().fit(X, y).predict(X), expected)


def test_clone_and_pickle(cells):
    X = probability_of(cells)
    counter = InstanceCounter(margin=3).fit(X, cells)
    assert not hasattr(clone(counter), "threshold_")
    assert clone(counter).margin == 3
    copy = pickle.loads(pickle.dumps(counter))
    assert np.array_equal(copy.label(X), counter.label(X))


@pytest.mark.parametrize(
    ("changes", "X", "message"),
    [
        ({}, np.full((1, 8, 8), 7.0), "probabilities between 0 and 1, got values from 7 to 7"),
        ({}, np.zeros((1, 8, 8, 3)), "in the last axis, got 3 channels"),
        ({"method": Watershed("interior")}, np.zeros((1, 8, 8)), "'seeds' parameter"),
        ({"spacing": (1.0,)}, np.zeros((1, 8, 8)), r"2 of them, got \(1.0,\)"),
        ({"spacing": (1.0, 0.0)}, np.zeros((1, 8, 8)), "positive numbers"),
        ({"method": "contour"}, np.zeros((1, 8, 8)), "'method' parameter"),
        ({"sections": "consecutive"}, [np.zeros((8, 8)), np.zeros((8, 9))], "of one shape"),
    ],
)
def test_bad_input_is_refused(changes, X, message):
    with pytest.raises(ValueError, match=message):
        InstanceCounter(**changes).fit(X)


def test_bad_counts_are_refused():
    X = np.zeros((2, 8, 8))
    for y, message in (([1.0], "2 counts"), ([1, -2], "not negative"), ([1, np.inf], "finite")):
        with pytest.raises(ValueError, match=message):
            InstanceCounter().fit(X, np.array(y))


def test_a_real_volume(data_dir):
    _, y = load_nuclei3d(data_dir / "nuclei3d")
    X = (y > 0).astype(np.float32)
    counter = InstanceCounter(spatial_ndim=3).fit(X, y)
    assert counter.score(X, y) > InstanceCounter("components", spatial_ndim=3).fit(X, y).score(X, y)
    assert abs(counter.predict(X)[0] - true_counts(y)[0]) <= 0.25 * true_counts(y)[0]


def points_of(y):
    return [
        np.array([np.argwhere(label == i).mean(0) for i in np.unique(label[label > 0])])
        for label in y
    ]


def test_points_serve_for_search_and_score(cells):
    X = np.where(cells > 0, 0.45, 0.35)  # a segmenter of low confidence
    points = points_of(cells)
    counter = InstanceCounter().fit(X, points)
    assert 0.35 <= counter.threshold_ < 0.45
    assert counter.score(X, points) > 0.95
    some = [points[0], None, points[2], [], None]
    assert InstanceCounter().fit(X, some).score(X[:3], some[:3]) > 0.9
    with pytest.raises(ValueError, match=r"y\[0\] must hold points inside"):
        InstanceCounter().fit(X, [points[0] + 1000, *points[1:]])


def test_the_score_of_points_by_hand():
    X = np.zeros((1, 12, 12))
    X[0, 2:5, 2:5] = X[0, 7:10, 7:10] = 1
    counter = InstanceCounter("components").fit(X)
    assert counter.score(X, [[(3, 3), (8, 8)]]) == 1
    assert counter.score(X, [[(3, 3), (4, 3)]]) == pytest.approx(2 / 4)
    assert counter.score(X, [[]]) == 0


def blurred_cells(n, seed):
    """Probabilities in which cells that touch are hard to separate, and true counts."""
    y = make_cells(n, (64, 80), n_cells=16, separation=0.75, random_state=seed)[1]
    rng = np.random.default_rng(seed)
    kept = [label * (label <= rng.integers(2, 17)) for label in y]
    X = [ndi.gaussian_filter((label > 0) * rng.uniform(0.6, 1.0), 2.0) for label in kept]
    return np.clip(X, 0, 1), true_counts(kept)


def test_intervals_have_their_coverage():
    covered, widths = [], []
    for seed in range(6):
        X, counts = blurred_cells(60, seed)
        counter = InstanceCounter("components").fit(X[:20], counts[:20])
        assert counter.held_out_counts_.shape == (20, 2)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "1 of 40 predicted counts are above")
            found, intervals = counter.predict(X[20:], return_interval=True, coverage=0.8)
        assert np.array_equal(found, counter.predict(X[20:]))
        low, high = intervals.T
        assert (low <= found).all()
        assert (found <= high).all()
        covered += ((low <= counts[20:]) & (counts[20:] <= high)).tolist()
        widths.append((high - low).mean())
    assert 0.75 < np.mean(covered) < 0.97
    assert max(widths) < counts.max() - counts.min()  # not trivial
    narrow = counter.predict(X, return_interval=True, coverage=0.5)[1]
    assert (np.diff(narrow) <= np.diff(counter.predict(X, return_interval=True)[1])).all()


class Memorizer(BaseEstimator):
    """A segmenter that knows the images of its `fit`, and misses and invents objects in others."""

    def fit(self, X, y, positions=None, sample_weight=None):
        used = np.ones(len(X)) if sample_weight is None else sample_weight
        self.known_ = {x.tobytes() for x in np.asarray(X)[used > 0]}
        return self

    def transform(self, X, positions=None):
        return np.stack([self._probability(x) for x in np.asarray(X)])

    predict = transform

    def _probability(self, image):
        places = image[4::8, 4::8] > 0
        if image.tobytes() not in self.known_:
            rng = np.random.default_rng(zlib.crc32(image.tobytes()))
            places = places & (rng.random(places.shape) > 0.1) | (rng.random(places.shape) < 0.04)
        return squares(places).astype(float)


def squares(places):
    """An image of 8 x 8 pixels for each place, with a square of 5 x 5 where one is."""
    return np.kron(places, np.pad(np.ones((5, 5), int), ((2, 1), (2, 1))))


@pytest.mark.filterwarnings("ignore:.*above the largest count of fit")
def test_intervals_after_cross_fitting_cover_new_images():
    """Residuals are of images that are new to the segmenter, too.

    A network would not do: after a short training, its errors depend on the machine.
    """
    crossed, known = [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        y = np.stack([squares(rng.random((6, 6)) < rng.uniform(0.1, 0.6)) for _ in range(120)])
        X, true = y * (1 + 0.01 * rng.random(y.shape)), y[:, 4::8, 4::8].sum((1, 2))
        segmenter = CrossFitted(Memorizer(), cv=3)
        for probabilities, result in (
            (segmenter.fit_transform(X[:20], y[:20]), crossed),
            (segmenter.transform(X[:20]), known),
        ):
            counter = InstanceCounter("components").fit(probabilities, y[:20])
            new = segmenter.transform(X[20:])
            found, intervals = counter.predict(new, return_interval=True, coverage=0.8)
            assert (found != true[20:]).any()
            low, high = intervals.T
            is_inside = (low <= true[20:]) & (true[20:] <= high)
            result.append((is_inside.mean(), (high - low).mean() / np.ptp(true)))
    coverage, width = np.mean(crossed, axis=0)
    assert 0.75 < coverage < 0.9
    assert width < 0.5
    assert np.mean(known, axis=0)[0] < 0.5


@pytest.mark.parametrize("kind", ["labels", "points", "counts"])
def test_every_kind_of_label_gives_intervals(cells, kind):
    y = {"labels": cells, "points": points_of(cells), "counts": true_counts(cells)}[kind]
    X = probability_of(cells)
    counter = InstanceCounter().fit(X, y)
    _, intervals = counter.predict(X, return_interval=True, coverage=0.6)
    assert intervals.dtype == np.int64
    assert (intervals[:, 0] <= true_counts(cells)).all()
    assert (true_counts(cells) <= intervals[:, 1]).all()


def test_held_out_counts_do_not_use_their_own_label(cells):
    X = probability_of(cells)
    plain = InstanceCounter("components").fit(X, true_counts(cells))
    wrong = true_counts(cells).copy()
    wrong[2] += 100
    true, counts = InstanceCounter("components").fit(X, wrong).held_out_counts_.T
    assert np.array_equal(true, wrong)
    assert np.abs(np.diff(plain.held_out_counts_)).max() < 3
    assert np.abs(counts - true_counts(cells)).max() < 3


def test_all_labeled_images_have_residuals(monkeypatch):
    y = make_cells(40, (32, 32), radius=5, random_state=0)[1]
    monkeypatch.setattr(truth_module, "_MAX_PIXELS", 5 * 32**2)  # are enough for the search
    y[3, 0, 0] = -1
    counter = InstanceCounter().fit(probability_of(y), y)
    assert counter.held_out_counts_.shape == (39, 2)
    true = np.delete(true_counts(y), 3)
    assert sorted(counter.held_out_counts_[:, 0]) == sorted(true)
    assert counter.predict(probability_of(y), return_interval=True)[1].shape == (40, 2)
    monkeypatch.setattr(truth_module, "_MAX_PIXELS", 2 * 32**2)
    detector = ContourDetector(width=4, depth=1, max_steps=2, random_state=0)
    detector.fit((y > 0).astype(float), y)
    assert len(detector.validation_indices_) == 4
    wanted = int((y[detector.validation_indices_] >= 0).all(axis=(1, 2)).sum())
    assert detector.held_out_counts_.shape == (wanted, 2)


def test_simulated_images_give_no_residuals(cells):
    class Simulator:
        def sample(self, n, random_state):
            y = make_cells(n, (64, 80), random_state=random_state)[1]
            return probability_of(y), y

    counter = InstanceCounter().fit(ImageStack(probability_of(cells), simulator=Simulator()))
    assert counter.held_out_counts_ is None


def test_points_count_where_objects_do(cells):
    points = [points_of(label[None])[0] for label in cells]
    maps = probability_of(cells)
    for margin in (0, 8, 20):
        by_labels = reference_of(Annotations(cells, maps[..., None]), margin=margin).counts
        by_points = reference_of(Annotations(points, maps[..., None]), margin=margin).counts
        assert np.abs(by_points - by_labels).max() <= 1  # of centroids at the line
        assert by_points.sum() == pytest.approx(by_labels.sum(), rel=0.1)
    annotations = Annotations([[(2, 3), (30, 30)]], maps[:1, ..., None])
    assert reference_of(annotations, margin=8).counts == [1]


def test_points_may_be_one_array(cells):
    points = np.array([[(10, 10), (30, 40)]] * len(cells), float)
    counter = InstanceCounter().fit(probability_of(cells), points)
    listed = InstanceCounter().fit(probability_of(cells), list(points))
    assert counter.get_params() == listed.get_params()
    assert np.array_equal(counter.held_out_counts_, listed.held_out_counts_)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"coverage": 0.9}, "needs true counts of at least 9 samples in fit, got 5"),
        ({"coverage": 1.0}, "coverage must be between 0 and 1, got 1.0"),
        ({"coverage": "0.9"}, "coverage must be between 0 and 1"),
    ],
)
def test_impossible_intervals_are_refused(cells, options, message):
    X = probability_of(cells)
    counter = InstanceCounter().fit(X, cells)
    with pytest.raises(ValueError, match=message):
        counter.predict(X, return_interval=True, **options)
    with pytest.raises(ValueError, match="got 0"):
        InstanceCounter().fit(X).predict(X, return_interval=True)
    stack = InstanceCounter(sections="consecutive").fit(X, true_counts(cells))
    with pytest.raises(ValueError, match="independent images"):
        stack.predict(X, return_interval=True, coverage=0.5)


def test_intervals_of_larger_images_warn(cells, tmp_path):
    X = probability_of(cells)
    counter = InstanceCounter().fit(X, cells)
    counter.save(tmp_path / "counter")
    counter = InstanceCounter.load(tmp_path / "counter")
    wide = np.pad(X, ((0, 0), (0, 0), (0, 8)))
    with pytest.warns(UserWarning, match="1 of 2 images have more pixels .* 5120: up to 5632"):
        counter.predict([X[0], wide[1]], return_interval=True, coverage=0.5)
    counter.predict(wide)
    counter.predict(X[:, 8:], return_interval=True, coverage=0.5)  # warnings are errors here


@pytest.mark.parametrize("kind", ["labels", "points", "counts"])
def test_weights_of_scores_stand_for_repeated_samples(cells, kind):
    points = [
        np.array(ndi.center_of_mass(y > 0, y, np.unique(y[y > 0]))).reshape(-1, 2) for y in cells
    ]
    y = {"labels": list(cells), "points": points, "counts": true_counts(cells)}[kind]
    X = list(probability_of(cells))
    X[1], X[2] = X[1] * 0.1, np.roll(X[2], 30)
    counter = InstanceCounter(Watershed(seed_height=0.05), threshold=0.5, min_size=0).fit(X)
    again = [0, 1, 1, 1, 2, 2]
    weighted = counter.score(X, y, sample_weight=[1, 3, 2, 0, 0])
    assert weighted == pytest.approx(counter.score([X[i] for i in again], [y[i] for i in again]))
    assert weighted != pytest.approx(counter.score(X, y))
    with pytest.raises(ValueError, match="above 0 for a labeled sample"):
        counter.score(X, y, sample_weight=np.zeros(5))


@pytest.mark.parametrize("n_classes", [1, 2])
def test_classes_instead_of_objects_warn(cells, n_classes):
    """Each class of an image was one object in silence."""
    classes = np.where(cells > 0, 2 + cells % n_classes, 0)
    with pytest.warns(UserWarning, match=f"y has at most {n_classes} objects.*-1, y == value"):
        InstanceCounter().fit(probability_of(cells), classes)
    few = np.where(cells > 2, 0, cells)  # objects, of which each image has two
    InstanceCounter().fit(probability_of(few), few)  # warnings are errors here
