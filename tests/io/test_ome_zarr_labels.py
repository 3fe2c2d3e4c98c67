"""Writing labels block by block, and beside what is there."""

import json
import tracemalloc
from collections import Counter

import dask
import dask.array as da
import numpy as np
import ome_zarr_models.v04 as v04
import ome_zarr_models.v05 as v05
import pandas as pd
import pytest
import zarr
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
from ome_zarr_images import (
    SHAPES,
    VERSIONS,
    attributes,
    bare_image,
    other_image,
    pyramid_of,
    random_labels,
    tree,
)
from ome_zarr_models import open_ome_zarr

from sskseg.io import read_labels, write_ome_zarr, write_ome_zarr_labels
from sskseg.io.ome_zarr.levels import LABEL_CODEC
from sskseg.io.ome_zarr.metadata import ZARR_FORMATS
from sskseg.scans import open_scan

NGFF = {"0.4": v04, "0.5": v05}


class Blocks:
    """An array that counts which regions are read."""

    dtype = np.dtype(np.int64)
    ndim = 2

    def __init__(self, shape):
        self.shape = shape
        self.read = Counter()

    def __getitem__(self, region):
        self.read[tuple((part.start, part.stop) for part in region)] += 1
        rows, columns = np.ogrid[region]
        return (rows * 7 + columns) % 1000


@pytest.mark.parametrize(
    ("chunks", "stored"),
    [
        ((500, 500), (250, 250)),  # half a block is less than a chunk of the image
        ((256, 1024), (256, 256)),
        ((100, 300), (100, 150)),
        ((700, 700), (175, 175)),
        (((300, 1700, 1000), 3000), (256, 256)),  # irregular
    ],
)
def test_each_block_of_dask_is_read_once_and_memory_is_bounded(chunks, stored, tmp_path):
    shape = (3000, 3000)  # 72 MB
    path = bare_image(tmp_path / "a.zarr", [shape, (1500, 1500)], "yx", chunks=(256, 256))
    source = Blocks(shape)
    labels = da.from_array(source, chunks=chunks, name=False, meta=np.empty((0, 0), int))
    tracemalloc.start()
    with dask.config.set(scheduler="synchronous"):
        write_ome_zarr_labels(path, labels)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert set(source.read.values()) == {1}
    assert len(source.read) == labels.npartitions
    n_bytes = 8 * np.prod(labels.chunksize)
    assert peak < 30e6 + 2 * (n_bytes if n_bytes > 4e6 else 0)  # of 72 MB
    array = zarr.open_group(path / "labels" / "objects", mode="r")["0"]
    assert array.chunks == stored
    assert np.array_equal(array[:], source[0:3000, 0:3000])
    coarse = zarr.open_group(path / "labels" / "objects", mode="r")["1"][:]
    assert np.array_equal(coarse, array[::2, ::2])


@pytest.mark.parametrize("chunks", [(7, 9), (64, 100), (301, 10), ((1, 299, 1), (100, 160))])
def test_threads_that_write_to_one_chunk_lose_nothing(chunks, tmp_path):
    path = other_image(tmp_path / "a.zarr")
    labels = random_labels(SHAPES["yx"])
    write_ome_zarr_labels(path, da.from_array(labels, chunks=chunks))
    assert np.array_equal(read_labels(path)[1][0], labels)


@pytest.mark.parametrize("dtype", [bool, "uint8", "int8", "uint16", ">i4", "int64", "uint64"])
@pytest.mark.parametrize("version", VERSIONS)
def test_integers_stay_as_they_are(dtype, version, tmp_path):
    path = write_ome_zarr(
        tmp_path / "a.zarr", np.zeros((20, 30)), zarr_format=ZARR_FORMATS[version]
    )
    dtype = np.dtype(dtype)
    labels = (random_labels((20, 30)) % 2).astype(dtype)
    if dtype.kind == "i":
        labels[0, 0] = -1
    if dtype.kind in "iu":
        labels[1, 1] = np.iinfo(dtype).max
    for each in (labels, da.from_array(labels, chunks=7)):
        write_ome_zarr_labels(path, each, overwrite=True)
        (found,) = read_labels(path)[1]
        assert found.dtype == (np.uint8 if dtype.kind == "b" else dtype.newbyteorder("="))
        assert np.array_equal(found, labels)
        assert np.array_equal(open_scan(f"{path}:/labels/objects").data.compute(), labels)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 0, "uint8"), (0, 255, "uint8"), (0, 256, "uint16"), (0, 65536, "uint32"),
        (0, 2**32, "uint64"), (-1, 127, "int8"), (-1, 128, "int16"), (-1, 2**31, "int64"),
    ],
)  # fmt: skip
def test_the_type_is_the_smallest_that_holds_the_labels(low, high, expected, version, tmp_path):
    label = np.zeros((20, 30), np.int64)
    label[0, :2] = low, high
    path = write_ome_zarr(
        tmp_path / "a.zarr", label * 0.0, labels=label, zarr_format=ZARR_FORMATS[version]
    )
    group = zarr.open_group(path / "labels" / "objects", mode="r")
    assert [array.dtype for _, array in group.arrays()] == [expected]
    assert np.array_equal(read_labels(path)[1][0], label)
    assert isinstance(open_ome_zarr(path, version=version), NGFF[version].Image)
    found = open_ome_zarr(path / "labels" / "objects", version=version)
    assert isinstance(found, NGFF[version].image_label.ImageLabel)
    *_, mine = Reader(parse_url(path))()  # of ome-zarr
    assert np.array_equal(mine.data[0].compute(), label)


def test_what_is_there_stays(tmp_path):
    path = other_image(tmp_path / "a.zarr")
    labels = random_labels(SHAPES["yx"])
    write_ome_zarr_labels(path, labels, "first")
    group = zarr.open_group(path / "labels", mode="r+")
    group.attrs["mine"] = 1
    group.attrs["ome"] = {**group.attrs["ome"], "labels": ["a/nested", "first"], "more": 2}
    before = tree(path)
    write_ome_zarr_labels(path, labels + 1, "second")
    after = tree(path)
    assert {file for file in before if after[file] != before[file]} == {path / "labels/zarr.json"}
    names = ["a/nested", "first", "second"]
    found = dict(zarr.open_group(path / "labels", mode="r").attrs)
    assert found == {"mine": 1, "ome": {"version": "0.5", "labels": names, "more": 2}}
    with pytest.raises(ValueError, match=r"second exists: choose another name, or overwrite=True"):
        write_ome_zarr_labels(path, labels, "second")
    assert tree(path) == after
    write_ome_zarr_labels(path, labels + 2, "second", overwrite=True)
    assert np.array_equal(read_labels(path / "labels" / "second")[1][0], labels + 2)
    assert np.array_equal(read_labels(path / "labels" / "first")[1][0], labels)
    assert zarr.open_group(path / "labels", mode="r").attrs["ome"]["labels"] == names
    assert not [*path.glob("*.part")]
    with pytest.raises(ValueError, match="holds 3 images of labels; read one of"):
        read_labels(path)


def test_labels_may_be_computed_from_those_that_they_replace(tmp_path):
    path = write_ome_zarr(tmp_path / "a.zarr", np.zeros((20, 30)), labels=random_labels((20, 30)))
    old = open_scan(path / "labels" / "objects").data
    write_ome_zarr_labels(path, old + 1, overwrite=True)
    assert np.array_equal(read_labels(path)[1][0], random_labels((20, 30)) + 1)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("has_labels", [False, True])
def test_a_write_that_fails_leaves_nothing(version, has_labels, tmp_path):
    path = other_image(tmp_path / "a.zarr", version=version)
    labels = random_labels(SHAPES["yx"])
    if has_labels:
        write_ome_zarr_labels(path, labels)
    before = tree(tmp_path)
    bad = labels.copy()
    bad[-1, -1] = -2

    def stops(block):
        raise KeyboardInterrupt

    for each in (bad, da.from_array(bad, chunks=100)):
        with pytest.raises(ValueError, match="must not hold values below -1"):
            write_ome_zarr_labels(path, each, overwrite=True)
        assert tree(tmp_path) == before
    interrupted = da.from_array(labels, chunks=100).map_blocks(stops, dtype=int, meta=labels[:0])
    with pytest.raises(KeyboardInterrupt), dask.config.set(scheduler="synchronous"):
        write_ome_zarr_labels(path, interrupted, overwrite=True)
    assert tree(tmp_path) == before


def test_a_rename_that_fails_brings_back_the_old_labels(tmp_path, monkeypatch):
    path = write_ome_zarr(tmp_path / "a.zarr", np.zeros((20, 30)), labels=random_labels((20, 30)))
    before, rename = tree(tmp_path), type(path).rename

    def fails(self, target):
        if ".part" in str(self) and target.name == "objects" and ".replaced" not in self.name:
            raise OSError("no")
        return rename(self, target)

    monkeypatch.setattr(type(path), "rename", fails)
    with pytest.raises(OSError, match="no"):
        write_ome_zarr_labels(path, np.ones((20, 30), int), overwrite=True)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("version", VERSIONS)
def test_readers_of_consolidated_metadata_find_new_labels(version, tmp_path):
    root = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2 if version == "0.4" else 3)
    path = other_image(tmp_path / "a.zarr" / "image", version=version)
    with pytest.warns(match="onsolidated") if version == "0.5" else dask.config.set():
        for each in (path, root.store.root):
            zarr.consolidate_metadata(each)
    labels = random_labels(SHAPES["yx"])
    write_ome_zarr_labels(path, labels, "a")
    write_ome_zarr_labels(path, labels, "b")
    for folder, prefix in ((path, ""), (root.store.root, "image/")):
        group = zarr.open_group(folder, mode="r", use_consolidated=True)
        assert attributes(group[f"{prefix}labels"])["labels"] == ["a", "b"]
        assert np.array_equal(group[f"{prefix}labels/b/0"][:], labels)


def test_transformations_of_all_levels_are_those_of_the_image(tmp_path):
    path = bare_image(tmp_path / "a.zarr", [(2, 20, 30), (2, 10, 15)], "cyx", version="0.5")
    group = zarr.open_group(path, mode="r+")
    ome = group.attrs["ome"]
    ome["multiscales"][0]["coordinateTransformations"] = [
        {"type": "scale", "scale": [1, 0.5, 0.25]},
        {"type": "translation", "translation": [0, 7, 8]},
    ]
    group.attrs["ome"] = ome
    target = write_ome_zarr_labels(path, random_labels((20, 30)))
    pyramid, _ = pyramid_of(zarr.open_group(target, mode="r"))
    assert pyramid["coordinateTransformations"] == [
        {"type": "scale", "scale": [0.5, 0.25]},
        {"type": "translation", "translation": [7, 8]},
    ]
    assert open_scan(target).spacing == open_scan(path).spacing == (0.5, 0.25)
    assert open_scan(target, level=1).spacing == (1.0, 0.5)


def test_properties_are_numbers_texts_and_bools(tmp_path):
    path = write_ome_zarr(tmp_path / "a.zarr", np.zeros((20, 30)))
    table = pd.DataFrame(
        {
            "id": [1, 2], "area": [1.5, np.nan], "class": ["a", None], "touches": [True, False],
            "n": np.array([3, 4], np.uint8), "polygon": [[(0, 1)], [(2, 3)]],
        }
    )  # fmt: skip
    table.attrs["units"] = {"area": "micrometer^2"}
    target = write_ome_zarr_labels(path, random_labels((20, 30)), properties=table)
    text = (target / "zarr.json").read_text()
    found = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert found["attributes"]["ome"]["image-label"]["properties"] == [
        {"label-value": 1, "area [micrometer^2]": 1.5, "class": "a", "touches": True, "n": 3},
        {"label-value": 2, "touches": False, "n": 4},
    ]
    for bad in (table.drop(columns="id"), table.assign(id=[1, 1]), table.assign(id=[0.5, 1])):
        with pytest.raises(ValueError, match="properties must"):
            write_ome_zarr_labels(path, random_labels((20, 30)), "b", properties=bad)
    assert not target.with_name("b").exists()


@pytest.mark.parametrize("version", VERSIONS)
def test_labels_are_compressed_without_shuffle(version, tmp_path):
    """Pixels of a label are equal, so that their bytes already are alike."""
    path = bare_image(tmp_path / "a.zarr", [(128, 128)], "yx", version=version)
    write_ome_zarr_labels(path, np.ones((128, 128), int))
    (codec,) = zarr.open_group(path / "labels" / "objects", mode="r")["0"].compressors
    assert codec == LABEL_CODEC.of_format(ZARR_FORMATS[version])
