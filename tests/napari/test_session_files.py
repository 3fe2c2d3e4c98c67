"""Folders of sessions: saved as one paints, back after a crash, and bad folders."""

import numpy as np
import pytest

from sskseg.napari import Session

IMAGES = np.random.default_rng(0).random((2, 20, 30, 3))


def painted_session(folder=None, kind="images"):
    session = Session(folder, kind=kind)
    for name, image in zip(("a/1", "b"), IMAGES):
        data = image if kind == "images" else image[..., 0][None].repeat(2, 0)
        spacing = (0.5,) * (data.ndim - (kind == "images"))
        session.add(name, data, spacing=spacing, unit="micrometer")
    shape = session.samples["b"].painted.shape
    painted, complete = np.zeros(shape, int), np.zeros(shape, bool)
    painted[..., 2:5, 3:9] = 2
    painted[..., 10:, :] = 1
    complete[..., :9, :10] = True
    session.paint("b", painted, complete, points=np.full((1, len(shape)), 1.0))
    return session


def same(session, other):
    assert session.kind == other.kind
    assert list(session.samples) == list(other.samples)
    for one, two in zip(session.samples.values(), other.samples.values()):
        for attribute in ("image", "painted", "complete", "points"):
            assert np.array_equal(getattr(one, attribute), getattr(two, attribute)), attribute
        assert (one.spacing, one.unit, one.point_radius) == (
            two.spacing,
            two.unit,
            two.point_radius,
        )


@pytest.mark.parametrize("kind", ["images", "sections", "volume"])
def test_a_session_comes_back_from_its_folder(tmp_path, kind):
    session = painted_session(tmp_path / "session", kind)
    session.set_point_radius(5)
    again = Session.load(tmp_path / "session")
    same(session, again)
    again.paint("b", np.ones(again.samples["b"].painted.shape, int))
    same(again, Session.load(tmp_path / "session"))


def test_a_folder_can_be_chosen_later(tmp_path):
    session = painted_session()
    session.save_in(tmp_path / "later")
    session.paint("a/1", np.ones((20, 30), int))
    same(session, Session.load(tmp_path / "later"))


def test_another_session_is_not_overwritten(tmp_path):
    first = painted_session(tmp_path)
    second = painted_session()
    second.paint("a/1", np.ones((20, 30), int))
    with pytest.raises(ValueError, match="holds another session"):
        second.save_in(tmp_path)
    same(first, Session.load(tmp_path))


def test_a_folder_that_cannot_be_written_loses_nothing(tmp_path):
    session = painted_session(tmp_path / "good")
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        session.save_in(tmp_path / "file")
    session.paint("a/1", np.ones((20, 30), int))
    same(session, Session.load(tmp_path / "good"))


def test_what_could_not_be_saved_is_saved_with_the_next_change(tmp_path, monkeypatch):
    session = painted_session(tmp_path)
    painted = np.ones((20, 30), int)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("sskseg.napari.storage.write_labels", full)
        for _ in range(2):  # it is tried again
            with pytest.raises(OSError, match="No space left"):
                session.paint("a/1", painted)
        assert session.unsaved == {"a/1"}
        assert (session.samples["a/1"].painted == 1).all()
    session.paint("a/1", painted)
    assert session.unsaved == set()
    same(session, Session.load(tmp_path))


def test_an_image_that_cannot_be_saved_is_kept(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    session = Session(tmp_path)
    with pytest.raises(OSError, match="No space left"):
        session.add("a", IMAGES[0])
    assert list(session.samples) == ["a"]


def test_damaged_folders_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no session"):
        Session.load(tmp_path)
    painted_session(tmp_path)
    (tmp_path / "images" / "b.npy").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"b.npy is damaged"):
        Session.load(tmp_path)
    (tmp_path / "images" / "b.npy").unlink()
    with pytest.raises(FileNotFoundError, match="image 'b' of the session is missing"):
        Session.load(tmp_path)
    (tmp_path / "session.json").write_text("{}")
    with pytest.raises(ValueError, match=r"session.json is damaged"):
        Session.load(tmp_path)
