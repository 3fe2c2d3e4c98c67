"""What `sskseg info` shows of files."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image
from vendor_files import library, noise, write_nd2

from sskseg.cli import main
from sskseg.io import write_ome_zarr, write_rois
from sskseg.io.ome_zarr.metadata import ZARR_FORMATS
from sskseg.io.summaries import summarize

LABELS = np.zeros((20, 30), np.int32)
LABELS[2:8, 3:9], LABELS[10:18, 10:25] = 1, 2


def shown(path, capsys):
    """Lines that are printed, and the result as JSON."""
    assert main(["info", str(path)]) == 0
    text = capsys.readouterr().out
    assert main(["info", str(path), "--json"]) == 0
    return text.splitlines(), json.loads(capsys.readouterr().out)


def test_images_of_a_folder(tmp_path, capsys):
    volume = np.zeros((2, 5, 6), np.uint16)
    tifffile.imwrite(
        tmp_path / "a.tif", volume, imagej=True, resolution=(2, 2),
        metadata={"axes": "ZYX", "unit": "um", "spacing": 3},
    )  # fmt: skip
    Image.fromarray(np.zeros((5, 6, 3), np.uint8)).save(tmp_path / "b.png")
    lines, found = shown(tmp_path, capsys)
    assert found == {
        "files": 2, "images": 3, "volumes": 2, "axes": ["zyx", "yxs"],
        "shapes": [[2, 5, 6], [5, 6, 3]], "dtypes": ["uint16", "uint8"],
        "size of a pixel": ["z 3, y 0.5, x 0.5 um", "unknown"], "channels": {"b.png": [""] * 3},
        "names": ["a_0000", "a_0001", "b"],
    }  # fmt: skip
    assert "shapes: 2 x 5 x 6, 5 x 6 x 3" in lines
    assert "names: a_0000, a_0001, b" in lines


def test_no_pixels_of_a_tiff_are_read(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((30, 20, 25), np.uint8))
    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", None)
    assert summarize(tmp_path / "a.tif")["images"] == 30


def test_channels_of_a_microscope(tmp_path, capsys):
    library("nd2")
    write_nd2(tmp_path / "a.nd2", noise(1, 8, 9, 2), names=["DAPI", "GFP"], calibration=0.25)
    lines, found = shown(tmp_path / "a.nd2", capsys)
    assert found["channels"] == {"a.nd2": ["DAPI", "GFP"]}
    assert lines[lines.index("channels:") + 1 :][:3] == [
        "  0: DAPI", "  1: GFP",
        "  Choose one by its number: --channel 1, or by its name: --channel DAPI",
    ]  # fmt: skip
    assert "size of a pixel: y 0.25, x 0.25 µm" in lines
    assert found["axes"] == ["cyx"] or found["axes"] == ["yxc"]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_images_and_labels_of_ome_zarr(tmp_path, version, capsys):
    image = np.zeros((2, 300, 400), np.uint16)
    labels = np.zeros((300, 400), np.int64)
    path = write_ome_zarr(
        tmp_path / "a.ome.zarr", image, axes="cyx", spacing=(0.5, 0.5), unit="micrometer",
        labels={"cells": labels}, zarr_format=ZARR_FORMATS[version],
    )  # fmt: skip
    group = zarr.open_group(path, mode="r+")
    omero = {"omero": {"channels": [{"label": "DAPI"}, {"label": "GFP"}]}}
    own = {"ome": {**group.attrs["ome"], **omero}} if version == "0.5" else omero
    group.attrs.update(own)
    lines, found = shown(path, capsys)
    assert found == {
        "image": "a", "version": version, "axes": "cyx",
        "shapes of levels": [[2, 300, 400], [2, 150, 200]], "dtype": "uint16",
        "size of a pixel": "y 0.5, x 0.5 micrometer", "channels": ["DAPI", "GFP"],
        "labels": ["cells"],
    }  # fmt: skip
    assert "shapes of levels: 2 x 300 x 400, 2 x 150 x 200" in lines
    assert lines[lines.index("channels:") + 1] == "  0: DAPI"
    for inside in (path / "labels" / "cells", f"{path}:/labels/cells"):
        _, found = shown(inside, capsys)
        assert (found["labels"], found["dtype"], found["source"]) == ("cells", "uint8", "../../")
    assert shown(path / "labels", capsys)[1]["cells"] == found
    assert shown(path / "0", capsys)[1]["shape"] == [2, 300, 400]
    lines, found = shown(tmp_path, capsys)  # a folder of them
    assert list(found) == ["a.ome.zarr"]
    assert lines[:2] == ["a.ome.zarr:", "  image: a"]


def test_plates_and_damaged_metadata_of_ome_zarr(tmp_path, capsys):
    plate = zarr.create_group(tmp_path / "p.zarr", zarr_format=2)
    plate.attrs["plate"] = {"wells": [{"path": "A/1"}, {"path": "B/2"}]}
    assert summarize(tmp_path / "p.zarr") == {"wells": ["A/1", "B/2"]}
    well = plate.create_group("A/1")
    well.attrs["well"] = {"images": [{"path": "0"}]}
    assert summarize(tmp_path / "p.zarr" / "A" / "1") == {"images": ["0"]}
    path = write_ome_zarr(tmp_path / "a.zarr", LABELS)
    (path / "zarr.json").write_text("{")
    with pytest.raises(ValueError, match=r"a\.zarr cannot be read as OME-Zarr"):
        summarize(path)


@pytest.mark.parametrize("kind", ["zip", "geojson", "coco", "labelme", "xml", "csv", "seg"])
def test_regions_of_a_file(tmp_path, kind, capsys):
    if kind == "zip":
        pytest.importorskip("roifile")
    suffix = {"coco": "json", "labelme": "json"}.get(kind, kind)
    path = tmp_path / f"cell.{suffix}"
    if kind == "seg":
        path = tmp_path / "cell_seg.npy"
        np.save(path, {"masks": LABELS})
    else:
        names = ["cell.tif"] if kind in ("coco", "labelme", "xml") else None
        options = {"format": kind} if suffix == "json" else {}
        write_rois(path, LABELS, names=names, class_name="Nucleus", **options)
    lines, found = shown(path, capsys)
    ((name, one),) = found["regions"].items()
    assert name == (f"{path.name}: cell.tif" if kind in ("coco", "xml") else path.name)
    if kind == "seg":
        assert one == {"image shape": [20, 30], "labels": 2}
        assert lines == ["regions: 2 in 1 image", f"  {name}: 2 labels; image of 20 x 30"]
        return
    assert (one["regions"], one["points"]) == (2, 0)
    assert one["classes"] == ({} if kind == "csv" else {"Nucleus": 2})
    assert one["extent"] == {"y": [2, 18], "x": [3, 25]}
    assert ("image shape" in one) == (kind in ("coco", "labelme", "xml"))
    classes = "" if kind == "csv" else "; classes Nucleus (2)"
    size = "; image of 20 x 30" if "image shape" in one else ""
    assert lines[1] == f"  {name}: 2 regions{classes}; y 2 to 18; x 3 to 25{size}"


def test_regions_of_a_stack_and_points(tmp_path):
    pytest.importorskip("roifile")
    write_rois(tmp_path / "a.zip", np.stack([LABELS, 0 * LABELS, LABELS]), points=[[1, 5.0, 29.5]])
    found = summarize(tmp_path)["regions"]["a.zip"]
    assert (found["regions"], found["points"]) == (4, 1)
    assert found["extent"] == {"y": [2, 18], "x": [3, 29.5], "section": [0, 2]}
    tifffile.imwrite(tmp_path / "a.tif", LABELS.astype(np.uint8))
    (tmp_path / "run.json").write_text("{}")
    both = summarize(tmp_path)
    assert (both["images"], list(both["regions"])) == (1, ["a.zip"])


def test_overlays_of_fiji_inside_images(tmp_path, capsys):
    pytest.importorskip("roifile")
    write_rois(tmp_path / "a.zip", LABELS)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        rois = [archive.read(name) for name in archive.namelist()]
    (tmp_path / "images").mkdir()
    for name, metadata in (("a", {"Overlays": rois}), ("b", {})):
        file = tmp_path / "images" / f"{name}.tif"
        tifffile.imwrite(file, LABELS.astype(np.uint8), imagej=True, metadata=metadata)
    for path in (tmp_path / "images", tmp_path / "images" / "a.tif"):
        lines, found = shown(path, capsys)
        assert (found["images"], found["regions"]["a.tif"]["regions"]) == (found["files"], 2)
        assert "regions: 2 in 1 image" in lines
    assert "regions" not in summarize(tmp_path / "images" / "b.tif")


def test_files_with_different_channels(tmp_path, capsys):
    for name, channels in (("a", ["DAPI", "GFP"]), ("b", ["GFP 2", "DAPI"]), ("c", None)):
        metadata = {"axes": "CYX"} | ({"Channel": {"Name": channels}} if channels else {})
        tifffile.imwrite(tmp_path / f"{name}.ome.tif", np.zeros((2, 8, 9), np.uint8), ome=True,
                         metadata=metadata)  # fmt: skip
    lines, _ = shown(tmp_path, capsys)
    start = lines.index("channels of b.ome.tif:")
    assert lines[start : start + 8] == [
        "channels of b.ome.tif:", "  0: GFP 2", "  1: DAPI",
        "  Choose one by its number: --channel 1, or by its name: --channel 'GFP 2'",
        "channels of c.ome.tif:", "  0: without a name", "  1: without a name",
        "  Choose one by its number: --channel 1",
    ]  # fmt: skip


def test_hdf5_is_described_without_its_pixels(tmp_path, monkeypatch):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = np.zeros((3, 20, 30), np.float32)
        file["data"].attrs["element_size_um"] = (3.0, 0.5, 0.5)
    found = summarize(tmp_path / "a.h5")
    assert (found["shapes"], found["dtype"]) == ([[3, 20, 30]], "float32")
    assert found["size of a pixel"] == "z 3, y 0.5, x 0.5 µm"
    assert summarize(Path(f"{tmp_path}/a.h5:/data")) == found


def test_what_is_not_there_and_what_cannot_be_read(tmp_path, capsys):
    for path, message in (
        (tmp_path / "none.tif", "No image file at"), (tmp_path, "No image files"),
        (tmp_path / "none.sskseg", "No model file at"),
    ):  # fmt: skip
        assert main(["info", str(path)]) == 2
        assert message in capsys.readouterr().err
    (tmp_path / "a.tif").write_bytes(b"II*\0")
    (tmp_path / "a.bin").write_bytes((20).to_bytes(8, "little") + b"{" + b" " * 40)
    for name, message in (
        ("a.tif", "a.tif cannot be read as an image"), ("a.bin", "damaged or not a model file"),
    ):  # fmt: skip
        assert main(["info", str(tmp_path / name)]) == 2
        assert message in capsys.readouterr().err
