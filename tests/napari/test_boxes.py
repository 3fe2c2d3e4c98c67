"""Boxes in which arrays differ, and what a stroke costs."""

import numpy as np
import pytest

from sskseg.napari import Session
from sskseg.napari.boxes import changed_box, union, whole_box

SHAPE = (30, 40)


@pytest.mark.parametrize("shape", [(7, 9), (3, 7, 9)])
@pytest.mark.parametrize("seed", range(10))
def test_the_box_is_the_smallest_that_holds_all_differences(shape, seed):
    rng = np.random.default_rng(seed)
    before = rng.integers(0, 3, shape)
    after = np.where(rng.random(shape) < 0.03, before + 1, before)
    places = np.argwhere(before != after)
    box = changed_box(before, after, whole_box(shape))
    if not len(places):
        assert box is None
    else:
        assert [side.start for side in box] == places.min(0).tolist()
        assert [side.stop for side in box] == (places.max(0) + 1).tolist()


def test_pixels_outside_of_the_given_box_are_not_compared():
    before, after = np.zeros(SHAPE), np.ones(SHAPE)
    within = (slice(3, 8), slice(30, 99))
    assert changed_box(before, after, within) == (slice(3, 8), slice(30, 40))
    assert changed_box(before, after, (slice(0, 0), slice(0, 0))) is None


def test_union():
    boxes = [(slice(3, 8), slice(1, 2)), (slice(0, 4), slice(9, 12))]
    assert union(boxes) == (slice(0, 8), slice(1, 12))
    assert union([]) is None


def session_of():
    session = Session()
    session.add("a", np.random.default_rng(0).random(SHAPE))
    return session


def test_a_stroke_changes_its_box_alone_and_a_snapshot_stays():
    session = session_of()
    painted = np.ones(SHAPE, int)
    session.paint("a", painted, within=(slice(2, 5), slice(3, 9)))
    sample = session.samples["a"]
    assert sample.painted.sum() == 3 * 6
    version, snapshot = sample.version, sample.snapshot()
    session.paint("a", 2 * painted, painted > 0, within=(slice(4, 6), slice(3, 4)))
    assert sample.version > version == snapshot.version
    assert snapshot.painted.sum() == 3 * 6
    assert not snapshot.complete.any()
    assert sample.complete.sum() == 2
    assert sample.painted[4:6, 3].tolist() == [2, 2]


def test_undo_takes_back_boxes_in_their_order():
    session, states = session_of(), []
    rng = np.random.default_rng(0)
    sample = session.samples["a"]
    for _ in range(20):
        states.append((sample.painted.copy(), sample.complete.copy(), sample.points))
        top, left = rng.integers(0, 25, 2)
        within = (slice(top, top + 5), slice(left, left + 9))
        session.paint(
            "a", rng.integers(0, 4, SHAPE), rng.random(SHAPE) < 0.5, within=within,
            points=rng.random((3, 2)) * 20,
        )  # fmt: skip
    last = sample.painted.copy()
    for state in reversed(states):
        assert session.undo() == "a"
        for now, before in zip((sample.painted, sample.complete, sample.points), state):
            assert np.array_equal(now, before)
    for _ in states:
        session.redo()
    assert np.array_equal(sample.painted, last)


def test_nothing_new_is_no_change():
    session = session_of()
    version = session.samples["a"].version
    session.paint("a", np.zeros(SHAPE, int))
    assert session.samples["a"].version == version
    assert session.undo() is None


def test_negative_numbers_are_refused_and_change_nothing():
    session = session_of()
    with pytest.raises(ValueError, match="must not be negative, got -2"):
        session.paint("a", np.full(SHAPE, -2))
    assert not session.samples["a"].painted.any()


def test_an_image_is_removed_and_what_was_saved_comes_back(tmp_path):
    image = np.random.default_rng(0).random(SHAPE)
    session = Session(tmp_path)
    for name in "ab":
        session.add(name, image)
        session.paint(name, np.ones(SHAPE, int))
    session.remove("a")
    assert list(Session.load(tmp_path).samples) == ["b"]
    assert session.undo() == "b"
    assert session.undo() is None  # that of "a" is forgotten
    assert (session.add("a", image).painted == 1).all()
