"""The command line does what the same pipeline does in Python."""

import argparse
import json
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import tifffile
from command_line import run
from sklearn.pipeline import make_pipeline

import sskseg
from sskseg import ContourDetector, InstanceCounter, PercentileScaler, SemiSupervisedSegmenter
from sskseg.cli.commands import _common, _exchange
from sskseg.cli.options import make_parser
from sskseg.cli.parameters import estimator_parameters
from sskseg.cli.values import parse_duration, parse_spacing, parse_value
from sskseg.counting.methods import Contours
from sskseg.datasets import make_cells
from sskseg.images import ImageStack
from sskseg.io import read_images, read_labels, read_object_table, read_pairs, write_labels
from sskseg.io.images import read_headers
from sskseg.models import load_model, model_card, save_model
from sskseg.training.progress_bar import progress_bar

TINY = ["--width", "4", "--depth", "2", "--max-steps", "8", "--semi-supervision", "none"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images of which two have labels, and a model that was fitted on them."""
    folder = tmp_path_factory.mktemp("cli")
    X, y = make_cells(n_samples=4, shape=(64, 64), random_state=0)
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    for i, (image, label) in enumerate(zip(X, y, strict=True)):
        tifffile.imwrite(folder / "images" / f"cell{i}.tif", image)
        if i < 2:
            write_labels(folder / "labels" / f"cell{i}.tif", [label])
    assert run("fit", folder / "images", "--labels", folder / "labels", "--out",
               folder / "model", *TINY) == 0  # fmt: skip
    return folder


def test_fit_is_that_of_the_same_pipeline(folder):
    _, X = read_images(folder / "images")
    _, y = read_labels(folder / "labels", [f"cell{i}" for i in range(4)])
    expected = make_pipeline(
        PercentileScaler(scope="image"),
        SemiSupervisedSegmenter(
            width=4, depth=2, max_steps=8, semi_supervision=None, random_state=0
        ),
        InstanceCounter(),
    ).fit(X, y)
    model = load_model(folder / "model" / "model.sskseg")
    for a, b in zip(model.transform(X), expected.transform(X), strict=True):
        assert np.array_equal(a, b)


def test_record_has_what_is_needed_to_repeat(folder):
    import hashlib

    record = json.loads((folder / "model" / "run.json").read_text())
    assert record["command"][:2] == ["sskseg", "fit"]
    assert record["parameters"]["segmenter__max_steps"] == 8
    assert record["parameters"]["segmenter__random_state"] == 0
    image = folder / "images" / "cell0.tif"
    assert record["inputs"][str(image)] == hashlib.sha256(image.read_bytes()).hexdigest()
    assert len(record["inputs"]) == 6
    assert record["result"]["labeled"] == 2
    assert {"torch", "numpy"} <= set(record["packages"])


def test_count_and_predict(folder, tmp_path, capsys):
    _, X = read_images(folder / "images")
    expected = load_model(folder / "model" / "model.sskseg").transform(X)
    n_each = [len(np.unique(label[label > 0])) for label in expected]
    arguments = ["count", folder / "images", "--model", folder / "model"]
    assert run(*arguments, "--out", tmp_path, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert list(result["counts"].values()) == n_each
    assert pd.read_csv(tmp_path / "counts.csv").objects.tolist() == n_each
    assert len(pd.read_csv(tmp_path / "objects.csv")) == result["total"] == sum(n_each)
    _, labels = read_labels(tmp_path, [f"cell{i}" for i in range(4)])
    for a, b in zip(labels, expected, strict=True):
        assert np.array_equal(a, b)
    assert run(*arguments) == 0
    assert f"{sum(n_each)} objects" in capsys.readouterr().out
    for output in ("labels", "probability", "mask"):
        out = tmp_path / output
        assert run("predict", folder / "images", "--model", folder / "model", "--out", out,
                   "--output", output) == 0  # fmt: skip
        found = tifffile.imread(out / f"cell2_{output}.tif")
        assert found.shape == (64, 64)
    probability = tifffile.imread(tmp_path / "probability" / "cell2_probability.tif")
    mask = tifffile.imread(tmp_path / "mask" / "cell2_mask.tif")
    assert np.array_equal(mask, 255 * (probability > 0.5))


def test_label_images_have_the_size_of_a_pixel(folder, tmp_path):
    arguments = [folder / "images" / "cell0.tif", "--model", folder / "model"]
    size = ["--spacing", "0.4,0.25um"]
    assert run("count", *arguments, "--out", tmp_path / "a", *size) == 0
    files = [tmp_path / "a" / "cell0_labels.tif"]
    for output in ("labels", "probability", "mask"):
        out = tmp_path / output
        assert run("predict", *arguments, "--out", out, "--output", output, *size) == 0
        files.append(out / f"cell0_{output}.tif")
    for file in files:
        (header,) = read_headers(file)
        assert set(header.units.values()) == {"µm"}
        assert header.spacing == pytest.approx({"y": 0.4, "x": 0.25}, rel=1e-6)
    assert np.array_equal(read_labels(files[0])[1][0], read_labels(files[1])[1][0])
    assert run("count", *arguments, "--out", tmp_path / "b") == 0  # without a size
    assert not read_headers(tmp_path / "b" / "cell0_labels.tif")[0].spacing


def test_overlays(folder, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    arguments = ["count", folder / "images", "--model", folder / "model", "--overlays"]
    assert run(*arguments) == 2
    assert "--out is missing: --overlays needs a folder." in capsys.readouterr().err
    assert run(*arguments, "--out", tmp_path / "out") == 0
    assert "4 label images and their overlays" in capsys.readouterr().out
    names = [f"overlays/cell{i}.png" for i in range(4)]
    assert all(read_images(tmp_path / "out" / name)[1][0].std() > 0 for name in names)
    assert set(names) < set(json.loads((tmp_path / "out" / "run.json").read_text())["outputs"])
    assert len(read_labels(tmp_path / "out")[1]) == 4


def test_objects_of_a_stack_count_once_and_are_visible_in_each_section(tmp_path, capsys):
    """One object in sections 0 to 2, another in 1 alone."""
    X = np.zeros((3, 32, 32), np.float32)
    X[:, 2:10, 2:10] = X[1, 20:28, 20:28] = 1
    tifffile.imwrite(tmp_path / "stack.tif", X, photometric="minisblack")
    counter = InstanceCounter("components", min_size=0, sections="consecutive")
    model = make_pipeline(PercentileScaler(scope="dataset"), counter).fit(X)
    save_model(model, tmp_path / "model.sskseg")
    arguments = ["count", tmp_path / "stack.tif", "--model", tmp_path / "model.sskseg"]
    assert run(*arguments, "--out", tmp_path / "out") == 0
    assert "2 objects in 3 sections" in capsys.readouterr().out
    counts = pd.read_csv(tmp_path / "out" / "counts.csv")
    assert counts["objects"].tolist() == model.predict(X).tolist() == [0, 2, 0]
    assert counts["visible_objects"].tolist() == [1, 2, 1]
    assert len(pd.read_csv(tmp_path / "out" / "objects.csv")) == 2


def test_fit_says_how_well_it_counts_the_training_images(folder, tmp_path, capsys):
    arguments = ["fit", folder / "images", "--labels", folder / "labels", "--out", tmp_path / "m"]
    assert run(*arguments, *TINY, "--no-verbose") == 0
    text = capsys.readouterr().out
    true, predicted = load_model(tmp_path / "m" / "model.sskseg")["counter"].held_out_counts_.T
    assert len(true) == 2
    error = np.abs(true - predicted).sum() / true.sum()
    assert f"Count error on 2 training images: {100 * error:.1f} %, with settings" in text
    assert (
        f"sskseg report IMAGES --labels LABELS --model {tmp_path / 'm'} --out report.html" in text
    )
    result = json.loads((tmp_path / "m" / "run.json").read_text())["result"]
    assert result["count_error"] == pytest.approx(error, abs=1e-4)
    _, y = read_labels(folder / "labels")
    (tmp_path / "labels").mkdir()
    partly = np.where(np.arange(64) < 32, y[0].astype(np.int32), -1)
    write_labels(tmp_path / "labels" / "cell0.tif", [partly])
    arguments = ["fit", folder / "images", "--labels", tmp_path / "labels", "--out", tmp_path / "n"]
    assert run(*arguments, *TINY, "--no-verbose") == 0
    assert "No count error: it needs two completely labeled images" in capsys.readouterr().out


def test_dry_run_trains_nothing(folder, tmp_path, capsys):
    out = tmp_path / "model"
    arguments = ["fit", folder / "images", "--labels", folder / "labels", "--out", out]
    assert run(*arguments, "--dry-run", "--time-budget", "10m") == 0
    assert "4 images, 2 of them labeled" in capsys.readouterr().out
    assert not out.exists()
    assert run(*arguments, "--dry-run", "--max-steps", "-3") == 2
    assert (
        "--max-steps must be a whole number of at least 1 or none, got -3."
        in capsys.readouterr().err
    )


def test_info(folder, capsys):
    assert run("info", folder / "model", "--json") == 0
    assert "SemiSupervisedSegmenter" in json.loads(capsys.readouterr().out)["segmenter"]
    assert run("info", folder / "images", "--json") == 0
    assert json.loads(capsys.readouterr().out)["images"] == 4


def test_report(folder, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "report.html"
    assert run("report", folder / "images", "--model", folder / "model", "--labels",
               folder / "labels", "--out", path) == 0  # fmt: skip
    assert "</html>" in path.read_text(encoding="utf-8")


def test_scan(folder, tmp_path, capsys):
    pytest.importorskip("zarr")
    scan = folder / "images" / "cell3.tif"
    out = tmp_path / "scan"
    model = load_model(folder / "model" / "model.sskseg")
    model.set_params(scaler__scope="dataset")
    from sskseg.models import save_model

    save_model(model, tmp_path / "model.sskseg")
    options = ["--model", tmp_path / "model.sskseg"]
    assert run("scan", "plan", scan, *options, "--json") == 0
    assert json.loads(capsys.readouterr().out)["shape"] == [64, 64]
    for _ in range(2):  # the second finds that it is done
        assert run("scan", "run", scan, *options, "--out", out, "--json") == 0
        found = json.loads(capsys.readouterr().out)["objects"]
        assert found == len(pd.read_csv(out / "objects.csv"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["count", "none", "--model", "none.sskseg"], "No model file at none.sskseg"),
        (["fit", "none", "--labels", "none", "--out", "x"], "No image file at none"),
    ],
)
def test_bad_input_is_an_exit_code_and_a_message(arguments, message, capsys):
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.startswith(f"sskseg {arguments[0]}: ")
    assert not captured.out


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["fly"], ["fit", "a", "--out", "b"], ["fit", "a", "--labels", "b", "--out", "c",
        "--time-budget", "soon"], ["count", "a", "--model", "b", "--spacing", "wide"],
    ],
)  # fmt: skip
def test_bad_command_lines(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        run(*arguments)
    assert error.value.code == 2
    assert "usage: sskseg" in capsys.readouterr().err


def test_models_without_a_counter_cannot_count(folder, tmp_path, capsys):
    model = load_model(folder / "model" / "model.sskseg")
    model["segmenter"].save(tmp_path / "alone.sskseg")
    assert run("count", folder / "images", "--model", tmp_path / "alone.sskseg") == 2
    assert "expected a pipeline with a counter" in capsys.readouterr().err


def test_models_without_a_segmenter(folder, tmp_path, capsys):
    _, X = read_images(folder / "images")
    _, y = read_labels(folder / "labels", [f"cell{i}" for i in range(4)])
    detector = ContourDetector(width=4, depth=2, max_steps=2, random_state=0)
    model = make_pipeline(PercentileScaler(), InstanceCounter(method=Contours(detector))).fit(X, y)
    file = tmp_path / "contours.sskseg"
    save_model(model, file)
    images = folder / "images"
    assert run("predict", images, "--model", file, "--out", tmp_path / "labels") == 0
    assert len(list((tmp_path / "labels").glob("*_labels.tif"))) == 4
    assert run("count", images, "--model", file, "--json") == 0
    masks = tmp_path / "masks"
    assert run("predict", images, "--model", file, "--output", "mask", "--out", masks) == 2
    assert "needs a segmenter before the counter" in capsys.readouterr().err
    assert not masks.exists()
    assert run("export", "--model", file, "--out", tmp_path / "model.onnx") == 2
    assert "cannot be exported: --model must be a fitted" in capsys.readouterr().err
    assert run("export", "--model", file, "--out", tmp_path / "model.pth") == 2
    assert "must end with .onnx or .zip" in capsys.readouterr().err


def test_progress_is_shown_but_not_with_json(folder, monkeypatch, capsys):
    shown = []

    def bar(**options):
        shown.append(options["desc"])
        return progress_bar(**{**options, "delay": 0})

    monkeypatch.setattr(_common, "progress_bar", bar)
    images, model = folder / "images", folder / "model"
    assert run("count", images, "--model", model) == 0
    assert shown[:2] == ["SemiSupervisedSegmenter", "InstanceCounter"]
    error = capsys.readouterr().err
    assert "SemiSupervisedSegmenter: 0 %, 00:00 elapsed" in error
    assert "\r" not in error
    shown.clear()
    assert run("count", images, "--model", model, "--json") == 0
    assert not shown


def test_options_are_the_parameters_of_the_estimators():
    parser = make_parser()._subparsers._group_actions[0].choices["fit"]
    options = {option for action in parser._actions for option in action.option_strings}
    for kind, prefix in ((SemiSupervisedSegmenter, ""), (PercentileScaler, "scaler-"),
                         (InstanceCounter, "counter-")):  # fmt: skip
        parameters = estimator_parameters(kind.__name__, prefix)
        assert {p.name for p in parameters} == set(kind().get_params(deep=False))
        for parameter in parameters:
            left_out = parameter.name in ("finetune", "warm_start", "loss", "target", "spacing")
            is_shared = bool(prefix) and parameter.name in ("sections", "spatial_ndim")
            assert (parameter.option in options) != (left_out or is_shared)


def test_values():
    assert [parse_duration(x) for x in ("90", "90s", "10m", "1.5h")] == [90, 90, 600, 5400]
    assert parse_spacing("0.5um") == ((0.5,), "micrometer")
    assert parse_spacing("0.5") == ((0.5,), "micrometer")
    assert parse_spacing("2,0.5,0.5 nm") == ((2.0, 0.5, 0.5), "nanometer")
    assert parse_spacing("1e-3 microns") == ((1e-3,), "micrometer")
    assert parse_value("True") is True
    assert parse_value("{'object_size': 24}") == {"object_size": 24}
    assert parse_value("self-training,continuity") == ("self-training", "continuity")


def test_help_imports_no_torch():
    code = (
        "import sys\nfrom sskseg.cli import main\n"
        "try:\n    main(['fit', '--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "assert not {'torch', 'numpy', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)


@pytest.mark.parametrize("module", ["sskseg", "sskseg.cli"])
def test_modules_are_the_same_command(module):
    command = [sys.executable, "-m", module, "--version"]
    output = subprocess.run(command, check=True, capture_output=True, text=True)
    assert output.stdout.strip() == sskseg.__version__


def test_a_process_searches_modules_for_garbage_less_often():
    code = (
        "import atexit, gc\nfrom sskseg.cli.__main__ import run\n"
        "atexit.register(lambda: print(gc.get_freeze_count() > 1000, gc.get_threshold()[0]))\n"
        "run()"
    )
    command = [sys.executable, "-c", code, "--version"]
    output = subprocess.run(command, check=True, capture_output=True, text=True)
    assert output.stdout.split() == [sskseg.__version__, "True", "20000"]


def test_the_demo_is_a_command():
    with pytest.raises(SystemExit) as error:
        run("demo", "--help")
    assert error.value.code == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["cuont", "x"], "count instead of cuont"),
        (["count", "x", "--model", "nuclei", "--chanel", "1"], "--channel instead of --chanel"),
        (["count", "x", "--modle=nuclei"], "--model instead of --modle"),
        (["fit", "a", "--labels", "b", "--out", "c", "--max-stesp", "3"], "--max-steps instead of"),
        (["count", "x", "--model", "nuclei", "--rois", "geojsn"], "geojson instead of geojsn"),
        (["scan", "paln", "x"], "plan instead of paln"),
    ],
)
def test_typing_errors_get_a_suggestion(arguments, expected, capsys):
    with pytest.raises(SystemExit) as error:
        run(*arguments)
    assert error.value.code == 2
    assert f". Did you mean {expected}" in capsys.readouterr().err


def test_what_resembles_nothing_gets_no_suggestion(capsys):
    with pytest.raises(SystemExit):
        run("count", "x", "y", "--model", "nuclei", "--foo", "3")
    error = capsys.readouterr().err
    assert "unrecognized arguments: y --foo 3" in error
    assert "Did you mean" not in error


def test_names_of_models_get_a_suggestion(folder, capsys):
    assert run("count", folder / "images", "--model", "nuclie") == 2
    assert "nuclei-stained. Did you mean nuclei instead of nuclie?" in capsys.readouterr().err
    with pytest.raises(ValueError, match="Did you mean nuclei instead of nucleii"):
        model_card("nucleii")


def test_spacing_is_passed_on(folder, tmp_path, capsys):
    arguments = ["count", folder / "images", "--model", folder / "model", "--out"]
    assert run(*arguments, tmp_path / "a") == 0
    plain = pd.read_csv(tmp_path / "a" / "objects.csv")
    assert run(*arguments, tmp_path / "b", "--spacing", "0.5um") == 0
    scaled = pd.read_csv(tmp_path / "b" / "objects.csv")
    assert len(scaled) == len(plain)
    assert np.allclose(scaled["area [micrometer^2]"], 0.25 * plain["area [pixel^2]"])
    assert scaled["min_y [pixel]"].equals(plain["min_y [pixel]"])
    capsys.readouterr()


def test_the_unit_that_was_taken_is_shown(folder, tmp_path, capsys):
    arguments = ["count", folder / "images", "--model", folder / "model", "--out", tmp_path]
    assert run(*arguments) == 0
    text = capsys.readouterr().out
    assert "Sizes in objects.csv are in pixels: the files do not define the size" in text
    assert run(*arguments, "--spacing", "0.5", "--overwrite") == 0
    text = capsys.readouterr().out
    assert text.count("Size of a pixel: y 0.5, x 0.5 µm (of --spacing)\n") == 1
    assert "are in pixels" not in text
    assert "area [micrometer^2]" in pd.read_csv(tmp_path / "objects.csv")


def test_the_size_in_the_files_is_shown(tmp_path, capsys):
    X = np.zeros((1, 32, 32), np.float32)
    X[:, 2:10, 2:10] = 1
    stack = ImageStack(X, spacing=(0.25, 0.5), unit="micrometer")
    model = make_pipeline(PercentileScaler(), InstanceCounter("components", min_size=0)).fit(stack)
    save_model(model, tmp_path / "m.sskseg")
    sized, plain = tmp_path / "sized.tif", tmp_path / "plain.tif"
    tifffile.imwrite(sized, X[0], imagej=True, resolution=(2, 4), metadata={"unit": "um"})
    tifffile.imwrite(plain, X[0])
    for command in ("count", "predict"):
        options = ["--model", tmp_path / "m.sskseg", "--out", tmp_path / command]
        assert run(command, sized, *options) == 0
        size = "Size of a pixel: y 0.25, x 0.5 µm (of the files)\n"
        assert capsys.readouterr().out.count(size) == 1
    assert run("count", plain, "--model", tmp_path / "m.sskseg") == 0
    size = "Size of a pixel: y 0.25, x 0.5 µm (of the training images: the files have none)\n"
    assert size in capsys.readouterr().out


def test_nuclei_of_files_are_counted_as_in_python(data_dir, tmp_path, capsys):
    """Real images, read from files by both ways."""
    source = data_dir / "dsb2018_nuclei"
    files = sorted((source / "images").iterdir(), key=lambda f: f.stat().st_size)[100:108]
    for folder in ("images", "labels", "new"):
        (tmp_path / folder).mkdir()
    for i, file in enumerate(files):
        shutil.copy(file, tmp_path / ("images" if i < 5 else "new") / file.name)
        if i < 4:
            shutil.copy(source / "masks" / file.name, tmp_path / "labels" / file.name)
    steps = ["--width", "4", "--depth", "2", "--max-steps", "20", "--no-verbose"]
    assert run("fit", tmp_path / "images", "--labels", tmp_path / "labels", "--out",
               tmp_path / "model", *steps) == 0  # fmt: skip
    capsys.readouterr()
    assert run("count", tmp_path / "new", "--model", tmp_path / "model", "--json") == 0
    counted = json.loads(capsys.readouterr().out)["counts"]
    _, X, y = read_pairs(tmp_path / "images", tmp_path / "labels")
    model = make_pipeline(
        PercentileScaler(scope="image"),
        SemiSupervisedSegmenter(width=4, depth=2, max_steps=20, random_state=0),
        InstanceCounter(),
    ).fit(X, y)
    names, new = read_images(tmp_path / "new")
    assert counted == dict(zip(names, model.predict(new).tolist(), strict=True))
    loaded = load_model(tmp_path / "model" / "model.sskseg")
    for a, b in zip(loaded[:-1].transform(new), model[:-1].transform(new), strict=True):
        assert np.array_equal(a, b)


def test_measurements_go_into_regions(folder, tmp_path):
    images, model = folder / "images", folder / "model"
    assert run("count", images, "--model", model, "--out", tmp_path, "--rois", "geojson") == 0
    objects = read_object_table(tmp_path / "objects.csv")
    name = objects.image[0]
    features = json.loads((tmp_path / "geojson" / f"{name}.geojson").read_text())["features"]
    expected = objects[objects.image == name].area.tolist()
    assert objects.attrs["units"]["area"] == "pixel^2"
    measured = [f["properties"]["measurements"] for f in features]
    assert [values["area [pixel^2]"] for values in measured] == expected


def test_a_format_that_refuses_leaves_nothing(folder, tmp_path, monkeypatch, capsys):
    def refuse(*arguments, **options):
        raise ValueError("cannot hold holes")

    monkeypatch.setattr(_exchange, "write_rois", refuse)
    out = tmp_path / "out"
    arguments = ["count", folder / "images", "--model", folder / "model", "--out", out]
    assert run(*arguments, "--rois", "napari") == 2
    assert "--rois napari: cell0: cannot hold holes" in capsys.readouterr().err
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--network", "foo"], "--network must be one of"),
        (["--semi-supervision", "foo"], "--semi-supervision must be 'auto', None, or one or"),
        (["--augmentation", "{'hazee': 0}"], "--augmentation has unknown fields"),
        (["--width", "wide"], "--width must be a whole number of at least 1 or none, got 'wide'."),
        (
            ["--counter-min-size", "-1"],
            "--counter-min-size must be a whole number of at least 0 or auto, got -1.",
        ),
        (["--counter-method", "contours"], "--counter-method contours finds objects in images"),
        (["--out", "FILE"], "is a file: --out must be a folder, or a name that ends with .sskseg"),
        (["--out", "FILE/below"], "is a file: --out must be a folder, or a name"),
        (["--out", "model.pth"], "model.pth is the name of a file: --out must be a folder, or"),
        (["--spacing", "1,2,3,4um"], "--spacing must have one number, or 2"),
    ],
)
def test_a_dry_run_refuses_what_fit_refuses(folder, tmp_path, options, message, capsys):
    (tmp_path / "FILE").write_text("")
    options = [str(tmp_path / o) if o.startswith("FILE") else o for o in options]
    out = [] if "--out" in options else ["--out", tmp_path / "model"]
    arguments = ["fit", folder / "images", "--labels", folder / "labels", *out, *options]
    assert run(*arguments, "--dry-run") == 2
    assert message in capsys.readouterr().err


def test_unknown_units_are_refused(folder, capsys):
    with pytest.raises(SystemExit):
        run("count", folder / "images", "--model", folder / "model", "--spacing", "0.5furlong")
    assert (
        "expected a unit of length such as nm, um or mm, got 'furlong'" in capsys.readouterr().err
    )


def test_models_of_one_folder_have_records_of_their_own(folder, tmp_path):
    for name in ("a.sskseg", "b.sskseg", "of.2026"):
        assert run("fit", folder / "images", "--labels", folder / "labels", "--out",
                   tmp_path / name, *TINY) == 0  # fmt: skip
    found = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert found == {
        "a.sskseg", "a.run.json", "b.sskseg", "b.run.json", "of.2026/model.sskseg",
        "of.2026/run.json",
    }  # fmt: skip


def test_warnings_are_a_line():
    from sskseg.cli.main import short_warnings

    former = warnings.formatwarning
    options = argparse.Namespace(command="count", images="new", samples=["new/a.tif"])
    with short_warnings(options):
        text = warnings.formatwarning("unlike sizes of X[0]", UserWarning, "pairs.py", 43, "code")
    assert text == "sskseg: warning: unlike sizes of new/a.tif\n"
    assert warnings.formatwarning is former


def test_reports_are_written_into_new_folders(folder, tmp_path, capsys):
    arguments = ["report", folder / "images", "--model", folder / "model", "--out"]
    assert run(*arguments, tmp_path / "new" / "report.html") == 0
    assert (tmp_path / "new" / "report.html").is_file()
    assert run(*arguments, tmp_path) == 2
    assert "is a folder: --out must be an HTML file." in capsys.readouterr().err


def test_a_trained_model_by_its_name(folder, capsys):
    with pytest.warns(UserWarning, match="unlike"):  # simulated cells
        assert run("count", folder / "images", "--model", "nuclei", "--out",
                   folder / "by_name", "--json") == 0  # fmt: skip
    assert len(pd.read_csv(folder / "by_name" / "counts.csv")) == 4
    capsys.readouterr()
    assert run("info", "nuclei", "--json") == 0
    assert json.loads(capsys.readouterr().out)["summary"] == "Counts nuclei in fluorescence images."
    assert run("count", folder / "images", "--model", "nucleus", "--out", folder / "none") == 2
    assert "there are cells-simulated" in capsys.readouterr().err
