"""Regions in and out on the command line, and the script of the how-to page."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from command_line import TINY, run
from sklearn.pipeline import make_pipeline

from sskseg import Annotations, InstanceCounter, PercentileScaler, SemiSupervisedSegmenter
from sskseg.cli import main
from sskseg.cli.formats import FORMATS, OF_IMAGE
from sskseg.cli.options import make_parser
from sskseg.datasets import make_cells
from sskseg.io import (
    read_images,
    read_labels,
    read_pairs,
    read_points,
    read_rois,
    write_labels,
    write_object_table,
    write_ome_zarr,
    write_rois,
)
from sskseg.io.image_writing import write_image
from sskseg.models import load_model
from sskseg.morphology import measure_objects
from sskseg.scans import open_scan

SCRIPT = Path(__file__).parents[2] / "docs" / "howto" / "from_tiffs_to_fiji_and_qupath.sh"


@pytest.fixture
def folder(tmp_path):
    """Two images with labels."""
    X, y = make_cells(n_samples=2, shape=(64, 64), random_state=0)
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for i in range(2):
        tifffile.imwrite(tmp_path / "images" / f"cell{i}.tif", X[i])
        write_labels(tmp_path / "labels" / f"cell{i}.tif", [y[i]])
    return tmp_path


@pytest.mark.parametrize("kind", FORMATS)
def test_convert_and_back(folder, kind):
    if kind == "imagej":
        pytest.importorskip("roifile")
    if kind == "ilastik":
        pytest.importorskip("h5py")
    there, back = folder / "there", folder / "back"
    images = ["--images", folder / "images"]
    assert run("convert", folder / "labels", *images, "--to", kind, "--out", there) == 0
    expected = read_labels(folder / "labels")[1]
    if kind == "ome-zarr":
        found = [read_labels(image)[1][0] for image in sorted(there.iterdir())]
    else:
        source = {"coco": there / "labels.json", "cvat": there / "labels.xml"}.get(kind, there)
        options = ["--background", 1] if kind == "ilastik" else []
        assert run("convert", source, *images, "--to", "tif", "--out", back, *options) == 0
        found = read_labels(back)[1]
    for labels, label in zip(found, expected, strict=True):
        assert np.array_equal(labels, label)


def test_labels_of_ilastik_need_their_background(folder, capsys):
    pytest.importorskip("h5py")
    out = folder / "labels.ilastik.h5"
    label = folder / "labels" / "cell0.tif"
    assert run("convert", label, "--out", out) == 0  # the format is that of the suffix
    back = folder / "back.tif"
    assert run("convert", out, "--out", back) == 2
    assert "--background must be its number, or 0 if none is, got None." in capsys.readouterr().err
    assert run("convert", out, "--out", back, "--background", 99) == 2
    assert "--background must be 0 or a class of" in capsys.readouterr().err
    assert not back.exists()
    assert run("convert", out, "--out", back, "--background", 1) == 0
    assert np.array_equal(read_labels(back)[1][0], read_labels(label)[1][0])
    # To train on them, too.
    arguments = ["fit", folder / "images" / "cell0.tif", "--labels", out, "--out", folder / "m"]
    assert run(*arguments, "--dry-run", "--background", 1) == 0
    assert "1 image, 1 of them labeled" in capsys.readouterr().out


@pytest.mark.parametrize("kind", FORMATS)
def test_one_image_becomes_the_file_of_that_name(folder, kind, capsys):
    for name, needs in (("roifile", "imagej"), ("h5py", "ilastik")):
        if kind == needs:
            pytest.importorskip(name)
    suffix = {"coco": ".json", "cvat": ".xml", "ome-zarr": ".ome.zarr"}.get(kind)
    file = folder / "out" / f"x{suffix or OF_IMAGE[kind]}"
    images = ["--images", folder / "images"]
    one = folder / "labels" / "cell0.tif"
    common = [*images, "--to", kind, "--out", file]
    if kind not in ("coco", "cvat"):  # which hold several images
        assert run("convert", folder / "labels", *common) == 2
        assert f"--out must be a folder, got {file}" in capsys.readouterr().err
        assert not file.parent.exists()
    single = [folder / "one", "--images", folder / "images" / "cell0.tif", *common[2:]]
    (folder / "one").mkdir()
    (folder / "one" / "cell0.tif").write_bytes(one.read_bytes())
    assert run("convert", *single) == 0
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert capsys.readouterr().out == f"Wrote {file}\n"
    options = {"background": 1} if kind == "ilastik" else {}
    found = read_labels(file, shape=(64, 64), **options)[1][0]
    assert np.array_equal(found, read_labels(one)[1][0])
    before = file.read_bytes() if file.is_file() else None
    assert run("convert", *single) == 2
    assert f"{file} exists: --out must be another." in capsys.readouterr().err
    if before is not None:
        assert file.read_bytes() == before
        assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.fixture
def stack(tmp_path):
    """Labels of a stack of Fiji: one object in all sections, another one in the last two."""
    labels = np.zeros((3, 32, 40), np.uint16)
    labels[:, 4:12, 4:12], labels[1:, 20:28, 20:28] = 1, 2
    (tmp_path / "labels").mkdir()
    metadata = {"axes": "ZYX"}
    tifffile.imwrite(tmp_path / "labels" / "a_labels.tif", labels, imagej=True, metadata=metadata)
    (tmp_path / "images").mkdir()
    tifffile.imwrite(tmp_path / "images" / "a.tif", labels * 9, imagej=True, metadata=metadata)
    return tmp_path, labels


@pytest.mark.parametrize("source", ["labels", "labels/a_labels.tif"])
@pytest.mark.parametrize("images", [[], ["--images", "images"]])
def test_labels_of_a_stack_become_one_file_with_positions(stack, source, images, monkeypatch):
    roifile = pytest.importorskip("roifile")
    folder, labels = stack
    monkeypatch.chdir(folder)
    assert run("convert", source, *images, "--to", "imagej", "--out", "rois") == 0
    assert run("convert", source, *images, "--out", "one.geojson") == 0
    assert [path.name for path in (folder / "rois").iterdir()] == ["a.zip"]
    rois = roifile.roiread(folder / "rois" / "a.zip")
    assert sorted((roi.position, roi.left) for roi in rois) == [
        (1, 4), (2, 4), (2, 20), (3, 4), (3, 20)
    ]  # fmt: skip
    _, _, y = read_pairs(folder / "images", folder / "rois")
    assert np.array_equal(y, labels)
    shape = labels.shape
    found = read_labels(folder / "one.geojson", ["a"], spatial_ndim=3, shape=[shape])[1][0]
    assert np.array_equal(found.clip(0), labels)


@pytest.mark.parametrize("source", ["labels", "rois"])
@pytest.mark.parametrize("axes", ["ZYX", "TZYX"])
def test_label_images_of_a_stack_are_one_file(stack, axes, source):
    """With the axes and the size of a pixel of its images, as Fiji opens them."""
    folder, labels = stack
    shape = {"ZYX": labels.shape, "TZYX": (1, *labels.shape)}[axes]
    labels = np.concatenate([labels.reshape(shape)] * (1 if axes == "ZYX" else 2))
    labels[-1, ..., 20:24, 2:6] = 7
    metadata = {"axes": axes, "spacing": 2.0, "unit": "um"}
    for name in ("images/a", "labels/a_labels"):
        resolution = {"resolution": (4, 4), "metadata": metadata}
        tifffile.imwrite(folder / f"{name}.tif", labels, imagej=True, **resolution)
    images = ["--images", folder / "images"]
    if source == "rois":
        arguments = ["convert", folder / "labels", *images, "--to", "imagej", "--out"]
        assert run(*arguments, folder / "rois") == 0
    out = folder / "out"
    assert run("convert", folder / source, *images, "--to", "tif", "--out", out) == 0
    assert [path.name for path in out.iterdir()] == ["a.tif"]
    with tifffile.TiffFile(out / "a.tif") as written:
        assert (written.is_imagej, written.series[0].axes) == (True, axes)
        assert np.array_equal(written.asarray(), labels)
    X = read_images(out / "a.tif")[1]
    assert (X.spacing, X.unit) == ((2.0, 0.25, 0.25), "um")
    assert np.array_equal(read_pairs(folder / "images", out)[2], labels.reshape(-1, 32, 40))
    # Without images, the size is that of the labels.
    assert run("convert", out / "a.tif", "--out", folder / "one.tif") == 0
    assert read_images(folder / "one.tif")[1].spacing == X.spacing
    assert np.array_equal(tifffile.imread(folder / "one.tif"), labels)


def test_sections_without_labels_are_unlabeled_in_the_file_of_a_stack(stack):
    folder, labels = stack
    (folder / "some").mkdir()
    tifffile.imwrite(folder / "some" / "a_0001.tif", labels[1])
    arguments = [folder / "some", "--images", folder / "images", "--out", folder / "one.tif"]
    assert run("convert", *arguments) == 0
    found = tifffile.imread(folder / "one.tif")
    assert np.array_equal(found[1], labels[1])
    assert (found[[0, 2]] == -1).all()


def test_a_section_with_labels_keeps_its_place_in_the_stack(stack):
    roifile = pytest.importorskip("roifile")
    folder, labels = stack
    (folder / "some").mkdir()
    tifffile.imwrite(folder / "some" / "a_0001.tif", labels[1])
    out = folder / "out"
    arguments = [folder / "some", "--images", folder / "images", "--to", "imagej", "--out", out]
    assert run("convert", *arguments) == 0
    assert [path.name for path in out.iterdir()] == ["a.zip"]
    assert {roi.position for roi in roifile.roiread(out / "a.zip")} == {2}


def test_numbered_images_are_no_stack(folder, tmp_path):
    (tmp_path / "numbered").mkdir()
    for i, label in enumerate(read_labels(folder / "labels")[1]):
        tifffile.imwrite(tmp_path / "numbered" / f"cell_{i:04d}.tif", label.astype(np.uint16))
    out = tmp_path / "out"
    assert run("convert", tmp_path / "numbered", "--to", "geojson", "--out", out) == 0
    assert sorted(p.name for p in out.iterdir()) == ["cell_0000.geojson", "cell_0001.geojson"]


def test_formats_of_the_command_line_are_those_that_are_written():
    action = make_parser()._subparsers._group_actions[0].choices["convert"]
    choices = next(a.choices for a in action._actions if a.dest == "to")
    assert set(choices) == set(FORMATS)


def test_convert_images_with_labels_to_ome_zarr(folder):
    images = ["--images", folder / "images"]
    out = folder / "out"
    assert run("convert", folder / "labels", *images, "--to", "ome-zarr", "--out", out) == 0
    assert sorted(path.name for path in out.iterdir()) == ["cell0.ome.zarr", "cell1.ome.zarr"]
    pixels = tifffile.imread(folder / "images" / "cell1.tif")
    assert np.array_equal(open_scan(out / "cell1.ome.zarr").data.compute(), pixels)
    old = [*images, "--to", "ome-zarr", "--out", folder / "old", "--zarr-format", "2"]
    assert run("convert", folder / "labels", *old) == 0
    found = zarr.open(folder / "old" / "cell1.ome.zarr" / "0", mode="r", zarr_format=2)
    assert np.array_equal(found[:], pixels)


def test_convert_planes_of_a_stack_with_a_size_along_z_to_ome_zarr(tmp_path):
    volume = np.arange(3 * 20 * 30, dtype=np.uint16).reshape(3, 20, 30)
    write_image(tmp_path / "a.tif", volume, "ZYX", spacing=(2, 0.5, 0.25), unit="um")
    write_labels(tmp_path / "labels.tif", [volume // 1000])
    images = ["--images", tmp_path / "a.tif", "--to", "ome-zarr", "--out", tmp_path / "out"]
    assert run("convert", tmp_path / "labels.tif", *images) == 0
    for i, plane in enumerate(volume):
        scan = open_scan(tmp_path / "out" / f"a_{i:04d}.ome.zarr")
        assert np.array_equal(scan.data.compute(), plane)
        assert (scan.spacing, scan.unit) == ((0.5, 0.25), "micrometer")


def test_convert_labels_of_a_scan_to_files_of_the_volume(folder):
    volume = np.zeros((4, 20, 30), np.int32)
    volume[1:3, 2:8, 3:9], volume[2:, 12:18, 20:28] = 1, 2
    image = write_ome_zarr(folder / "scan.ome.zarr", np.zeros(volume.shape), labels=volume)
    for out in ("scan.tif", "scan.zip"):
        assert run("convert", image, "--out", folder / out) == 0
        _, found = read_labels(folder / out, ["scan"], spatial_ndim=3, shape=[volume.shape])
        assert np.array_equal(found[0].clip(0), volume)  # sections without regions are -1
    assert run("convert", image, "--to", "coco", "--out", folder / "coco") == 0
    sections = json.loads((folder / "coco" / "labels.json").read_text())["images"]
    assert [each["file_name"][:9] for each in sections] == [f"scan_{i:04d}" for i in range(4)]


def test_convert_labels_into_an_ome_zarr_image(folder, capsys):
    label = read_labels(folder / "labels")[1][0]
    image = write_ome_zarr(folder / "scan.ome.zarr", np.zeros((1, 2, 64, 64)), axes="zcyx")
    file = folder / "labels" / "cell0.tif"
    write_object_table(folder / "objects.csv", measure_objects(label, columns=["area"]))
    assert run("convert", file, "--image", image) == 0  # its name is that of the function
    assert run("convert", file, "--image", image) == 2
    assert "objects exists: choose another name, or --overwrite." in capsys.readouterr().err
    into = ["--to", "ome-zarr", "--image", image, "--overwrite"]
    assert run("convert", file, *into, "--name", "cells", "--table", folder / "objects.csv") == 0
    assert "Wrote " in capsys.readouterr().out
    assert np.array_equal(read_labels(image / "labels" / "cells")[1][0], label)
    found = zarr.open_group(image / "labels" / "cells", mode="r").attrs["ome"]["image-label"]
    assert len(found["properties"]) == label.max()
    # Regions, and labels of OME-Zarr, which are read block by block.
    write_rois(folder / "a.zip", label)
    for i, source in enumerate([folder / "a.zip", f"{image}:/labels/cells"]):
        assert run("convert", source, *into, "--name", f"a{i}") == 0
        assert np.array_equal(read_labels(image / "labels" / f"a{i}")[1][0], label)
    out = folder / "back"
    assert run("convert", image / "labels" / "cells", "--to", "tif", "--out", out) == 0
    assert np.array_equal(read_labels(out)[1][0], label)


@pytest.mark.parametrize(("suffix", "others"), [(".tif", 0), (".zip", -1)])
def test_most_sections_of_a_stack_have_no_object(folder, suffix, others):
    stack = np.zeros((4, 64, 64), np.uint8)
    stack[1] = read_labels(folder / "labels")[1][0]
    file = folder / f"stack{suffix}"
    if suffix == ".tif":  # zeros are written as they are, and nothing is trained: without a warning
        tifffile.imwrite(file, stack, photometric="minisblack")
    else:
        write_rois(file, stack)
    image = write_ome_zarr(folder / "scan.ome.zarr", np.zeros(stack.shape), axes="zyx")
    assert run("convert", file, "--image", image) == 0
    (found,) = read_labels(image / "labels" / "objects", spatial_ndim=3)[1]
    assert np.array_equal(found[1], stack[1])
    assert np.unique(found[[0, 2, 3]]).tolist() == [others]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "x"], "--to is missing"),
        (["--out", "x.json"], "--to is missing: .json may be geojson or labelme or coco."),
        (["--to", "geojson", "--out", "x.zip"], "--to geojson writes files that end with .geojson"),
        (["--to", "tif"], "--to tif needs --out."),
        (["--to", "ome-zarr"], "needs --out and --images, or --image and an OME-Zarr image."),
        (["--to", "tif", "--image", "a.zarr"], "--image is for --to ome-zarr, got --to tif."),
        (["--image", "a.zarr", "--out", "x"], "--out cannot be used with --image."),
        (["--to", "tif", "--out", "x", "--name", "a"], "--name cannot be used without --image."),
        (["--to", "tif", "--out", "x", "--zarr-format", "2"], "--zarr-format is for new images"),
        (["--image", "a.zarr", "--zarr-format", "2"], "--zarr-format is for new images"),
        (["--image", "none.zarr"], "No OME-Zarr image at none.zarr."),
    ],
)
def test_options_of_convert_that_do_not_fit(options, message, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert run("convert", folder / "labels" / "cell0.tif", *options) == 2
    assert message in capsys.readouterr().err
    assert run("convert", folder / "labels", "--image", folder) == 2
    assert not list(folder.glob("x*"))


def test_nothing_to_convert(folder, capsys):
    (folder / "none").mkdir()
    assert run("convert", folder / "none", "--to", "tif", "--out", folder / "x") == 2
    assert not (folder / "x").exists()
    assert "none" in capsys.readouterr().err


def commands_of(script, folder, *arguments):
    """The arguments of each `sskseg` that a shell script calls, in order.

    The shell calls a program that only notes them: importing takes longer than these commands.
    """
    program, notes = folder / "bin" / "sskseg", folder / "commands.txt"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf "%s\\037" "$@" >> {notes}\necho >> {notes}\n')
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["sh", script, *arguments], env={**os.environ, "PATH": path}, check=True)
    return [line.split("\037")[:-1] for line in notes.read_text().splitlines()]


def test_script_from_tiffs_to_fiji_and_qupath(folder):
    roifile = pytest.importorskip("roifile")
    for name in ("onnxruntime", "onnxscript", "bioimageio.core", "matplotlib"):
        pytest.importorskip(name)
    rois = folder / "rois"
    rois.mkdir()
    label = read_labels(folder / "labels")[1][0]
    write_rois(rois / "cell0.zip", label)
    results = folder / "results"
    options = ["--width", "4", "--depth", "2", "--max-steps", "10", "--semi-supervision", "none",
               "--no-verbose", "--augmentation", "dihedral"]  # fmt: skip
    for command in commands_of(SCRIPT, folder, folder / "images", rois, results, *options):
        assert main(command) == 0
    counts = results / "counts"
    labels = read_labels(counts / "cell1_labels.tif")[1][0]
    written = roifile.roiread(counts / "imagej" / "cell1.zip") if labels.any() else []
    assert len(written) == len(np.unique(labels[labels > 0]))
    found = read_rois(counts / "geojson" / "cell1.geojson", (64, 64))[1][0].labels
    assert np.array_equal(found, labels)
    for name in ("counts.csv", "objects.csv", "run.json"):
        assert (counts / name).stat().st_size > 0
    for name in ("report.html", "model.zip"):
        assert (results / name).stat().st_size > 0


def test_convert_keeps_what_is_known_of_regions(tmp_path):
    """Names, classes and measurements, and the names of image files."""
    labels = np.zeros((20, 30), np.int32)
    labels[2:8, 2:8], labels[10:18, 10:25] = 1, 2
    table = pd.DataFrame({
        "id": [1, 2], "name": ["a", "b"], "class": ["Tumor", "Stroma"], "area": [36.0, 120.0],
    })  # fmt: skip
    for folder in ("images", "regions"):
        (tmp_path / folder).mkdir()
    tifffile.imwrite(tmp_path / "images" / "cell.tif", labels.astype(np.uint8))
    write_rois(tmp_path / "regions" / "cell.geojson", labels, table=table)
    common = ["convert", tmp_path / "regions", "--images", tmp_path / "images", "--out"]
    arguments = [str(argument) for argument in common]
    assert main([*arguments, str(tmp_path / "again"), "--to", "geojson"]) == 0
    _, (rois,) = read_rois(tmp_path / "again" / "cell.geojson", labels.shape)
    found = rois.table.set_index("name").loc[["a", "b"]]
    assert found["class"].tolist() == ["Tumor", "Stroma"]
    assert found["area"].tolist() == [36.0, 120.0]
    assert np.array_equal(rois.labels > 0, labels > 0)
    with pytest.warns(UserWarning, match="area, class of the regions are left out"):
        assert main([*arguments, str(tmp_path / "coco"), "--to", "coco"]) == 0
    content = json.loads((tmp_path / "coco" / "labels.json").read_text())
    assert [image["file_name"] for image in content["images"]] == ["cell.tif"]


def test_points_go_from_program_to_program(tmp_path, capsys):
    """Written by roifile; without the image, and with it where a format holds its size."""
    roifile = pytest.importorskip("roifile")
    points = np.array([[3.0, 12.5], [8.0, 40.0]])
    roi = roifile.ImagejRoi.frompoints(points[:, ::-1])
    roi.roitype = roifile.ROI_TYPE.POINT
    roi.tofile(tmp_path / "cell.roi")
    (tmp_path / "images").mkdir()
    tifffile.imwrite(tmp_path / "images" / "cell.tif", np.zeros((48, 64), np.uint8))
    last = tmp_path / "cell.roi"
    for name in ("a.geojson", "a.csv", "a.json", "a.xml", "a.zip", "b.csv"):
        kind = {"a.json": ["--to", "coco"]}.get(name, [])
        needs_size = name == "a.json"
        if needs_size:
            assert run("convert", last, "--out", tmp_path / name, *kind) == 2
            assert "writes the size of the image: --images is needed." in capsys.readouterr().err
        images = ["--images", tmp_path / "images"] if needs_size else []
        assert run("convert", last, "--out", tmp_path / name, *kind, *images) == 0
        last = tmp_path / name
    assert read_points(last)[1][0].tolist() == points.tolist()
    for kind in ("tif", "ilastik"):
        assert run("convert", last, "--out", tmp_path / "x", "--to", kind) == 2
        assert f"has points, and --to {kind} writes pixels." in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_fit_takes_points_of_regions_and_tables(folder, capsys):
    pytest.importorskip("roifile")
    label = read_labels(folder / "labels")[1][0]
    centers = measure_objects(label)[["centroid_y", "centroid_x"]].to_numpy()
    for name in ("zips", "tables", "areas"):
        (folder / name).mkdir()
    write_rois(folder / "zips" / "cell0.zip", points=centers)
    write_rois(folder / "tables" / "cell0.csv", points=centers)
    write_rois(folder / "areas" / "cell0.csv", label)  # shapes of napari
    fit = ["fit", folder / "images", "--out", folder / "m", "--dry-run", "--labels"]
    for name in ("zips", "tables", "tables/cell0.csv", "areas", "areas/cell0.csv"):
        assert run(*fit, folder / name) == 0
        said = capsys.readouterr().out
        assert "2 images, 1 of them labeled\n" in said
        assert ("within 3 pixels of a point" in said) != name.startswith("areas")
        _, _, y = read_pairs(folder / "images", folder / name)
        assert y[1] is None
        assert np.allclose(y[0], label if name.startswith("areas") else centers)


def test_fit_sets_the_radius_of_points(folder, capsys):
    """The command line had no such option: large objects were mostly background."""
    label = read_labels(folder / "labels")[1][0]
    centers = measure_objects(label)[["centroid_y", "centroid_x"]].to_numpy()
    write_rois(folder / "cell0.csv", points=centers)
    fit = ["fit", folder / "images", "--labels", folder / "cell0.csv", "--out"]
    assert run(*fit, folder / "m", "--point-radius", 6, *TINY) == 0
    model = make_pipeline(
        PercentileScaler(scope="image"),
        SemiSupervisedSegmenter(
            width=4, depth=1, max_steps=2, semi_supervision=None, random_state=0
        ),
        InstanceCounter(),
    )
    _, X, y = read_pairs(folder / "images", folder / "cell0.csv")
    fitted = load_model(folder / "m" / "model.sskseg")
    for radius in (6, 3):
        expected = model.fit(X, Annotations(y, point_radius=radius))[:-1].transform(X)
        found = fitted[:-1].transform(X)
        assert all(map(np.array_equal, found, expected)) == (radius == 6)
    capsys.readouterr()
    for radius, labels, message in (
        (6, folder / "labels", "--point-radius is for labels that are points"),
        (0, folder / "cell0.csv", "--point-radius must be a positive number, got 0.0"),
    ):
        command = ["fit", folder / "images", "--labels", labels, "--out", folder / "n"]
        assert run(*command, "--point-radius", radius, *TINY) == 2
        assert message in capsys.readouterr().err
