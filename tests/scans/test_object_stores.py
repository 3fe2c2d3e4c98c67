"""Scans and results in an object store: a server of S3 that fails, and the store in memory."""

import json
import pickle

import dask.array as da
import fsspec
import numpy as np
import pandas as pd
import pytest
import zarr
from object_store import BUCKET, FaultyStore, every

from sskseg.cli import main
from sskseg.datasets import make_cells
from sskseg.io import read_labels, write_ome_zarr
from sskseg.io.storage import AccessRefused, open_storage
from sskseg.models import save_model
from sskseg.scans import ScanError, count_scan, open_scan
from sskseg.scans.checkpoints import Ledger
from sskseg.scans.status import scan_status

pytest.importorskip("s3fs", reason="s3fs (extra cloud) is not installed")
pytest.importorskip("moto.server", reason="moto and flask (extra test) are not installed")


@pytest.fixture(scope="module")
def server():
    """A server with a bucket, and the options that reach it, with short pauses between tries."""
    import botocore.retryhandler
    import fsspec

    patch = pytest.MonkeyPatch()
    patch.setattr(botocore.retryhandler, "delay_exponential", lambda *_, **__: 0.001)
    store = FaultyStore()
    with store.served() as options:
        store.options = options
        fsspec.filesystem("s3", **options).mkdir(BUCKET)
        yield store
    patch.undo()


@pytest.fixture
def storage(server, request):
    """A place of its own for each test."""
    name = request.node.name.replace("[", "-").replace("]", "").replace(" ", "-")
    return open_storage(f"s3://{BUCKET}/{name}", server.options)


@pytest.fixture(scope="module")
def plane():
    return make_cells(1, (60, 90), random_state=3)[0][0]


@pytest.fixture(scope="module")
def whole(components, plane, tmp_path_factory):
    """All that a run writes into a folder."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    count_scan(components, da.from_array(plane), folder, block_shape=45)
    return content(open_storage(folder))


def content(storage):
    return {key: storage.read(key) for key in storage.list()}


def count_into(storage, components, plane, **options):
    return count_scan(
        components, da.from_array(plane), storage.place, block_shape=45,
        storage_options=storage.options, **options,
    )  # fmt: skip


def test_results_are_those_of_a_folder(components, plane, whole, storage):
    found = count_into(storage, components, plane)
    assert content(storage) == whole
    assert found.n_objects == len(found.table) > 3
    assert found.labels.max().compute() == found.n_objects
    assert pickle.loads(pickle.dumps(found)).labels.max().compute() == found.n_objects
    # A finished run is read.
    assert count_into(storage, components, plane).n_objects == found.n_objects
    status = scan_status(storage.place, storage.options)
    assert (status.done, status.n_objects) == (True, found.n_objects)
    storage.put("notes.txt", b"mine")
    count_into(storage, components, plane, resume=False)
    assert content(storage) == {**whole, "notes.txt": b"mine"}


def test_results_in_zarr_2_are_those_of_a_folder(components, plane, server, storage, tmp_path):
    count_scan(
        components, da.from_array(plane), tmp_path / "out", block_shape=45, zarr_format=2
    )  # fmt: skip
    with server.failing(every(9, "throttled")):
        count_into(storage, components, plane, zarr_format=2)
        with pytest.raises(ValueError, match="another zarr_format"):
            count_into(storage, components, plane)
    assert content(storage) == content(open_storage(tmp_path / "out"))


def test_labels_are_read_and_shown_from_a_url(components, plane, storage, monkeypatch, capsys):
    found = count_into(storage, components, plane)
    expected = found.labels.compute()
    for place in (storage.place, f"{storage.place}/labels"):
        _, (labels,) = read_labels(place, storage_options=storage.options)
        assert np.array_equal(labels, expected)
    with pytest.raises(FileNotFoundError, match="nowhere: expected OME-Zarr"):
        read_labels(f"{storage.place}/nowhere", storage_options=storage.options)
    for name, value in storage.options.items():
        monkeypatch.setitem(fsspec.config.conf.setdefault("s3", {}), name, value)
    assert main(["info", storage.place, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["labels"]
    assert shown["shapes of levels"] == [list(expected.shape)]
    assert main(["info", f"{storage.place}/nowhere"]) == 2
    assert "expected OME-Zarr" in capsys.readouterr().err


FAULTS = ("throttled", "too many", "broken", "dropped", "half", "lost")


@pytest.mark.parametrize("fault", FAULTS)
def test_requests_that_fail_are_repeated(server, storage, fault):
    for key in ("a", "b"):
        n_before = len(server.requests)
        with server.failing(
            lambda *_, n=n_before: fault if len(server.requests) == n + 1 else None
        ):
            storage.put(key, fault.encode())
        assert len(server.requests) == n_before + 2
    with server.failing(every(2, fault)):
        assert storage.read("a") == fault.encode()
        assert storage.list() == ["a", "b"]
        assert not storage.create("a", b"other")
        storage.remove_all()
    assert storage.list() == []


def test_results_are_those_of_a_folder_where_requests_fail(
    components, plane, whole, server, storage
):
    with server.failing(every(9, *FAULTS)):
        count_into(storage, components, plane)
    assert content(storage) == whole


@pytest.mark.parametrize("after", [3, 100])
def test_a_run_resumes_after_the_store_failed(
    components, plane, whole, server, storage, after, monkeypatch
):
    monkeypatch.setattr("s3fs.core.S3FileSystem.retries", 1)
    options = {**server.options, "config_kwargs": {"retries": {"max_attempts": 0}}}
    place = open_storage(storage.place, options)
    start = len(server.requests)

    def fails(method, path):
        return "broken" if len(server.requests) > start + after else None

    with (
        server.failing(fails),
        pytest.raises((ScanError, OSError), match="(?i)internal"),
    ):
        count_into(place, components, plane)
    count_into(storage, components, plane)
    assert content(storage) == whole


def test_an_error_of_the_store_is_not_a_missing_entry(server, storage):
    options = {**server.options, "config_kwargs": {"retries": {"max_attempts": 0}}}
    place = open_storage(f"{storage.place}/ledger", options)
    ledger = Ledger.open(place, {"model": "a"})
    ledger.write("objects", 0, n=1)
    assert ledger.has("objects", 0)
    assert not ledger.has("objects", 1)
    calls = [
        lambda: ledger.has("objects", 0), ledger.run, ledger.n_finished, place.list,
        lambda: place.create("new", b""), lambda: place.remove("new"),
        lambda: zarr.open_group(place.zarr(), mode="a"),
    ]  # fmt: skip
    for call in calls:
        with (
            server.failing(lambda method, path: "broken"),
            place.explained(),
            pytest.raises(OSError, match="(?i)internal"),
        ):
            call()


def test_one_of_two_creates_a_key(server, storage):
    assert storage.create("a", b"1")
    assert not storage.create("a", b"2")
    assert storage.read("a") == b"1"
    with server.failing(every(1, "lost", *[None] * 999)):  # created, but the reply is lost
        assert storage.create("b", b"1")
    assert not storage.create("b", b"2")
    with server.failing(every(1, "conflict", *[None] * 999)):  # of another request, which failed
        assert storage.create("c", b"1")
    with server.failing(every(1, "conflict", *[None] * 999)):  # of another request
        assert not storage.create("c", b"2")


def test_a_content_that_is_sent_half_is_not_written(server, storage):
    options = {**server.options, "config_kwargs": {"retries": {"max_attempts": 0}}}
    place = open_storage(storage.place, options)
    storage.put("a", b"old")
    with server.failing(lambda method, path: "half"), pytest.raises(OSError, match=storage.place):
        place.put("a", b"new" * 100_000)
    assert storage.read("a") == b"old"


def test_refused_credentials_are_an_error_at_once(components, plane, server, storage):
    options = {**server.options, "key": "wrong"}
    start = len(server.requests)
    with pytest.raises(AccessRefused, match=f"{storage.place} refuses access.*credentials"):
        count_scan(components, da.from_array(plane), storage.place, storage_options=options)
    assert len(server.requests) - start < 5
    with pytest.raises(PermissionError, match="scan.zarr refuses access"):
        open_scan(f"s3://{BUCKET}/scan.zarr", storage_options=options)
    assert storage.list() == []


def test_credentials_that_expire_end_the_run(components, plane, whole, server, storage):
    start = len(server.requests)

    def expired(method, path):
        return "refused" if len(server.requests) > start + 60 else None

    with server.failing(expired), pytest.raises(AccessRefused, match="whether they have expired"):
        count_into(storage, components, plane)
    assert len(server.requests) - start < 120
    count_into(storage, components, plane)
    assert content(storage) == whole


def test_a_scan_is_read_from_the_store(components, plane, server, storage, tmp_path):
    write_ome_zarr(tmp_path / "scan.zarr", plane, axes="yx", spacing=(0.5, 0.25), unit="micrometer")
    for file in (tmp_path / "scan.zarr").rglob("*"):
        if file.is_file():
            storage.put(f"scan.zarr/{file.relative_to(tmp_path / 'scan.zarr').as_posix()}",
                        file.read_bytes())  # fmt: skip
    url = f"{storage.place}/scan.zarr"
    scan = open_scan(url, storage_options=server.options)
    assert (scan.source, scan.spacing, scan.unit) == (url, (0.5, 0.25), "micrometer")
    assert np.array_equal(scan.data.compute(), plane)
    assert server.options["secret"] not in repr(scan)
    expected = count_scan(components, tmp_path / "scan.zarr", tmp_path / "out", block_shape=45)
    found = count_scan(
        components, url, f"{storage.place}/out", block_shape=45, storage_options=server.options
    )
    pd.testing.assert_frame_equal(found.table, expected.table)
    assert (found.labels == expected.labels).all().compute()
    labels = zarr.open_group(open_storage(f"{storage.place}/out", server.options).zarr(), mode="r")
    image = labels["labels"].attrs["ome"]["image-label"]["source"]["image"]
    assert image == "../../scan.zarr"
    local = count_scan(components, url, tmp_path / "local", block_shape=45,
                       storage_options=server.options)  # fmt: skip
    assert local.destination == tmp_path / "local"
    pd.testing.assert_frame_equal(local.table, expected.table)


def test_bad_urls(components, plane, server, storage, tmp_path):
    options = {"storage_options": server.options}
    with pytest.raises(FileNotFoundError, match="No scan at s3://bucket/none.zarr"):
        open_scan("s3://bucket/none.zarr", **options)
    with pytest.raises(FileNotFoundError, match="s3://nowhere/out does not exist"):
        count_scan(components, da.from_array(plane), "s3://nowhere/out", **options)
    storage.put("a.txt", b"")
    with pytest.raises(ValueError, match="holds something else"):
        count_scan(components, da.from_array(plane), storage.place, **options)
    with pytest.raises(ValueError, match="storage_options must be None for a path"):
        count_scan(components, da.from_array(plane), tmp_path / "out", **options)
    with pytest.raises(ValueError, match="nosuch://a/b has a protocol that fsspec does not know"):
        open_scan("nosuch://a/b")


def test_the_command_line_reads_the_environment(
    components, plane, server, storage, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.options["endpoint_url"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.options["key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.options["secret"])
    save_model(components, tmp_path / "model.sskseg")
    write_ome_zarr(tmp_path / "scan.zarr", plane, axes="yx")
    arguments = [
        "scan",
        "run",
        str(tmp_path / "scan.zarr"),
        "--model",
        str(tmp_path / "model.sskseg"),
    ]
    assert main([*arguments, "--out", storage.place, "--block-shape", "45", "--json"]) == 0
    n_objects = json.loads(capsys.readouterr().out)["objects"]
    assert n_objects > 3
    assert len(pd.read_csv(f"{storage.place}/objects.csv", storage_options={})) == n_objects
    assert json.loads(storage.read("run.json"))["result"]["objects"] == n_objects
    assert main(["scan", "status", storage.place]) == 0
    assert f"The table is {storage.place}/objects.csv" in capsys.readouterr().out
