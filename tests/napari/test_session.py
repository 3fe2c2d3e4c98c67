"""Sessions, training and layers, without a window."""

import json

import numpy as np
import pandas as pd
import pytest

from sskseg.datasets import make_cells
from sskseg.io import read_labels
from sskseg.napari import Answer, Session, Training, answer_of, count_objects, suggest
from sskseg.napari.answers import measured
from sskseg.napari.corrections import correct

SMALL = {"width": 4, "depth": 1, "max_steps": 8, "random_state": 0}


@pytest.fixture
def session(tmp_path):
    X, y = make_cells(2, (64, 64), random_state=0)
    session = Session(tmp_path)
    for name, image in zip("ab", X):
        session.add(name, image, spacing=(0.5, 0.5), unit="micrometer")
    session.paint("a", np.where(y[0] > 0, y[0] + 2, 1), np.ones(y[0].shape, bool))
    return session


def test_unpainted_is_unlabeled_except_in_complete_regions():
    session = Session()
    session.add("a", np.random.default_rng(0).random((4, 5)))
    painted = np.array([[1, 1, 0, 0, 0], [0, 2, 2, 0, 2], [0, 0, 0, 0, 2], [3, 0, 0, 0, 0]])
    complete = np.zeros((4, 5), bool)
    complete[3] = True
    session.paint("a", painted, complete)
    y = session.samples["a"].y
    assert (y[0] == [0, 0, -1, -1, -1]).all()
    assert (y[3] == [2, 0, 0, 0, 0]).all()
    assert y[1, 1] == y[1, 2] != y[1, 4] == y[2, 4]
    assert len({y[1, 1], y[1, 4], y[3, 0]}) == 3


def test_what_is_painted_comes_back_in_a_new_session(session, tmp_path):
    later = Session(tmp_path)
    sample = later.add("a", session.samples["a"].image)
    assert (sample.painted == session.samples["a"].painted).all()
    assert sample.complete.all()
    with pytest.raises(ValueError, match="a.tif is of an image of shape"):
        Session(tmp_path).add("a", np.zeros((8, 9)) + np.arange(9))


def test_undo_and_redo(session):
    painted = session.samples["a"].painted.copy()
    session.paint("a", np.ones_like(painted))
    assert session.undo() == "a"
    assert (session.samples["a"].painted == painted).all()
    assert session.redo() == "a"
    assert (session.samples["a"].painted == 1).all()
    assert session.redo() is None


def test_a_full_disk_loses_nothing(session, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    before = read_labels(tmp_path / "painted" / "a.tif")[1][0]
    painted = np.ones((64, 64), np.int32)
    monkeypatch.setattr("sskseg.napari.storage.write_labels", full)
    with pytest.raises(OSError, match="No space left"):
        session.paint("a", painted)
    assert (session.samples["a"].painted == 1).all()
    assert (read_labels(tmp_path / "painted" / "a.tif")[1][0] == before).all()


@pytest.mark.parametrize(
    ("painted", "message"),
    [(0, "Nothing is painted: "), (1, "painted as objects"), (2, "painted as background")],
)
def test_labels_of_one_kind_are_refused(painted, message):
    session = Session()
    session.add("a", np.random.default_rng(0).random((8, 8)))
    session.paint("a", np.full((8, 8), painted))
    with pytest.raises(ValueError, match=message):
        Training(session, **SMALL).start()


def test_images_of_other_channels_and_shapes_are_refused(session):
    with pytest.raises(ValueError, match="same channels: 'a' has 1, 'rgb' has 3"):
        session.add("rgb", np.random.default_rng(0).random((8, 8, 3)))
    with pytest.raises(ValueError, match="painted must have the shape of 'a'"):
        session.paint("a", np.zeros((3, 3), int))


@pytest.mark.parametrize("kind", ["images", "sections", "volume"])
def test_a_training_gives_answers_and_counts(kind):
    shape = (64, 64) if kind == "images" else (8, 32, 32)
    X, y = make_cells(2, shape, random_state=0)
    session = Session(kind=kind)
    for name, image in zip("ab", X):
        session.add(name, image, spacing=(0.5,) * len(shape), unit="micrometer")
    session.paint("a", np.where(y[0] > 0, y[0] + 2, 1))
    training = Training(session, **SMALL)
    training.start()
    training.wait()
    answers = answer_of(session, training.model)
    scaled, positions = training.model[0].transform(session.stack()), session.positions()
    for found, method in (
        ("probability", training.model[1].predict_proba),
        ("uncertainty", training.model[1].predict_uncertainty),
    ):
        expected = session.by_sample(method(scaled, positions=positions))
        for name, answer in answers.items():
            np.testing.assert_array_equal(getattr(answer, found), expected[name])
    for answer in answers.values():
        assert answer.probability.shape == answer.labels.shape == answer.uncertainty.shape == shape
        assert len(answer.table) == len(np.unique(answer.labels[answer.labels > 0]))
    session.set_answers(answers)
    suggestion = suggest(session)
    assert suggestion.name == "b"
    assert (suggestion.section is None) == (kind == "images")


def test_images_of_other_exposures_are_predicted_alike():
    X, y = make_cells(1, (64, 64), random_state=0)
    session = Session()
    for name, image in {"a": X[0], "dark": X[0] * 0.25 + 0.125}.items():  # exact in binary
        session.add(name, image)
    session.paint("a", np.where(y[0] > 0, y[0] + 2, 1))
    training = Training(session, **SMALL)
    training.start()
    training.wait()
    answers = answer_of(session, training.model)
    np.testing.assert_allclose(answers["dark"].probability, answers["a"].probability, atol=0.02)


def test_cancel_keeps_the_last_model_and_keep_makes_a_new_one(session):
    training = Training(session, **SMALL)
    training.start()
    training.wait()
    first = training.model
    training.parameters["max_steps"] = 10**6
    training.start()
    training.cancel()
    training.wait()
    assert training.model is first
    training.start()
    with pytest.raises(RuntimeError, match="A training is running"):
        training.start()
    training.keep()
    training.wait()
    assert training.model is not first
    assert len(training.model[1].history_) > 0


def test_counts_are_in_units_of_the_image(session):
    _, y = make_cells(1, (64, 64), random_state=0)
    sample = session.samples["a"]
    table = count_objects(sample, y[0])
    assert table.objects.item() == len(np.unique(y[0])) - 1
    assert table["size"].item() == pytest.approx((64 * 0.5e-3) ** 2)
    halves = np.repeat([[1, 2]], 32, axis=1).repeat(64, axis=0)
    assert count_objects(sample, y[0], halves).objects.sum() == table.objects.item()
    with pytest.raises(ValueError, match="regions must have shape"):
        count_objects(sample, y[0], halves[:3])


def corrected(labels, actions):
    """The session after corrections of objects, and what is painted and the objects of each."""
    session = Session(kind="volume" if labels.ndim == 3 else "images")
    rng = np.random.default_rng(0)
    session.add("a", rng.random(labels.shape), spacing=(0.5,) * labels.ndim, unit="micrometer")
    sample, probability = session.samples["a"], rng.random(labels.shape).astype(np.float32)
    table = measured(sample, labels, probability)
    session.set_answers({"a": Answer(probability, labels, probability, table)})
    found = []
    for action, places in actions:
        answer = correct(session, "a", action, np.array(places))
        found.append((sample.painted.copy(), answer.labels.copy(), answer.table))
    return session, found


def test_corrections():
    labels = np.array([[1, 1, 1, 1, 0, 2, 2]], np.int32)
    one, two = [[0, 1.2]], [[0, 5.0]]
    for action, places, painted, objects in (
        ("delete", two, [0, 0, 0, 0, 0, 1, 1], [1, 1, 1, 1, 0, 0, 0]),
        ("merge", one + two, [3, 3, 3, 3, 0, 3, 3], [1, 1, 1, 1, 0, 1, 1]),
        ("split", [[0, 0], [0, 3]], [3, 3, 4, 4, 0, 0, 0], [1, 1, 3, 3, 0, 2, 2]),
    ):
        _, [found] = corrected(labels, [(action, places)])
        assert found[0].tolist() == [painted]
        assert found[1].tolist() == [objects]
    for action, places, message in (
        ("delete", [[0, 4]], "there is none at a place"),
        ("merge", one, "at least two objects"),
        ("split", one + two, "in 2 objects"),
        ("split", [[0, 9], [0, 0]], "a place is outside"),
    ):
        with pytest.raises(ValueError, match=message):
            corrected(labels, [(action, places)])


@pytest.mark.parametrize("shape", [(60, 70), (14, 40, 60)])
def test_tables_of_corrections_are_those_of_the_whole_image_and_undo_restores_all(shape):
    labels = make_cells(1, shape, radius=4, random_state=0)[1][0].astype(np.int32)
    first, *others = np.unique(labels)[1:6]
    a, b, c, d = (np.argwhere(labels == number)[0].tolist() for number in others)
    pixels = np.argwhere(labels == first)
    actions = [
        ("split", [pixels[0], pixels[-1]]), ("merge", [a, b]), ("delete", [c, d]),
        ("merge", [pixels[0], a]), ("delete", [pixels[-1]]),
    ]  # fmt: skip
    session, found = corrected(labels, actions)
    sample = session.samples["a"]
    for painted, objects, table in reversed(found):
        expected = measured(sample, objects, sample.answer.probability)
        pd.testing.assert_frame_equal(table, expected, check_exact=True)
        assert table.attrs == expected.attrs
        assert np.array_equal(sample.painted, painted)
        assert np.array_equal(sample.answer.labels, objects)
        pd.testing.assert_frame_equal(sample.answer.table, table, check_exact=True)
        session.undo()
    assert np.array_equal(sample.answer.labels, labels)
    assert not sample.painted.any()
    for _ in found:
        session.redo()
    assert np.array_equal(sample.answer.labels, found[-1][1])
    assert np.array_equal(sample.painted, found[-1][0])


def test_a_correction_changes_the_box_of_its_objects_alone():
    labels = make_cells(1, (60, 70), radius=4, random_state=0)[1][0].astype(np.int32)
    session, _ = corrected(labels, [])
    sample, number = session.samples["a"], int(labels.max())
    version, pixels = sample.version, np.argwhere(labels == number)
    correct(session, "a", "delete", pixels[:1])
    low, high = pixels.min(0).tolist(), (pixels.max(0) + 1).tolist()
    assert sample.changed_since(version) == tuple(map(slice, low, high))
    assert sample.changed_since(sample.version) is None
    for _ in range(100):
        session.undo()
        session.redo()
    assert sample.changed_since(version) == (slice(0, 60), slice(0, 70))  # too long ago


def test_data_of_a_session_are_written(session, tmp_path):
    session.save_data(tmp_path / "data")
    content = json.loads((tmp_path / "data" / "session.json").read_text())
    assert [sample["name"] for sample in content["samples"]] == ["a", "b"]
    assert (np.load(tmp_path / "data" / "images" / "a.npy") == session.samples["a"].image).all()
    label = read_labels(tmp_path / "data" / "labels" / "a.tif")[1][0]
    assert (label == session.samples["a"].y).all()
