"""Volumes that a model of planes counts plane by plane."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from sklearn.pipeline import make_pipeline

from sskseg import InstanceCounter, PercentileScaler, SemiSupervisedSegmenter
from sskseg.cli import main
from sskseg.images import ImageStack
from sskseg.io import read_labels, read_rois
from sskseg.io.scans import open_scan
from sskseg.io.stacks import numbered_series
from sskseg.models import save_model


@pytest.fixture
def stack(tmp_path):
    """A z-stack of Fiji with one object in all of its three planes."""
    X = np.zeros((3, 32, 32), np.float32)
    X[:, 4:12, 4:12] = 1
    tifffile.imwrite(tmp_path / "stack.tif", X, imagej=True, metadata={"axes": "ZYX"})
    return tmp_path / "stack.tif", X


def run(stack, tmp_path, sections):
    file, X = stack
    counter = InstanceCounter("components", min_size=0, sections=sections)
    model = make_pipeline(PercentileScaler(scope="dataset"), counter).fit(X)
    save_model(model, tmp_path / "model.sskseg")
    arguments = ["count", str(file), "--model", str(tmp_path / "model.sskseg")]
    return main([*arguments, "--out", str(tmp_path / "out")])


def test_planes_that_count_as_images_are_warned_of(stack, tmp_path, capsys):
    with pytest.warns(
        UserWarning, match="stack.tif has 3 planes along z, and this model takes each"
    ):
        assert run(stack, tmp_path, "independent") == 0
    assert "3 objects" in capsys.readouterr().out


def test_sections_of_a_stack_are_not(stack, tmp_path, capsys):
    assert run(stack, tmp_path, "consecutive") == 0
    assert "1 object in 3 sections" in capsys.readouterr().out
    X = stack[1]
    with tifffile.TiffFile(tmp_path / "out" / "stack_labels.tif") as written:
        assert written.series[0].axes == "ZYX"
        assert (written.asarray() == X.astype(int)).all()
    y = read_labels(tmp_path / "out" / "stack_labels.tif")[1]
    assert len(y) == 3  # for fit


@pytest.mark.filterwarnings("error")
def test_stacks_of_a_folder_are_counted_as_each_alone(stack, tmp_path, capsys):
    """An object at the same place in both, and another one in the second."""
    X = stack[1]
    other = X.copy()
    other[1:, 20:28, 20:28] = 1
    folder = tmp_path / "stacks"
    folder.mkdir()
    for name, pixels in (("a", X), ("b", other)):
        tifffile.imwrite(folder / f"{name}.tif", pixels, imagej=True, metadata={"axes": "ZYX"})
    counter = InstanceCounter("components", min_size=0, sections="consecutive")
    save_model(make_pipeline(counter).fit(X), tmp_path / "model.sskseg")
    arguments = ["count", str(folder), "--model", str(tmp_path / "model.sskseg")]
    arguments += ["--rois", "imagej", "--rois", "geojson", "--spacing", "2,0.5,0.5"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    assert "2 stacks of sections: no object continues" in capsys.readouterr().out
    counts = pd.read_csv(tmp_path / "out" / "counts.csv")
    assert counts["objects"].tolist() == [0, 1, 0, 0, 1, 1]
    assert counts["visible_objects"].tolist() == [1, 1, 1, 1, 2, 2]
    objects = pd.read_csv(tmp_path / "out" / "objects.csv")
    assert objects["image"].tolist() == ["a", "b", "b"]
    assert objects["centroid_z [micrometer]"].tolist() == [2, 2, 3]
    assert objects["max_z [pixel]"].tolist() == [3, 3, 3]
    labels = [tifffile.imread(tmp_path / "out" / f"{name}_labels.tif") for name in "ab"]
    assert [np.unique(x).tolist() for x in labels] == [[0, 1], [0, 2, 3]]
    for name, n in (("a", 1), ("b", 2)):
        _, rois = read_rois(tmp_path / "out" / "imagej" / f"{name}.zip", shape=X.shape)
        assert max(len(np.unique(each.labels)) - 1 for each in rois) == n
        features = json.loads((tmp_path / "out" / "geojson" / f"{name}.geojson").read_text())
        measured = [each["properties"]["measurements"] for each in features["features"]]
        volumes = objects["volume [micrometer^3]"][objects["image"] == name].tolist()
        assert {each["volume [micrometer^3]"] for each in measured} == {*volumes}


def test_regions_of_a_stack_for_fiji_are_one_file(stack, tmp_path):
    X = stack[1]
    counter = InstanceCounter("components", min_size=0, sections="consecutive")
    save_model(make_pipeline(counter).fit(X), tmp_path / "model.sskseg")
    arguments = ["count", str(stack[0]), "--model", str(tmp_path / "model.sskseg")]
    assert main([*arguments, "--out", str(tmp_path / "out"), "--rois", "imagej"]) == 0
    assert [file.name for file in (tmp_path / "out" / "imagej").iterdir()] == ["stack.zip"]
    _, rois = read_rois(tmp_path / "out" / "imagej" / "stack.zip", shape=X.shape)
    assert (np.stack([each.labels for each in rois]) == X).all()


def test_files_of_one_plane_and_of_several(stack, tmp_path):
    """Each file of images has one of labels, of its shape."""
    X = stack[1]
    tifffile.imwrite(tmp_path / "one.tif", X[0])
    model = make_pipeline(
        PercentileScaler(scope="dataset"), InstanceCounter("components", min_size=0)
    ).fit(X)
    save_model(model, tmp_path / "model.sskseg")
    arguments = [str(tmp_path), "--model", str(tmp_path / "model.sskseg")]
    with pytest.warns(UserWarning, match="3 planes"):
        assert main(["count", *arguments, "--out", str(tmp_path / "out")]) == 0
    found = {file.name: tifffile.imread(file).shape for file in (tmp_path / "out").glob("*.tif")}
    assert found == {"one_labels.tif": (32, 32), "stack_labels.tif": (3, 32, 32)}


@pytest.mark.parametrize("output", ["labels", "mask", "probability"])
def test_predictions_of_a_stack_are_a_volume(stack, tmp_path, output):
    file, X = stack
    y = [X[0].astype(int), *[None] * 2]
    segmenter = SemiSupervisedSegmenter(
        width=2, depth=1, max_steps=1, semi_supervision=None, sections="consecutive"
    )
    counter = InstanceCounter("components", sections="consecutive")
    model = make_pipeline(PercentileScaler(scope="dataset"), segmenter, counter).fit(X, y)
    save_model(model, tmp_path / "model.sskseg")
    arguments = [str(file), "--model", str(tmp_path / "model.sskseg"), "--output", output]
    assert main(["predict", *arguments, "--out", str(tmp_path / "out")]) == 0
    with tifffile.TiffFile(tmp_path / "out" / f"stack_{output}.tif") as written:
        assert (written.series[0].axes, written.series[0].shape) == ("ZYX", (3, 32, 32))
        expected = {
            "labels": lambda: model[-1].label(model[:-1].transform(X)),
            "mask": lambda: 255 * model[:-1].predict(X),
            "probability": lambda: model[:-1].predict_proba(X),
        }[output]()
        assert written.asarray() == pytest.approx(np.asarray(expected))


def test_sections_have_a_size_along_each_axis(stack, tmp_path, capsys):
    X = stack[1]
    counter = InstanceCounter("components", min_size=0, sections="consecutive")
    save_model(make_pipeline(counter).fit(X), tmp_path / "model.sskseg")
    arguments = ["count", str(stack[0]), "--model", str(tmp_path / "model.sskseg")]
    arguments += ["--out", str(tmp_path / "out"), "--spacing"]
    assert main([*arguments, "0.5"]) == 2
    assert "--spacing must have three numbers for consecutive sections" in capsys.readouterr().err
    assert main([*arguments, "2,0.5,0.5"]) == 0
    assert "Size of a pixel: z 2, y 0.5, x 0.5 µm (of --spacing)" in capsys.readouterr().out
    volumes = pd.read_csv(tmp_path / "out" / "objects.csv")["volume [micrometer^3]"]
    assert volumes.tolist() == [3 * 64 * 2 * 0.25]


def test_sections_without_a_distance_are_measured_in_pixels(stack, tmp_path, capsys):
    """Fiji writes the size of a pixel along y and x, and none along z if it was not set."""
    X, file = stack[1], tmp_path / "flat.tif"
    metadata = {"axes": "ZYX", "unit": "um"}
    tifffile.imwrite(file, X, imagej=True, resolution=(2, 2), metadata=metadata)
    assert run((file, X), tmp_path, "consecutive") == 0
    assert "pixels: the files do not define the distance of sections" in capsys.readouterr().out
    volumes = pd.read_csv(tmp_path / "out" / "objects.csv")["volume [pixel^3]"]
    assert volumes.tolist() == [3 * 64]


def test_the_distance_of_sections_of_fit_is_that_of_files_without(stack, tmp_path, capsys):
    X, file = stack[1], tmp_path / "flat.tif"
    metadata = {"axes": "ZYX", "unit": "um"}
    tifffile.imwrite(file, X, imagej=True, resolution=(4, 4), metadata=metadata)
    counter = InstanceCounter("components", min_size=0, sections="consecutive")
    given = ImageStack(X, spacing=(2000.0, 300.0, 300.0), unit="nanometer")
    save_model(make_pipeline(counter).fit(given), tmp_path / "model.sskseg")
    arguments = ["count", str(file), "--model", str(tmp_path / "model.sskseg")]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    text = "Size of a pixel: z 2, y 0.25, x 0.25 µm (along z that of the training images: the files"
    assert text in capsys.readouterr().out
    objects = pd.read_csv(tmp_path / "out" / "objects.csv")
    assert objects["volume [micrometer^3]"].tolist() == pytest.approx([3 * 64 * 2 * 0.0625])


def test_the_size_and_unit_of_fit_are_those_of_files_without(stack, tmp_path, capsys):
    X = stack[1]
    counter = InstanceCounter("components", min_size=0, sections="consecutive")
    given = ImageStack(X, spacing=(2.0, 0.5, 0.5), unit="micrometer")
    save_model(make_pipeline(counter).fit(given), tmp_path / "model.sskseg")
    arguments = ["count", str(stack[0]), "--model", str(tmp_path / "model.sskseg")]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    text = "Size of a pixel: z 2, y 0.5, x 0.5 µm (of the training images: the files have none)"
    assert text in capsys.readouterr().out
    objects = pd.read_csv(tmp_path / "out" / "objects.csv")
    assert objects["volume [micrometer^3]"].tolist() == [3 * 64 * 2 * 0.25]
    with tifffile.TiffFile(tmp_path / "out" / "stack_labels.tif") as written:
        assert written.imagej_metadata["spacing"] == 2
        assert written.imagej_metadata["unit"] == "um"


@pytest.mark.parametrize("axes", ["TZYX", "TYX"])
@pytest.mark.parametrize("output", ["labels", "mask", "probability"])
def test_results_have_the_times_and_sections_of_the_image(stack, tmp_path, axes, output):
    """They had one axis of sections, which Fiji showed as one stack."""
    X = np.zeros((2, 3, 32, 32), np.float32)
    X[0, :, 4:12, 4:12] = X[1, 1, 20:28, 20:28] = 1
    X = X if "Z" in axes else X[:, 1]
    file = tmp_path / "times.tif"
    metadata = {"axes": axes, "spacing": 2.0, "unit": "um"}
    tifffile.imwrite(file, X, imagej=True, metadata=metadata, resolution=(4, 4))
    segmenter = SemiSupervisedSegmenter(
        width=2, depth=1, max_steps=1, semi_supervision=None, sections="consecutive", random_state=0
    )
    counter = InstanceCounter("components", min_size=0, sections="consecutive")
    steps = [counter] if output == "labels" else [segmenter, counter]
    model = make_pipeline(*steps).fit(stack[1], (stack[1] > 0).astype(int))
    save_model(model, tmp_path / "model.sskseg")
    arguments = [str(file), "--model", str(tmp_path / "model.sskseg"), "--out"]
    assert main(["predict", *arguments, str(tmp_path / "p"), "--output", output]) == 0
    with tifffile.TiffFile(tmp_path / "p" / f"times_{output}.tif") as written:
        pixels = written.asarray()
        assert written.series[0].axes.replace("C", "") == axes
        assert written.imagej_metadata["frames"] == 2
        assert written.imagej_metadata["unit"] == "um"
        assert written.imagej_metadata.get("spacing") == (2.0 if "Z" in axes else None)
    if output != "labels":
        assert pixels.shape[:-2] in (X.shape[:-2], (*X.shape[:-2], 2))
        return
    assert ((pixels > 0) == (X > 0)).all()
    rois = ["--rois", "imagej", "--rois", "geojson"]
    assert main(["count", *arguments, str(tmp_path / "out"), *rois]) == 0
    assert (tifffile.imread(tmp_path / "out" / "times_labels.tif") == pixels).all()
    written = sorted(path.name for path in (tmp_path / "out" / "geojson").iterdir())
    of_planes = [f"times_{i:04d}.geojson" for i in range(6)]  # without a section of a time
    assert written == (of_planes if "Z" in axes else ["times.geojson"])
    n = X[..., 0, 0].size
    _, rois = read_rois(tmp_path / "out" / "imagej" / "times.zip", shape=(n, 32, 32))
    found = np.stack([each.labels for each in rois]).reshape(X.shape)
    assert (np.maximum(found, 0) == pixels).all()


def numbered_without_3(folder):
    """Write three images with the numbers 1, 2 and 4, each with a square at the same place."""
    X = np.zeros((3, 32, 32), np.float32)
    X[:, 4:12, 4:12] = 1
    folder.mkdir()
    for number, image in zip((1, 2, 4), X, strict=True):
        tifffile.imwrite(folder / f"s_{number:03d}.tif", image)
    return X


def test_a_missing_section_is_named_by_models_of_sections(tmp_path, capsys):
    """Its neighbors stay neighbors: an object across the gap counts once."""
    X = numbered_without_3(tmp_path / "sections")
    with pytest.warns(UserWarning, match=r"sections has no section 3, by the numbers in the names"):
        assert run((tmp_path / "sections", X), tmp_path, "consecutive") == 0
    assert "1 object in 3 sections" in capsys.readouterr().out


def test_two_series_of_sections_are_named_by_models_of_sections(tmp_path, capsys):
    """Two animals may share a folder by mistake; two slides of one animal may on purpose."""
    X = np.zeros((5, 32, 32), np.float32)
    X[:, 4:12, 4:12] = 1
    folder = tmp_path / "sections"
    folder.mkdir()
    for name, image in zip(("A_1", "A_2", "A_3", "B_1", "B_2"), X, strict=True):
        tifffile.imwrite(folder / f"{name}.tif", image)
    series = (
        r"sections has 2 series of numbered sections \(A_1.tif to A_3.tif, B_1.tif to B_2.tif\)"
    )
    with pytest.warns(UserWarning, match=series):
        assert run((folder, X), tmp_path, "consecutive") == 0
    assert "1 object in 5 sections" in capsys.readouterr().out
    with pytest.warns(UserWarning, match=series):
        assert open_scan(folder).axes == "zyx"


@pytest.mark.parametrize(
    ("names", "series"),
    [
        ("rat1_s1 rat1_s2 rat2_s1 rat2_s2", ["rat1_s1 rat1_s2", "rat2_s1 rat2_s2"]),
        ("a1x20 a2x20 b1x20 b2x20 c7x20", ["a1x20 a2x20", "b1x20 b2x20"]),
        ("a1 a2 b3 b4", []),  # numbered on
        ("s1_d5 s2_d5 s3_d6", []),  # dates of sections
        ("left right a1 b1", []),
        ("s1 s2 s3", []),
    ],
)
def test_series_of_sections(names, series):
    found = numbered_series([Path(f"{name}.tif") for name in names.split()])
    assert [" ".join(file.stem for file in each) for each in found] == series


@pytest.mark.filterwarnings("error")
def test_numbers_of_independent_images_may_leave_out_some(tmp_path, capsys):
    X = numbered_without_3(tmp_path / "images")
    assert run((tmp_path / "images", X), tmp_path, "independent") == 0
    assert "3 objects" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["count", "scan run"])
def test_volumes_have_a_size_along_each_axis(stack, tmp_path, capsys, command):
    counter = InstanceCounter("components", min_size=0, spatial_ndim=3)
    save_model(make_pipeline(counter).fit(stack[1][None]), tmp_path / "model.sskseg")
    arguments = [*command.split(), str(stack[0]), "--model", str(tmp_path / "model.sskseg")]
    arguments += ["--out", str(tmp_path / "out"), "--spacing"]
    assert main([*arguments, "0.5um"]) == 2
    message = "--spacing must have three numbers for volumes, along z, y and x, such as 2,0.5,0.5."
    assert message in capsys.readouterr().err
    if command == "count":
        assert main([*arguments, "2,0.5,0.5um"]) == 0
        volumes = pd.read_csv(tmp_path / "out" / "objects.csv")["volume [micrometer^3]"]
        assert volumes.tolist() == [3 * 64 * 2 * 0.25]
