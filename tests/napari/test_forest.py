"""The forest of the window: its thread, its answers, and the comparison with the network."""

import threading

import numpy as np
import pytest

from sskseg import PixelForest
from sskseg.baselines import _pixel_features
from sskseg.datasets import make_cells
from sskseg.napari import Answer, ForestView, Session, View
from sskseg.napari.comparison import compare

SHAPE = (70, 60)
WHOLE = View(None, tuple(slice(0, n) for n in SHAPE))


@pytest.fixture
def session():
    X, y = make_cells(2, SHAPE, random_state=0)
    session = Session()
    for name, image, label in zip("ab", X, y):
        session.add(name, image)
        session.paint(name, strokes(label))
    return session


def strokes(label):
    """Stripes that are painted, of objects and of background."""
    return np.where(np.arange(label.shape[-1]) % 12 < 3, np.where(label > 0, 2, 1), 0)


def answer_of_forest(forest, shape=SHAPE):
    found = np.full(shape, np.nan, np.float32)
    for part in forest.take():
        found[part.place] = part.probability
    return found


def test_the_answer_is_that_of_the_estimator_to_the_bit(session, monkeypatch):
    expected = PixelForest(5, random_state=0).fit(*session.training_data()[:2])
    expected = expected.predict_proba(session.samples["a"].image[None])[0]
    monkeypatch.setitem(_pixel_features.TILE_CORES, 2, 16)  # with a halo of 34: one tile
    forest = ForestView(session, n_estimators=5)
    forest.request({"a": WHOLE})
    forest.wait()
    assert np.array_equal(answer_of_forest(forest), expected)


def test_a_request_ends_the_one_before_after_its_tile(session):
    forest, is_reached, goes_on = ForestView(session, 2), threading.Event(), threading.Event()

    def slow(image, region):
        for row in range(3):
            is_reached.set()
            goes_on.wait()
            yield (slice(row, row + 1), region[1]), np.full((1, 60), row, np.float32)

    forest.forest.predict_region = slow
    forest.request({"a": WHOLE})
    is_reached.wait()
    forest.request({"b": View(None, (slice(0, 1), slice(0, 1)))})  # is replaced
    forest.request({"b": WHOLE})
    goes_on.set()
    forest.wait()
    names = [part.name for part in forest.take()]
    assert names == ["a", "b", "b", "b"]


def test_only_what_changes_costs(session, monkeypatch):
    forest, trainings = ForestView(session, 2), []
    fit = PixelForest.fit
    monkeypatch.setattr(PixelForest, "fit", lambda *args: trainings.append(1) or fit(*args))
    forest.request({"a": WHOLE})
    forest.wait()
    assert len(forest.take()) == 1
    forest.request({"a": View(None, (slice(5, 20), slice(5, 20)))})  # is answered already
    forest.wait()
    assert forest.take() == []
    forest.request({"b": WHOLE})
    forest.wait()
    assert [part.name for part in forest.take()] == ["b"]
    assert len(trainings) == 1
    session.paint("a", np.ones(SHAPE, int))
    forest.request({"a": WHOLE})
    forest.wait()
    assert len(trainings) == 2
    assert len(forest.take()) == 1


def test_planes_of_volumes_are_classified():
    shape = (4, 40, 50)
    X, y = make_cells(1, shape, random_state=0)
    session = Session(kind="volume")
    session.add("a", X[0])
    session.paint("a", strokes(y[0]))
    forest = ForestView(session, 5)
    forest.request({"a": View(2, (slice(0, 40), slice(0, 50)))})
    forest.wait()
    found = answer_of_forest(forest, shape)
    assert np.isnan(found[[0, 1, 3]]).all()
    assert ((found[2] > 0.5) == (y[0, 2] > 0)).mean() > 0.8


def test_too_little_paint_is_said_and_does_not_end_the_thread(session):
    painted = session.samples["a"].painted.copy()
    for name in "ab":
        session.paint(name, np.ones(SHAPE, int))
    forest = ForestView(session, 2)
    forest.request({"a": WHOLE})
    with pytest.raises(ValueError, match="painted as objects"):
        forest.wait()
    session.paint("a", painted)
    forest.request({"a": WHOLE})
    forest.wait()
    assert len(forest.take()) == 1


def test_the_network_is_behind_until_it_fits_what_is_painted(session):
    _, y = make_cells(2, SHAPE, random_state=0)
    for probabilities, is_behind in (((y > 0) * 1.0, False), (np.zeros(y.shape), True)):
        answers = {
            name: Answer(p, y[0], p, None) for name, p in zip("ab", probabilities, strict=True)
        }
        found = compare(session, answers)
        assert found.is_network_behind == is_behind
        assert 0 < found.forest < 0.5
    assert found.network == 0.5
    for name in "ab":
        session.paint(name, np.ones(SHAPE, int))
    assert compare(session, answers) is None


@pytest.mark.parametrize("kind", ["sections", "volume"])
def test_a_network_of_a_stack_is_compared_on_painted_planes(kind):
    X, y = make_cells(1, (5, *SHAPE), radius=9, random_state=0)
    session, painted = Session(kind=kind), np.zeros(X[0].shape, int)
    painted[[1, 3]] = [strokes(y[0, z]) for z in (1, 3)]
    session.add("a", X[0])
    session.paint("a", painted)
    for probability, is_behind in (((y[0] > 0) * 1.0, False), (np.full(y[0].shape, 0.5), True)):
        found = compare(session, {"a": Answer(probability, y[0], probability, None)})
        assert found.is_network_behind == is_behind
        assert 0 < found.forest < 0.25
    assert found.network == 0.25
    assert compare(session, {}) is None


def test_a_comparison_predicts_the_tiles_that_have_strokes_alone(monkeypatch):
    monkeypatch.setitem(_pixel_features.TILE_CORES, 2, 16)
    X, y = make_cells(1, (128, 128), random_state=0)
    session, asked = Session(), []
    session.add("a", X[0])
    painted = np.zeros((128, 128), int)
    for number, place in enumerate([(2, 3), (40, 90), (100, 101), (90, 10)]):
        box = tuple(slice(a, a + 4) for a in place)
        painted[box] = 1 + number % 2
    session.paint("a", painted)
    predict = PixelForest.predict_region

    def counted(forest, image, box):
        for tile, probability in predict(forest, image, box):
            asked.append(tuple(side.start // 16 for side in tile))
            yield tile, probability

    monkeypatch.setattr(PixelForest, "predict_region", counted)
    probability = X[0].astype(np.float32)
    assert compare(session, {"a": Answer(probability, y[0], probability, None)}) is not None
    assert sorted(asked) == [(0, 0), (2, 5), (5, 0), (6, 6)]
