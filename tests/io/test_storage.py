"""Folders and stores in memory as places of named contents."""

import errno
import os
import pickle
import threading

import pytest

from sskseg.io.storage import FileStorage, is_url, open_storage, relative_place


@pytest.fixture(params=["folder", "memory"])
def storage(request, tmp_path):
    place = tmp_path / "out" if request.param == "folder" else f"memory://{tmp_path.name}/out"
    return pickle.loads(pickle.dumps(open_storage(place)))


def test_contents_by_key(storage):
    assert storage.read("a/b") is None
    assert storage.list() == storage.list("a") == []
    storage.put("a/b", b"1")
    storage.put("a/b", b"2")
    storage.put("c", b"3")
    assert storage.read("a/b") == b"2"
    assert storage.list() == ["a/b", "c"]
    assert storage.list("a") == ["a/b"]
    assert storage.list("a/b") == []
    storage.remove("c")
    storage.remove("c")
    storage.remove_all("a")
    storage.remove_all("a")
    assert storage.list() == []


def test_one_of_several_creates_a_key(storage):
    storage.put("other", b"")
    found, barrier = {}, threading.Barrier(8)

    def create(i):
        barrier.wait()
        found[i] = storage.create("key", str(i).encode())

    threads = [threading.Thread(target=create, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [i for i, created in found.items() if created]
    assert len(found) == 8
    if isinstance(storage, FileStorage):  # a dict in memory is no place for several processes
        assert len(winners) == 1
    assert storage.read("key") in [str(i).encode() for i in winners]
    assert not storage.create("key", b"new")
    assert storage.list() == ["key", "other"]


def test_a_file_system_without_links(tmp_path, monkeypatch):
    def link(*_):
        raise OSError(errno.EPERM, "no links")

    monkeypatch.setattr(os, "link", link)
    storage = open_storage(tmp_path)
    assert storage.create("key", b"1")
    assert not storage.create("key", b"2")
    assert storage.create("key", b"1")
    assert storage.list() == ["key"]
    monkeypatch.undo()
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(OSError, match="full"):
        storage.create("new", b"")
    assert [file.name for file in tmp_path.iterdir()] == ["key"]


def test_an_error_is_not_a_missing_key(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    storage = open_storage(tmp_path)
    with pytest.raises(NotADirectoryError):
        storage.read("file/key")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        storage.read("folder")


def test_a_new_file_replaces_the_old_one_when_it_is_complete(storage):
    for content in ("old", "new"):
        with storage.new_file("table.csv") as path:
            path.write_text(content)

    def write_half():
        with storage.new_file("table.csv") as path:
            path.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert storage.read("table.csv") == b"new"
    assert storage.list() == ["table.csv"]


def test_files_that_a_killed_run_left_are_not_listed_and_are_replaced(tmp_path):
    storage = open_storage(tmp_path)
    left = tmp_path / "table.csv.0123456789abcdef.part"
    left.write_text("half")
    assert storage.list() == []
    with storage.new_file("table.csv") as path:
        path.write_text("new")
    assert [file.name for file in tmp_path.iterdir()] == ["table.csv"]


def test_places():
    assert is_url("s3://bucket/a")
    assert not is_url("/a")
    assert not is_url("C://a")
    assert open_storage("file:///a/b") == FileStorage(open_storage("/a/b").folder)
    assert relative_place("/a/scan.zarr", "/a/out/labels") == "../../scan.zarr"
    assert relative_place("s3://b/scan.zarr", "s3://b/out/labels") == "../../scan.zarr"
    assert relative_place("s3://b/scan.zarr", "s3://c/out/labels") is None
    assert relative_place("/a/scan.zarr", "s3://c/out/labels") is None
    assert "hidden" not in repr(open_storage("memory://a", {"secret": "hidden"}))
