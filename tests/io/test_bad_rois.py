"""Regions of interest that are refused: nothing runs, nothing is unpacked, nothing is written."""

import json
import pickle
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
from test_rois import objects, simple

from sskseg.io import read_labels, read_rois, write_rois


def bomb(folder, entries, content):
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(entries):
            archive.writestr(f"{i}.roi", content)
    return folder / "a.zip"


def test_zip_bombs_are_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile.ZipFile, "read", None)
    with pytest.raises(ValueError, match=r"a\.zip, region '0\.roi' has 5000000 bytes, compressed"):
        read_rois(bomb(tmp_path, 1, bytes(5_000_000)), (9, 9))
    from sskseg.io.rois import imagej

    monkeypatch.setattr(imagej, "_MAX_TOTAL", 1000)
    with pytest.raises(ValueError, match=r"a\.zip unpacks to 1500 bytes; at most 1000"):
        read_rois(bomb(tmp_path, 3, np.random.default_rng(0).bytes(500)), (9, 9))
    monkeypatch.setattr(imagej, "_MAX_ENTRIES", 2)
    with pytest.raises(ValueError, match=r"a\.zip has 3 entries; at most 2"):
        read_rois(bomb(tmp_path, 3, b""), (9, 9))


def test_nothing_is_unpacked_to_disk(tmp_path):
    write_rois(tmp_path / "b.zip", simple())
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        content = archive.read("0002.roi")
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(tmp_path / "in" / "a.zip", "w") as archive:
        archive.writestr("../../evil.roi", content)
        archive.writestr("/tmp/evil.roi", content.replace(b"0\0002", b"1\0002"))
        archive.writestr("__MACOSX/._0002.roi", b"x")
    before = set(tmp_path.rglob("*"))
    _, rois = read_rois(tmp_path / "in" / "a.zip", (20, 24))
    assert set(tmp_path.rglob("*")) == before
    assert rois[0].labels.max() == 2


def error_of(path):
    """Message of the error of a file, None if it can be read."""
    try:
        read_rois(path, None if path.suffix == ".npy" else (20, 24))
    except ValueError as error:
        return str(error)
    return None


class _Attack:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


ATTACKS = [
    _Attack(eval, "1"), _Attack(print, "x"), _Attack(np.load, "x"), _Attack(np.fromfile, "x"),
    _Attack(getattr, "x", "y"), _Attack(np.memmap, "x"), {1: _Attack(exec, "1")},
    [_Attack(sys.exit)], np.array([_Attack(print, "x")]), slice(1), np.array(["a"]), len,
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=range(len(ATTACKS)))
@pytest.mark.parametrize("protocol", [0, 2, 3, 4, 5])
@pytest.mark.parametrize("place", ["masks", "other"])
def test_no_code_of_a_pickle_runs(tmp_path, attack, protocol, place, capsys):
    content = {"masks": np.eye(3, dtype=int), place: attack}
    with (tmp_path / "a_seg.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"shape": (), "fortran_order": False, "descr": "|O"}
        )
        pickle.dump(np.array(content, object), file, protocol)
    message = error_of(tmp_path / "a_seg.npy")
    if message is None:  # arrays of text and of objects in other places are never made
        assert place == "other"
        assert isinstance(attack, np.ndarray)
    else:
        assert message.startswith(f"{tmp_path / 'a_seg.npy'} ")
    assert capsys.readouterr().out == ""


def damaged(content, i, rng):
    content = bytearray(content)
    if i % 2:
        return bytes(content[: rng.integers(len(content))])
    for _ in range(rng.integers(1, 4)):
        content[rng.integers(len(content))] = rng.integers(256)
    return bytes(content)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.roi", {}), ("a.zip", {}), ("a.geojson", {}), ("a.xml", {"names": ["a"]}),
        ("a.json", {"format": "coco", "names": ["a"]}),
        ("a.json", {"format": "labelme", "names": ["a"]}), ("a_seg.npy", None), ("a.csv", {}),
    ],
)  # fmt: skip
def test_damaged_files_raise_errors_that_name_them(tmp_path, name, options):
    labels = simple() == 2 if name in ("a.roi", "a.csv") else simple()
    if options is None:
        np.save(tmp_path / name, {"masks": labels.astype(np.uint16), "flows": [None, "x", 1.5]})
    else:
        write_rois(tmp_path / name, labels, **options)
    content = (tmp_path / name).read_bytes()
    rng = np.random.default_rng(0)
    n_errors = 0
    for i in range(200):
        (tmp_path / name).write_bytes(damaged(content, i, rng))
        message = error_of(tmp_path / name)
        n_errors += message is not None
        assert message is None or str(tmp_path / name) in message
    assert n_errors > 60


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "a.png"}, r"a\.png cannot be written: expected a suffix of"),
        ({"path": "a_seg.npy"}, r"Cellpose opens label images"),
        ({"path": "a.json"}, r"a\.json can be of several formats: pass format, one of"),
        ({"path": "a.zip", "format": "coco"}, r"a\.zip must end with \.json, got '\.zip'"),
        ({"path": "a.zip", "format": "shp"}, "format must be one of .* got 'shp'"),
        ({"path": "a.xml"}, "cvat holds the file names of images: pass names"),
        ({"path": "a.xml", "names": ["a", "a"]}, "names must be 1 different names"),
        ({"labels": None}, "write_rois needs labels or points, got None"),
        ({"labels": None, "points": [[1, np.nan]]}, "points must be finite coordinates"),
        ({"points": [[1, 2, 3]]}, r"points must be finite coordinates of shape \(k, 2\)"),
        ({"labels": [[0.5]]}, "labels must hold whole numbers"),
        ({"labels": [[-2]]}, "labels must not hold values below -1"),
        ({"labels": [[2**31]]}, "labels must hold numbers of 32 bits"),
        ({"table": pd.DataFrame({"x": [1]})}, "table must be a DataFrame with a column 'id'"),
        ({"table": pd.DataFrame({"id": [2, 5]})}, r"got 2 for 3 objects; \[11\] are in one"),
        ({"table": pd.DataFrame({"id": [2, 5, 11, 11]})}, "got 4 for 3 objects"),
        ({"labels": [[[1]], [[1, 2]]]}, "labels must be one label image of this format"),
        ({"path": "a.csv"}, "neither holes nor unlabeled pixels, got unlabeled"),
        ({"path": "a.h5", "points": [[1, 2]]}, "Labels of ilastik are pixels"),
        ({"path": "a.h5", "labels": [[300]]}, "up to 255 classes, got the number 300"),
        ({"path": "l.json", "format": "labelme", "names": ["a"],
          "labels": np.zeros((2, 3, 4), int)}, r"labelme holds label images .* got \(2, 3, 4\)"),
        ({"labels": np.zeros((1, 60536), int)}, "ROIs of ImageJ hold coordinates up to 60535"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_leaves_no_file(tmp_path, options, message):
    arguments = {"path": "a.zip", "labels": objects(), **options}
    path = tmp_path / arguments.pop("path")
    path.write_text("before")
    with pytest.raises(ValueError, match=message):
        write_rois(path, **arguments)
    assert path.read_text() == "before"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_deep_and_large_json_is_refused(tmp_path):
    (tmp_path / "a.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"a\.json cannot be read as JSON"):
        read_rois(tmp_path / "a.json", (9, 9))
    size = {"size": [2**30, 2**30], "counts": [2**60]}
    content = {"images": [{"id": 1, "file_name": "a", "height": 9, "width": 9}],
               "annotations": [{"id": 1, "image_id": 1, "segmentation": size}]}  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="must have the size of its image, .9, 9., got"):
        read_rois(tmp_path / "a.json", (9, 9))


def test_options_are_checked(tmp_path):
    write_rois(tmp_path / "a.zip", simple())
    with pytest.raises(ValueError, match="empty must be 'unlabeled' or 'background', got 'x'"):
        read_rois(tmp_path / "a.zip", empty="x")
    with pytest.raises(ValueError, match="spatial_ndim must be 2 or 3, got 4"):
        read_rois(tmp_path / "a.zip", spatial_ndim=4)
    with pytest.raises(FileNotFoundError, match=r"No file of regions at .*b\.zip"):
        read_rois(tmp_path / "b.zip")
    (tmp_path / "none").mkdir()
    with pytest.raises(FileNotFoundError, match="No files of regions"):
        read_rois(tmp_path / "none")


@pytest.mark.parametrize(("name", "package"), [("a.zip", "roifile"), ("a.h5", "h5py")])
def test_missing_packages_are_named(tmp_path, monkeypatch, name, package):
    write_rois(tmp_path / name, simple())
    monkeypatch.setitem(sys.modules, package, None)
    for call in (lambda: read_rois(tmp_path / name, (20, 24)),
                 lambda: write_rois(tmp_path / f"b{name}", simple())):  # fmt: skip
        with pytest.raises(ImportError, match=rf"{package}: pip install 'sskseg\[rois\]'"):
            call()
    assert not (tmp_path / f"b{name}").exists()


@pytest.mark.parametrize("kind", ["geojson", "imagej", "labelme"])
def test_nothing_but_lines_is_no_empty_image(kind, tmp_path):
    """An image whose regions are all left out would be labeled as background."""
    if kind == "geojson":
        path = tmp_path / "cell.geojson"
        geometry = {"type": "LineString", "coordinates": [[1, 1], [5, 5]]}
        path.write_text(json.dumps({"type": "Feature", "geometry": geometry, "properties": {}}))
    elif kind == "labelme":
        path = tmp_path / "cell.json"
        shape = {"label": "a", "shape_type": "line", "points": [[1, 1], [5, 5]]}
        path.write_text(json.dumps({
            "version": "5.0", "imagePath": "cell.tif", "imageHeight": 9, "imageWidth": 9,
            "imageData": None, "shapes": [shape], "flags": {},
        }))  # fmt: skip
    else:
        roifile = pytest.importorskip("roifile")
        path = tmp_path / "cell.roi"
        roi = roifile.ImagejRoi.frompoints(np.array([[1.0, 1], [5, 5]]))
        roi.roitype = roifile.ROI_TYPE.POLYLINE
        roi.tofile(path)
    with pytest.raises(ValueError, match="holds no areas or points: .* lines"):
        read_labels(path, shape=(9, 9))
