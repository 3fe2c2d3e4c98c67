"""Results in Zarr 2 (OME-Zarr 0.4) for programs that do not read Zarr 3: the same voxels."""

import itertools
import json
from contextlib import nullcontext

import dask.array as da
import numpy as np
import ome_zarr_models.v04
import pytest
import zarr
from ome_zarr_models import open_ome_zarr
from zarr.storage import LocalStore

from sskseg.cli import main
from sskseg.datasets import make_cells
from sskseg.io import read_labels
from sskseg.io.storage import open_storage
from sskseg.napari.files import get_reader
from sskseg.scans import Scan, ScanError, count_scan
from sskseg.scans.boxes import intersection, n_pixels
from sskseg.scans.plan import make_plan
from sskseg.scans.scheduler import TASKS
from sskseg.scans.store import Store, _label_arrays, _probability_arrays

OPTIONS = {"block_shape": 60, "n_workers": 2, "keep_probabilities": True}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Several chunks for each block."""
    monkeypatch.setattr("sskseg.scans.store._MAX_CHUNK", {2: (20, 30)})


@pytest.fixture(scope="module")
def scan():
    image = make_cells(1, (150, 290), random_state=3)[0][0]
    return Scan(da.from_array(image, name="image"), "yx", (0.5, 0.25), "micrometer", "image")


def content(folder):
    """All files of a result but those of writes that were cut off."""
    files = (f for f in folder.rglob("*") if f.is_file() and ".part" not in f.name)
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in files}


def test_voxels_and_tables_are_the_same(components, scan, tmp_path):
    new = count_scan(components, scan, tmp_path / "new", **OPTIONS)
    old = count_scan(components, scan, tmp_path / "old", zarr_format=2, **OPTIONS)
    assert old.table.equals(new.table)
    keys = content(tmp_path / "old")
    assert not [key for key in keys if "zarr.json" in key]
    root = zarr.open(tmp_path / "old", mode="r", zarr_format=2)
    other = zarr.open(tmp_path / "new", mode="r", zarr_format=3)
    for name in ("labels/0", "labels/1", "probabilities"):
        array = root[name]
        assert array[:].tobytes() == other[name][:].tobytes()
        assert (array.dtype, array.chunks) == (other[name].dtype, other[name].chunks)
        assert array.metadata.dimension_separator == "/"
        assert array.shards is None
        assert other[name].shards is not None
        grid = itertools.product(*map(range, array.cdata_shape))
        files = {f"{name}/{y}/{x}" for y, x in grid if array.blocks[y, x].any()}
        assert files == {key for key in keys if is_chunk(key, name)}


def test_other_programs_read_it(components, scan, tmp_path, capsys):
    out = tmp_path / "out"
    result = count_scan(components, scan, out, zarr_format=2, **OPTIONS)
    whole = open_ome_zarr(out, version="0.4")
    assert isinstance(whole, ome_zarr_models.v04.labels.Labels)
    labels = open_ome_zarr(out / "labels", version="0.4")
    assert isinstance(labels, ome_zarr_models.v04.image_label.ImageLabel)
    assert labels.attributes.image_label.version == "0.4"
    (pyramid,) = labels.attributes.multiscales
    assert [(axis.name, axis.unit) for axis in pyramid.axes] == [(n, "micrometer") for n in "yx"]
    scales = [dataset.coordinateTransformations[0].scale for dataset in pyramid.datasets]
    assert scales == [[0.5, 0.25], [1.0, 0.5]]
    ((data, options, kind),) = get_reader(str(out))(str(out))
    assert (kind, options["scale"]) == ("labels", (0.5, 0.25))
    expected = result.labels.compute()
    assert expected.max() == result.n_objects > 5
    assert np.array_equal(data.compute(), expected)
    assert np.array_equal(read_labels(out)[1][0], expected)
    assert main(["info", str(out), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["labels"]
    assert (shown["version"], shown["shapes of levels"]) == ("0.4", [[150, 290], [75, 145]])


def is_chunk(key, array):
    return key.startswith(f"{array}/") and key[-1].isdecimal()


@pytest.mark.parametrize("task", ["predict", "write", "downsample"])
def test_a_run_that_stops_between_two_chunks_resumes(components, scan, tmp_path, monkeypatch, task):
    whole, out = tmp_path / "whole", tmp_path / "out"
    count_scan(components, scan, whole, zarr_format=2, **OPTIONS)
    n_written, write = itertools.count(1), LocalStore.set

    async def fails(store, key, value):
        is_data = is_chunk(key, "labels") or is_chunk(key, "probabilities")
        if is_data and next(n_written) > 3:
            raise OSError("the disk is full")
        await write(store, key, value)

    def failing(*arguments):
        with monkeypatch.context() as context:
            context.setattr(LocalStore, "set", fails)
            return original(*arguments)

    original = TASKS[task]
    with monkeypatch.context() as context:
        context.setitem(TASKS, task, failing)
        with pytest.raises(ScanError, match="the disk is full"):
            count_scan(components, scan, out, zarr_format=2, **{**OPTIONS, "n_workers": 1})
    count_scan(components, scan, out, zarr_format=2, **OPTIONS)
    assert content(out) == content(whole)


def test_damaged_or_missing_files_are_written_again(components, scan, tmp_path, monkeypatch):
    whole, out = tmp_path / "whole", tmp_path / "out"
    count_scan(components, scan, whole, zarr_format=2, **OPTIONS)
    with monkeypatch.context() as context:
        context.setitem(TASKS, "finish", lambda *_: 1 / 0)
        with pytest.raises(ScanError):
            count_scan(components, scan, out, zarr_format=2, **OPTIONS)
    chunks = sorted(key for key in content(out) if is_chunk(key, "labels/0"))
    (out / chunks[0]).unlink()
    (out / chunks[-1]).write_bytes(b"nonsense")
    for name in ("labels/0", "probabilities"):  # as after a kill while the array was created
        (out / name / ".zattrs").unlink()
    count_scan(components, scan, out, zarr_format=2, **OPTIONS)
    assert content(out) == content(whole)


@pytest.mark.parametrize("is_done", [False, True])
def test_another_format_is_another_run(components, scan, tmp_path, monkeypatch, is_done):
    whole, out = tmp_path / "whole", tmp_path / "out"
    count_scan(components, scan, whole, zarr_format=2, **OPTIONS)
    with monkeypatch.context() as context:
        if not is_done:
            context.setitem(TASKS, "write", lambda *_: 1 / 0)
        with nullcontext() if is_done else pytest.raises(ScanError):
            count_scan(components, scan, out, **OPTIONS)
    before = content(out)
    with pytest.raises(ValueError, match="holds a run of another zarr_format: give another"):
        count_scan(components, scan, out, zarr_format=2, **OPTIONS)
    if is_done:
        assert content(out) == before
    count_scan(components, scan, out, zarr_format=2, resume=False, **OPTIONS)
    assert content(out) == content(whole)
    for value in (4, "2", 2.0, None):
        with pytest.raises(ValueError, match="'zarr_format' parameter of count_scan"):
            count_scan(components, scan, out, zarr_format=value, **OPTIONS)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_no_two_blocks_write_one_file(components, zarr_format, monkeypatch):
    """Also where blocks have no divisor, where the last one is larger, and at coarse levels."""
    rng = np.random.default_rng(0)
    monkeypatch.setattr("sskseg.io.ome_zarr.pyramid._MAX_LAST_LEVEL", 8)
    for _ in range(10):
        shape, block_shape = rng.integers(1, 200, 2).tolist(), rng.integers(7, 90, 2).tolist()
        plan = make_plan(components, da.zeros(shape), block_shape, zarr_format=zarr_format)
        arrays = _label_arrays(plan, np.dtype(np.uint8)) | _probability_arrays(plan)
        boxes = {"labels/0": plan.grid.boxes, "probabilities": plan.network_grid.boxes}
        for level, box in plan.pyramid:
            boxes.setdefault(f"labels/{level}", []).append(box)
        for name, options in arrays.items():
            for file in files_of(options):
                parts = [n_pixels(intersection(file, box)) for box in boxes[name]]
                assert max(parts) == sum(parts) == n_pixels(file)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("is_kept", [False, True])
def test_probabilities_are_an_array_if_they_are_kept(components, zarr_format, tmp_path, is_kept):
    """Others are plain files, which take less time."""
    options = {"keep_probabilities": is_kept, "zarr_format": zarr_format}
    store = Store(open_storage(tmp_path))
    plan = make_plan(components, da.zeros((64, 64)), **options)
    store.create(plan)
    predicted = np.arange(64 * 64, dtype=np.float32).reshape(1, 64, 64)
    store.write_probabilities(plan, 0, predicted)
    read = store.read_probabilities(plan, (slice(3, 50), slice(0, 64)))
    assert np.array_equal(read, predicted[0, 3:50])
    if is_kept:
        assert zarr.open_array(tmp_path / "probabilities").compressors
    else:
        assert content(tmp_path / "probabilities") == {"000000000": predicted.tobytes()}


def files_of(options):
    """Boxes of the files of an array."""
    sides = options["shards"] or options["chunks"]
    axes = [
        [slice(a, min(a + side, size)) for a in range(0, size, side)]
        for side, size in zip(sides, options["shape"], strict=True)
    ]
    return [tuple(box) for box in itertools.product(*axes)]
