"""Instance methods: those of the library, and one of a user's own, in one class."""

import numpy as np
import pytest
from scipy import ndimage as ndi
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sskseg import ContourDetector, InstanceCounter, PercentileScaler, SemiSupervisedSegmenter
from sskseg.counting import INSTANCE_METHODS, Components, Contours, InstanceMethod, Watershed
from sskseg.datasets import make_cells
from sskseg.metrics import f1_instances
from sskseg.morphology import label_components

VALUES = {"threshold": 0.5, "merge_distance": 0.0, "seed_height": 0.1, "radius": 2}


class Opening(InstanceMethod):
    """Cut the thin bridges between touching objects."""

    name = "test-opening"
    candidates = {"radius": (2, 1, 3, 4)}

    def __init__(self, radius="auto"):
        self.radius = radius

    def split(self, probability, parameters, spacing=None):
        mask = self.foreground(probability, parameters, spacing)
        return label_components(ndi.binary_opening(mask, iterations=parameters["radius"]))


@pytest.fixture(scope="module")
def cells():
    return make_cells(5, (64, 80), separation=0.7, random_state=0)[1]


@pytest.fixture(scope="module")
def probability(cells):
    rng = np.random.default_rng(0)
    return np.clip((cells > 0) * 0.9 + 0.05 + 0.02 * rng.normal(size=cells.shape), 0, 1)


def test_a_method_of_a_users_own_is_found_by_name_or_given_as_an_object(cells, probability):
    by_name = InstanceCounter("test-opening").fit(probability, cells)
    method = Opening()
    by_object = InstanceCounter(method).fit(probability, cells)
    assert np.array_equal(by_name.label(probability), by_object.label(probability))
    assert by_name.radius_ == by_object.radius_
    assert by_name.radius_ in Opening.candidates["radius"]
    assert vars(method) == {"radius": "auto"}
    components = InstanceCounter("components").fit(probability, cells)
    assert by_name.score(probability, cells) > components.score(probability, cells)
    given = InstanceCounter(Opening(radius=3)).fit(probability, cells)
    assert given.radius_ == 3


def test_parameters_of_a_method_are_searched_in_a_grid(cells, probability):
    grid = {"method__radius": [1, 3], "threshold": [0.5]}
    search = GridSearchCV(InstanceCounter(Opening()), grid, cv=2).fit(probability, cells)
    assert search.best_estimator_.radius_ == search.best_params_["method__radius"]
    grid = {"method__seed_height": [0.05, 0.9]}
    search = GridSearchCV(InstanceCounter(Watershed()), grid, cv=2).fit(probability, cells)
    assert search.best_estimator_.seed_height_ == 0.05


def test_a_method_of_a_users_own_counts_scans(tmp_path):
    da = pytest.importorskip("dask.array")
    from sskseg.scans import count_scan

    X, y = make_cells(2, (64, 64), random_state=0)
    segmenter = SemiSupervisedSegmenter(
        semi_supervision=None, width=4, depth=1, max_steps=60, batch_size=2, precision="float32",
        random_state=0,
    )  # fmt: skip
    plane = make_cells(1, (150, 170), random_state=3)[0][0]
    for i, method in enumerate(("test-opening", Opening(radius=1))):
        model = make_pipeline(PercentileScaler(), segmenter, InstanceCounter(method)).fit(X, y)
        result = count_scan(
            model, da.from_array(plane), tmp_path / str(i), block_shape=60, halo=40, n_workers=1
        )
        expected = np.asarray(model.transform(plane[None]))[0]
        labels = np.asarray(result.labels)
        assert result.n_objects == expected.max() > 3
        assert f1_instances(labels, expected, 0.999) == 1
        assert np.array_equal(labels > 0, expected > 0)
        assert not len(result.cut)


def test_a_method_of_a_users_own_is_saved_by_its_name(cells, probability, tmp_path):
    counter = InstanceCounter(Opening(radius=3)).fit(probability, cells)
    counter.save(tmp_path / "counter")
    loaded = InstanceCounter.load(tmp_path / "counter")
    assert loaded.method.get_params() == {"radius": 3}
    assert np.array_equal(loaded.label(probability), counter.label(probability))

    class Nameless(Opening):
        pass

    nameless = InstanceCounter(Nameless()).fit(probability, cells)
    assert INSTANCE_METHODS["test-opening"] is Opening
    with pytest.raises(ValueError, match=r"params.method cannot be saved .* got Nameless"):
        nameless.save(tmp_path / "nameless")


@pytest.mark.parametrize("method", [Components(), Watershed(), Opening()])
def test_methods_are_pure(probability, method):
    image = probability[0].copy()
    image.flags.writeable = False
    before = repr(vars(method))
    first, second = method.split(image, VALUES), clone(method).split(image, VALUES)
    assert np.array_equal(first, second)
    assert repr(vars(method)) == before


def test_objects_of_the_library_do_what_their_names_do(cells, probability):
    for name, method in {"components": Components(), "watershed": Watershed()}.items():
        by_name = InstanceCounter(name).fit(probability, cells)
        by_object = InstanceCounter(method).fit(probability, cells)
        assert np.array_equal(by_name.label(probability), by_object.label(probability))
        assert repr(method) == repr(type(method)())
    smooth = InstanceCounter(Watershed("probability", smoothing=3.0)).fit(probability, cells)
    assert not np.array_equal(smooth.label(probability), by_name.label(probability))


def test_only_components_without_holes_and_bridges_are_exact(probability):
    options = {"fill_holes": False, "merge_distance": 0.0}
    assert InstanceCounter("components", **options).fit(probability).exact
    assert not InstanceCounter("watershed", **options).fit(probability).exact
    assert not InstanceCounter("components").fit(probability).exact
    assert (
        not InstanceCounter("components", fill_holes=False, merge_distance=2.0)
        .fit(probability)
        .exact
    )


def test_a_failed_fit_leaves_the_earlier_one(cells, probability):
    counter = InstanceCounter().fit(probability, cells)
    before = dict(vars(counter))
    with pytest.raises(ValueError, match="between 0 and 1"):
        counter.fit(probability * 7, cells)
    with pytest.raises(ValueError, match="y labels nothing"):
        counter.fit(probability, np.full_like(cells, -1))
    assert vars(counter) == before


def test_attributes_of_another_method_go(cells, probability):
    counter = InstanceCounter().fit(probability, cells)
    assert hasattr(counter, "seed_height_")
    counter.set_params(method="components").fit(probability, cells)
    assert not hasattr(counter, "seed_height_")


def test_unknown_methods_are_refused(probability):
    for method in ("contour", 3, Watershed, ContourDetector()):
        with pytest.raises(ValueError, match="'method' parameter of InstanceCounter must be"):
            InstanceCounter(method).fit(probability)
    with pytest.raises(ValueError, match="'detector' parameter of Contours must be"):
        InstanceCounter(Contours("unet")).fit(probability)


@pytest.mark.parametrize(
    "labels", [np.zeros((64, 81), int), np.zeros((64, 80)), [[0]]], ids=["shape", "dtype", "list"]
)
def test_labels_of_a_wrong_shape_or_type_are_refused(probability, labels):
    class Wrong(InstanceMethod):
        def split(self, probability, parameters, spacing=None):
            return labels

    with pytest.raises(ValueError, match=r"Wrong.split must return integer labels of shape \(64"):
        InstanceCounter(Wrong()).fit(probability).label(probability)
