"""Images, labels, names and places that are refused, before anything is written."""

import os

import numpy as np
import pytest
import zarr
from ome_zarr_images import bare_image, other_image, random_labels, tree

from sskseg.io import read_labels, write_ome_zarr, write_ome_zarr_labels

SHAPE = (20, 30)


@pytest.mark.parametrize(
    ("image", "options", "match"),
    [
        (
            np.zeros(SHAPE),
            {"zarr_format": "2"},
            "zarr_format must be 2 or 3, got '2'",
        ),
        (np.zeros(5), {}, "axes must have a letter of 'tczyx'"),
        (np.zeros((3, *SHAPE)), {"axes": "yx"}, "axes must have a letter"),
        (np.zeros((3, *SHAPE)), {"axes": "yyx"}, "axes must have a letter"),
        (np.zeros((3, *SHAPE)), {"axes": "czx"}, "y and x among them, got 'czx'"),
        (np.zeros((3, *SHAPE)), {"axes": "qyx"}, "got 'qyx'"),
        (np.zeros((0, 5)), {}, r"got float64 of shape \(0, 5\)"),
        (np.zeros(SHAPE, complex), {}, "image must hold bools, integers or floats, got complex128"),
        (np.zeros(SHAPE), {"spacing": (1, 1, 1)}, "spacing must be None or positive numbers, 2"),
        (np.zeros(SHAPE), {"unit": "um"}, "unit must be given with spacing, got 'um' alone"),
        (np.ma.masked_less(np.zeros(SHAPE), 1), {}, "image has masked pixels"),
        (np.zeros(SHAPE), {"spacing": (1, -1)}, "spacing must be None or positive numbers"),
        (
            np.zeros(SHAPE),
            {"labels": np.ones((3, 3), int)},
            r"labels must have the shape \(20, 30\)",
        ),
        (np.zeros(SHAPE), {"labels": np.ones(SHAPE)}, "must hold integers, got dtype float64"),
        (np.zeros(SHAPE), {"labels": np.full(SHAPE, -2)}, "values below -1"),
        (np.zeros(SHAPE), {"labels": {"a/b": np.ones(SHAPE, int)}}, "name must be .* got 'a/b'"),
    ],
)
def test_bad_images_are_refused(image, options, match, tmp_path):
    with pytest.raises(ValueError, match=match):
        write_ome_zarr(tmp_path / "a.zarr", image, **options)
    assert not [*tmp_path.iterdir()]


def test_bad_paths_are_refused(tmp_path):
    path = write_ome_zarr(tmp_path / "a.zarr", np.zeros(SHAPE))
    before = tree(tmp_path)
    with pytest.raises(ValueError, match=r"a.zarr exists: choose another path"):
        write_ome_zarr(path, np.zeros(SHAPE))
    with pytest.raises(ValueError, match=r"a.tif must have the suffix .zarr, got '.tif'"):
        write_ome_zarr(tmp_path / "a.tif", np.zeros(SHAPE))
    with pytest.raises(FileNotFoundError, match=r"No folder .*none, in which to write b.zarr"):
        write_ome_zarr(tmp_path / "none" / "b.zarr", np.zeros(SHAPE))
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "../a", "/a", "a\\b", "__a", ".a", "a.", " a", "zarr.json", "a:", 3],
)
def test_names_that_are_no_name_of_a_folder(name, tmp_path):
    path = write_ome_zarr(tmp_path / "a.zarr", np.zeros(SHAPE))
    before = tree(tmp_path)
    with pytest.raises(ValueError, match="name must be that of a folder"):
        write_ome_zarr_labels(path, np.ones(SHAPE, int), name)
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        (np.ones((30, 20), int), r"shape \(20, 30\) of .*a.zarr without channels, axes y, x, got"),
        (np.ones((1, 20), int), "labels must have the shape"),
        (np.ones((2, *SHAPE), int), "labels must have the shape"),
        (np.ones((10, 15), int), r"got \(10, 15\), the shape of its level 1: enlarge them"),
        (np.ones(SHAPE), "labels of .*a.zarr must hold integers, got dtype float64"),
        (np.full(SHAPE, "a"), "must hold integers"),
        (None, "must hold integers, got dtype object"),
        (np.full(SHAPE, -2), "values below -1"),
        (np.ma.masked_equal(np.eye(20, 30, dtype=int), 0), "labels has masked pixels"),
    ],
)  # fmt: skip
def test_bad_labels_are_refused(labels, match, tmp_path):
    path = bare_image(tmp_path / "a.zarr", [(2, *SHAPE), (2, 10, 15)], "cyx")
    before = tree(tmp_path)
    with pytest.raises(ValueError, match=match):
        write_ome_zarr_labels(path, labels)
    assert tree(tmp_path) == before


def plate(path):
    zarr.open_group(path, mode="w", zarr_format=2).attrs["plate"] = {"wells": [{"path": "A/1"}]}


def several(path):
    zarr.open_group(path, mode="w", zarr_format=2).attrs["bioformats2raw.layout"] = 3
    for i in range(2):
        bare_image(path / str(i), [SHAPE], "yx")


def old(path):
    group = zarr.open_group(bare_image(path, [SHAPE], "yx"), mode="r+")
    group.attrs["multiscales"] = [{**group.attrs["multiscales"][0], "version": "0.3"}]


def without_level(path):
    group = zarr.open_group(bare_image(path, [SHAPE, (10, 15)], "yx"), mode="r+")
    del group["s1"]


def of_a_path(path):
    bare_image(path, [SHAPE], "yx", changes=[[{"type": "scale", "path": "scale"}]])


def damaged(path):
    (bare_image(path, [SHAPE], "yx", version="0.5") / "zarr.json").write_text("{")


def with_a_plain_folder(path):
    (bare_image(path, [SHAPE], "yx", version="0.5") / "labels").mkdir()


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (plate, r"a.zarr is a plate or a well of several images: name one of them, a.zarr:/WELL"),
        (several, r"a.zarr holds 2 images \(bioformats2raw\); open one of"),
        (old, r"a.zarr is OME-Zarr of version 0.3 \(Zarr 2\): .* 0.4 \(Zarr 2\) or 0.5 \(Zarr 3\)"),
        (lambda path: bare_image(path, [SHAPE], "yx", version="0.6"), "of version 0.6"),
        (without_level, "a.zarr has incomplete metadata .*s1"),
        (of_a_path, "a.zarr has incomplete metadata .*scale"),
        (lambda path: bare_image(path, [SHAPE], "yx", changes=[[]]), "no scale at level s0"),
        (lambda path: bare_image(path, [SHAPE], "zyx"), "has 3 axes, and an array of 2 axes"),
        (damaged, "a.zarr cannot be read as OME-Zarr"),
        (with_a_plain_folder, "labels is no group of zarr"),
        (lambda path: zarr.save_array(path, np.zeros(SHAPE)), "a.zarr is no image of OME-Zarr"),
        (lambda path: zarr.open_group(path, mode="w"), "a.zarr is no image of OME-Zarr"),
        (lambda path: path.mkdir(), "a.zarr is no image of OME-Zarr"),
        (lambda path: path.write_text("a"), "a.zarr is no image of OME-Zarr"),
    ],
)  # fmt: skip
def test_what_is_no_image_is_refused(make, match, tmp_path):
    make(tmp_path / "a.zarr")
    before = tree(tmp_path)
    with pytest.raises(ValueError, match=match):
        write_ome_zarr_labels(tmp_path / "a.zarr", np.ones(SHAPE, int))
    assert tree(tmp_path) == before


def test_other_places_are_refused(tmp_path, monkeypatch):
    labels = np.ones(SHAPE, int)
    with pytest.raises(FileNotFoundError, match=r"No OME-Zarr image at .*none.zarr"):
        write_ome_zarr_labels(tmp_path / "none.zarr", labels)
    path = write_ome_zarr(tmp_path / "a.zarr", np.zeros(SHAPE), labels=labels)
    before = tree(tmp_path)
    with pytest.raises(ValueError, match=r"objects holds labels: expected the image"):
        write_ome_zarr_labels(path / "labels" / "objects", labels)
    with pytest.raises(ValueError, match=r"labels is no image of OME-Zarr"):
        write_ome_zarr_labels(f"{path}:/labels", labels)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ValueError, match=r"a.zarr cannot be written to"):
        write_ome_zarr_labels(path, labels, "b")
    with pytest.raises(ValueError, match=r"b.zarr cannot be written to"):
        write_ome_zarr(tmp_path / "b.zarr", np.zeros(SHAPE))
    assert tree(tmp_path) == before


def test_a_field_of_a_plate_takes_labels(tmp_path):
    plate(tmp_path / "a.zarr")
    other_image(tmp_path / "a.zarr" / "A" / "1" / "0", version="0.4")
    labels = random_labels((301, 260))
    write_ome_zarr_labels(f"{tmp_path}/a.zarr:/A/1/0", labels)
    assert np.array_equal(read_labels(f"{tmp_path}/a.zarr:/A/1/0")[1][0], labels)


def test_labels_that_cannot_be_read(tmp_path):
    path = write_ome_zarr(tmp_path / "a.zarr", np.zeros((4, 20, 30)))
    with pytest.raises(ValueError, match=r"a.zarr is an image of OME-Zarr without labels"):
        read_labels(path)
    write_ome_zarr_labels(path, random_labels((4, 20, 30)))
    names, sections = read_labels(path)
    assert names == [f"a_000{i}" for i in range(4)]
    assert np.array_equal(sections, read_labels(path, ["b"], spatial_ndim=3)[1][0])
    with pytest.raises(ValueError, match=r"holds 4 label image\(s\), and there are 1 images"):
        read_labels(path, ["b"])
    flat = write_ome_zarr(tmp_path / "b.zarr", np.zeros(SHAPE), labels=np.ones(SHAPE, int))
    with pytest.raises(ValueError, match="holds labels of a plane"):
        read_labels(flat, spatial_ndim=3)
    zarr.save_array(tmp_path / "c.zarr", np.zeros(SHAPE))
    with pytest.raises(ValueError, match=r"c.zarr holds no labels: expected integers, got float64"):
        read_labels(tmp_path / "c.zarr")
    channels = bare_image(tmp_path / "d.zarr" / "labels" / "a", [(2, *SHAPE)], "cyx")
    with pytest.raises(ValueError, match="has 2 channels: labels have none"):
        read_labels(channels)
    single = bare_image(tmp_path / "e.zarr" / "labels" / "a", [(1, *SHAPE)], "cyx")
    assert read_labels(single)[1][0].shape == SHAPE
