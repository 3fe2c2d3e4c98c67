"""Faults of disks and input: a clear error, nothing corrupted, and another call resumes."""

import errno
import io
import os
import subprocess
import sys
import warnings

import dask.array as da
import joblib
import numpy as np
import pandas as pd
import pytest
import torch
import zarr
from sklearn.pipeline import make_pipeline

from sskseg import InstanceCounter
from sskseg.datasets import make_cells
from sskseg.io import read_object_table, storage
from sskseg.scans import Scan, ScanError, count_scan, open_scan
from sskseg.scans.devices import choose_device, worker_device
from sskseg.scans.plan import choose_block_shape
from sskseg.segmentation._blocks import SegmenterBlocks


@pytest.fixture(scope="module")
def plane():
    return make_cells(1, (150, 170), random_state=3)[0][0]


@pytest.fixture(scope="module")
def whole(components, plane, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "out"
    count_scan(components, da.from_array(plane), folder, block_shape=50)
    return content(folder)


def content(folder):
    """All files of a result, byte by byte."""
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


LIMITED = """
import resource, signal, sys, joblib, dask.array as da
from sskseg.scans import count_scan
model, image = joblib.load(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
count_scan(model, da.from_array(image), sys.argv[2], block_shape=50)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_files_that_cannot_grow(components, plane, whole, tmp_path):
    """The operating system refuses every write beyond 2 kB, as a full disk does."""
    joblib.dump((components, plane), tmp_path / "job")
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "job"), str(tmp_path / "out"), "2000"]
    failed = subprocess.run(command, capture_output=True, text=True)
    assert failed.returncode != 0
    assert "ScanError" in failed.stderr
    assert os.strerror(errno.EFBIG) in failed.stderr
    assert "call count_scan again when the cause is gone" in failed.stderr
    assert not [f for f in content(tmp_path / "out") if ".part" in f]
    count_scan(components, da.from_array(plane), tmp_path / "out", block_shape=50)
    assert content(tmp_path / "out") == whole


@pytest.mark.parametrize("where", ["ledger", "array"])
@pytest.mark.parametrize("after", [0, 3, 30, 45])
def test_a_disk_that_fills_up_on_the_way(
    components, plane, whole, tmp_path, monkeypatch, where, after
):
    written = []

    def full(original):
        def write(*arguments, **options):
            written.append(1)
            if len(written) > after:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return original(*arguments, **options)

        return write

    out = tmp_path / "out"
    with monkeypatch.context() as context:
        if where == "ledger":
            context.setattr(storage, "write_atomically", full(storage.write_atomically))
        else:
            context.setattr(zarr.Array, "__setitem__", full(zarr.Array.__setitem__))
        if where == "array" and after > 20:
            pytest.skip("so many blocks are not written")
        with pytest.raises((ScanError, OSError), match="No space left on device"):
            count_scan(components, da.from_array(plane), out, block_shape=50)
    count_scan(components, da.from_array(plane), out, block_shape=50)
    assert content(out) == whole


def test_a_chunk_that_cannot_be_read(components, plane, tmp_path):
    """It is reported, the other blocks are finished, and another call does the rest."""
    path = tmp_path / "scan.zarr"
    array = zarr.create_array(path, shape=(150, 1700), chunks=(50, 50), dtype=plane.dtype)
    array[:] = np.tile(plane, (1, 10))
    expected = count_scan(components, path, tmp_path / "whole", block_shape=150)
    chunk = path / "c" / "1" / "33"
    kept, stamp = chunk.read_bytes(), os.stat(path).st_mtime_ns
    chunk.write_bytes(b"nonsense")
    with pytest.raises(ScanError, match="1 block.* failed after 3 tries.*task 'predict'") as caught:
        count_scan(components, path, tmp_path / "out", block_shape=150)
    assert [task for task, _, _ in caught.value.failures] == ["predict"]
    assert f"{path} that cannot be read: y 50 to 99, x 1650 to 1699. All" in str(caught.value)
    assert len(list((tmp_path / "out" / "ledger" / "objects").rglob("0*"))) > 3
    chunk.write_bytes(kept)
    os.utime(path, ns=(stamp, stamp))
    found = count_scan(components, path, tmp_path / "out", block_shape=150)
    assert found.table.equals(expected.table)
    assert content(tmp_path / "out") == content(tmp_path / "whole")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_worker_that_is_killed_is_replaced(components, plane, whole, tmp_path):
    """The first block that is read kills the process that reads it."""
    import random
    import signal

    from distributed import Client, LocalCluster

    def killing(block, flag=tmp_path / "killed"):
        if not flag.exists():
            flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return block

    before = random.getstate()  # which distributed draws from
    image = da.from_array(plane, chunks=50)
    image = image.map_blocks(killing, dtype=image.dtype, meta=image._meta)
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with LocalCluster(**options) as cluster, Client(cluster) as client:
            found = count_scan(components, image, tmp_path / "out", block_shape=50, client=client)
    random.setstate(before)
    assert (tmp_path / "killed").exists()
    labels = [name for name in whole if name.startswith("labels/")]
    written = content(tmp_path / "out")
    assert {name: written[name] for name in labels} == {name: whole[name] for name in labels}
    # The worker has one thread, which adds up probabilities in another order.
    expected = pd.read_parquet(io.BytesIO(whole["objects.parquet"]))
    pd.testing.assert_frame_equal(found.table, expected, rtol=1e-5)


def test_a_mask_excludes_blocks_and_objects(components, plane, tmp_path, monkeypatch):
    mask = np.zeros((15, 17), np.uint8)
    mask[:, 9:] = 3
    calls = []
    predict = SegmenterBlocks.predict
    monkeypatch.setattr(
        SegmenterBlocks, "predict", lambda *a, **k: calls.append(1) or predict(*a, **k)
    )
    tables = []
    for i, each in enumerate(
        (mask, da.from_array(mask, chunks=4), mask.repeat(10, 0).repeat(10, 1))
    ):
        found = count_scan(
            components, da.from_array(plane), tmp_path / str(i), block_shape=50, mask=each
        )
        labels = found.labels.compute()
        assert (labels[:, :90] == 0).all()
        tables.append(found.table)
        assert found.table.equals(tables[0])
    probability = components[:-1].transform(plane[None])[0, ..., 0]
    expected = components[-1].label(np.where(np.arange(170) < 90, 0, probability)[None])[0]
    assert found.n_objects == expected.max() > 3
    assert np.array_equal(labels > 0, expected > 0)
    assert calls
    calls.clear()
    empty = np.zeros((1, 1), bool)
    found = count_scan(components, da.from_array(plane), tmp_path / "none", mask=empty)
    assert (found.n_objects, calls) == (0, [])
    with pytest.raises(ValueError, match="another mask"):
        count_scan(components, da.from_array(plane), tmp_path / "none", mask=~empty)


def test_bad_input_is_refused_before_anything_is_written(components, plane, tmp_path):
    image, out = da.from_array(plane), tmp_path / "out"
    volume = Scan(da.zeros((5, 64, 64)), "zyx", (1.0, 1.0, 1.0), None, "volume")
    known = Scan(image, "yx", (1.0, 1.0), "micrometer", "plane")
    steps = [step for _, step in components.steps]
    physical = InstanceCounter("components", spacing=(2.0, 0.5), fill_holes=False)
    physical.fit(components[:-1].transform(plane[None]))
    unevenly = make_pipeline(*steps[:-1], physical)
    for arguments, options, message in [
        (
            (components, volume, out),
            {},
            "source must have 2 spatial axes, as the estimator does, got the axes 'zyx'",
        ),
        (
            (unevenly, known, out),
            {},
            r"of \(2.0, 0.5\), and the source has pixels of \(1.0, 1.0\): spacing must",
        ),
        ((components, image, out), {"block_shape": 40, "halo": 41}, "as long as the halo, got 40"),
        ((components, image, out), {"skip_below": "x"}, "'skip_below' parameter of count_scan"),
        ((components, image, out), {"n_workers": -1}, "'n_workers' parameter of count_scan"),
        ((components, image, out), {"resume": "no"}, "'resume' parameter of count_scan"),
        ((components, image, out), {"keep_probabilities": "no"}, "'keep_probabilities' param"),
        ((components, image, out), {"verbose": 3.5}, "'verbose' parameter of count_scan"),
        ((components, image, out), {"mask": [[1]]}, "mask must be an array of 2 axes"),
        ((components, image, out), {"mask": np.ones((1, 1))}, "mask must be of bool or int"),
        ((components, image, out), {"mask": np.ones((999, 9), int)}, "nowhere finer than the scan"),
    ]:
        with pytest.raises(ValueError, match=message):
            count_scan(*arguments, **options)
    assert not out.exists()
    known = Scan(image, "yx", (4.0, 1.0), "µm", "plane")  # the same shape of a pixel
    assert count_scan(unevenly, known, out).n_objects > 3


def test_a_destination_that_cannot_be_written_to(components, plane, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(ValueError, match="cannot be written to"):
        count_scan(components, da.from_array(plane), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_bar_shows_voxels_blocks_and_objects(components, plane, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    found = count_scan(components, da.from_array(plane), out, block_shape=50, verbose=True)
    shown = capsys.readouterr().err.split("\r")[-1]
    assert "25.5k/25.5k" in shown
    assert "voxel/s" in shown
    assert "12/12 blocks" in shown
    assert int(shown.split("blocks, ")[1].split(" objects")[0]) >= found.n_objects


def test_a_worker_takes_the_gpu_of_its_number():
    assert [choose_device(name, 4) for name in range(6)] == [0, 1, 2, 3, 0, 1]
    assert [choose_device(f"SLURMCluster-7-{i}", 2) for i in range(3)] == [0, 1, 0]
    assert choose_device("tcp://10.0.0.7:34561", 8) == 34561 % 8
    assert choose_device("worker", 3) == choose_device("worker", 3) < 3


def test_a_process_of_torchrun_takes_the_gpu_of_its_number(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert worker_device() is None
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert worker_device() == "cuda:3"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert worker_device() is None


def test_blocks_fit_into_memory_and_are_whole_chunks():
    assert choose_block_shape((10_000, 10_000), (512, 512)) == (2048, 2048)
    assert choose_block_shape((10_000, 10_000), (300, 4096)) == (1800, 2048)
    assert choose_block_shape((10_000, 900), (512, 512)) == (2048, 900)
    small = choose_block_shape((10_000, 10_000), (512, 512), memory=2**27)
    assert 40 * (small[0] + 256) * (small[1] + 256) <= 2**26
    assert choose_block_shape((4000, 4000, 4000), (64, 64, 64)) == (128, 512, 512)
    assert min(choose_block_shape((9999, 9999), (1, 1), memory=1)) >= 32
    far = choose_block_shape((10_000, 10_000), (512, 512), memory=2**28, margin=512)
    assert np.prod(far) < np.prod(choose_block_shape((10_000, 10_000), (512, 512), memory=2**28))


def test_a_table_is_streamed_in_the_order_of_ids(components, plane, tmp_path):
    found = count_scan(components, da.from_array(plane), tmp_path / "out", block_shape=20)
    assert found.table.id.tolist() == list(range(1, found.n_objects + 1))
    pd.testing.assert_frame_equal(
        read_object_table(tmp_path / "out" / "objects.csv"), found.table, check_dtype=False
    )
    sizes = np.bincount(found.labels.compute().ravel())[1:]
    assert found.table.area.tolist() == sizes.tolist()
    again = open_scan(tmp_path / "out" / "labels")
    assert count_scan(components, da.from_array(plane), tmp_path / "out").n_objects == len(sizes)
    assert again.data.max().compute() == len(sizes)
