"""Messages of the library in the words of the command line."""

import argparse
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile

import sskseg
from sskseg.cli import main
from sskseg.cli.messages import _PHRASES, translate
from sskseg.cli.options import option_names
from sskseg.datasets import make_cells
from sskseg.io import write_labels, write_rois

PACKAGE = Path(sskseg.__file__).parent
OPTIONS = {
    "fit": {"images": "im", "labels": "lab", "samples": ["im/a.tif", "im/b.tif"]},
    "count": {"images": "new"},
    "report": {"arguments": ["report", "my images", "--model", "m"], "labels": None},
    "scan": {"source": "scan.tif"},
    "convert": {"labels": "rois", "images": None},
    "export": {"sample": "s.tif"},
}
PARAMETER = "The '{}' parameter of {} must be {}. Got {} instead."


def test_what_the_user_typed_stays_as_it_is():
    typed = ["report", "trained_on", "--model", "max_steps", "--out", "X must.html"]
    options = argparse.Namespace(command="report", images="trained_on", arguments=typed)
    text = translate("Label some of these images, and pass their labels as `y`.", options)
    assert text.endswith(
        "run: `sskseg report trained_on --model max_steps --out 'X must.html' --labels LABELS "
        "--overwrite`."
    )
    file = "my samples in fit/a.tif cannot be read."
    assert translate(file, options) == file


@pytest.mark.parametrize(
    ("command", "text", "expected"),
    [
        ("fit", "X must have 1 channel(s), got 3.", "im must have 1 channel(s), got 3."),
        ("fit", "X[1] is empty, got shape (0, 3).", "im/b.tif is empty, got shape (0, 3)."),
        ("fit", "y[0] must hold integers.", "im/a.tif must hold integers."),
        ("fit", "y labels nothing: every pixel of all 3 samples is -1.",
         "lab labels nothing: every pixel of all 3 samples is -1."),
        ("fit", "X and y must have the same number", "im and lab must have the same number"),
        ("fit", "Voxels of X are 3 times as long: resample X.",
         "Voxels of im are 3 times as long: resample im."),
        ("fit", "patch_size must be 'auto'. Or use a smaller depth.",
         "--patch-size must be 'auto'. Or use a smaller depth."),
        ("fit", "Lower learning_rate, or use precision='float32'.",
         "Lower --learning-rate, or use --precision float32."),
        ("fit", "min_size must be 3", "--counter-min-size must be 3"),
        ("fit", "semi_supervision=None says so", "--semi-supervision none says so"),
        ("fit", "set test_time_augmentation=False", "set --no-test-time-augmentation"),
        ("fit", PARAMETER.format("patch_size", "SemiSupervisedSegmenter",
         "an int in the range [8, inf), an instance of 'tuple' or a str among {'auto'}", "'big'"),
         "--patch-size must be a whole number of at least 8, values separated by commas or auto, "
         "got 'big'."),
        ("fit", PARAMETER.format("threshold", "InstanceCounter",
         "a float in the range (0.0, 1.0) or a str among {'auto'}", "2"),
         "--counter-threshold must be a number between 0 and 1 or auto, got 2."),
        ("fit", PARAMETER.format("scope", "PercentileScaler",
         "a str among {'dataset', 'image'}", "'a'"),
         "--scaler-scope must be one of dataset, image, got 'a'."),
        ("fit", PARAMETER.format("random_state", "SemiSupervisedSegmenter",
         "an int in the range [0, 4294967295], an instance of 'numpy.random.RandomState' or None",
         "'a'"), "--random-state must be a whole number from 0 to 4294967295 or none, got 'a'."),
        ("fit", "If they are not labeled yet, read them with empty='unlabeled'.",
         "If they are not labeled yet, read them with --empty unlabeled."),
        ("fit", PARAMETER.format("method", "InstanceCounter",
         "one of ['components'] or an InstanceMethod object", "'a'"),
         "--counter-method must be one of ['components'], got 'a'."),
        ("report", "Label some of these images, and pass their labels as `y`.",
         "Label some of these images, and run: "
         "`sskseg report 'my images' --model m --labels LABELS --overwrite`."),
        ("report", "No intervals: coverage=0.9 needs 9 samples in fit, got 5. Fit the counter on "
         "images as large.", "No intervals: coverage=0.9 needs 9 images in sskseg fit, got 5. Run "
         "sskseg fit on labeled images as large."),
        ("count", "X must be finite.", "new must be finite."),
        ("count", "X[3] must be finite.", "X[3] must be finite."),  # unknown before they are read
        ("scan", "source must have 2 spatial axes", "scan.tif must have 2 spatial axes"),
        ("scan", "give another destination, or resume=False to start anew.",
         "give another destination, or --fresh to start anew."),
        ("scan", "PercentileScaler(scope='image') scales each section: use scope='dataset'.",
         "--scaler-scope image of sskseg fit scales each section: use --scaler-scope dataset of "
         "sskseg fit."),
        ("scan", "their ids are in `cut`.", "their ids are in cut.csv."),
        ("scan", "block_shape must be 2 integers.", "--block-shape must be 2 integers."),
        ("convert", "a.zip does not define its size: shape is needed.",
         "a.zip does not define its size: --images is needed."),
        ("convert", "background must be 0 or a class", "--background must be 0 or a class"),
        ("convert", "name must be that of a folder", "--name must be that of a folder"),
        ("convert", "objects exists: overwrite=True.", "objects exists: --overwrite."),
        # Files, coordinates and words that look like arguments stay as they are.
        ("convert", "depth/max_steps.tif must have pairs (x, y) of the width, and the image has 3.",
         "depth/max_steps.tif must have pairs (x, y) of the width, and the image has 3."),
        ("fit", "a/X.tif has X, Y and 'block_shape' of target='far'.",
         "a/X.tif has im, Y and 'block_shape' of target='far'."),
        ("export", "sample must have 1 channel(s)", "--sample must have 1 channel(s)"),
    ],
)  # fmt: skip
def test_arguments_are_files_and_options(command, text, expected):
    options = argparse.Namespace(command=command, **OPTIONS[command])
    assert translate(text, options) == expected


def test_phrases_are_those_of_the_library():
    """A phrase that the library no longer says would leave its advice to Python."""
    files = [path for path in PACKAGE.rglob("*.py") if "cli" not in path.parts]
    joined = [re.sub(r'"\n\s*f?"', "", path.read_text("utf-8")) for path in files]
    assert [p for p in _PHRASES if not any(p in text for text in joined)] == []


def test_options_of_the_command_come_before_those_of_its_model():
    names = option_names("fit")
    assert names["InstanceCounter.min_size"] == names["min_size"] == "--counter-min-size"
    assert names["max_steps"] == names["SemiSupervisedSegmenter.max_steps"] == "--max-steps"
    scan = argparse.Namespace(command="scan", source="s")
    assert translate("spacing must be", scan) == "--spacing must be"


@pytest.fixture
def folder(tmp_path):
    X, y = make_cells(n_samples=2, shape=(64, 64), random_state=0)
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for i in range(2):
        tifffile.imwrite(tmp_path / "images" / f"cell{i}.tif", X[i].astype(np.float32))
        write_labels(tmp_path / "labels" / f"cell{i}.tif", [y[i]])
    return tmp_path


def message_of(capsys, *arguments):
    assert main([str(argument) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert not out
    return err


def test_files_are_named_where_the_library_has_numbers(folder, capsys):
    image = np.zeros((64, 64), np.float32)
    image[3, 4] = np.nan
    tifffile.imwrite(folder / "images" / "cell1.tif", image)
    fit = ["fit", folder / "images", "--labels", folder / "labels", "--out", folder / "m"]
    arguments = [*fit, "--max-steps", 2, "--width", 4, "--depth", 2, "--json"]
    message = message_of(capsys, *arguments)
    assert message.startswith(f"sskseg fit: {folder / 'images' / 'cell1.tif'} contains NaN or inf")
    tifffile.imwrite(folder / "images" / "cell1.tif", np.zeros((64, 64, 3), np.uint8))
    message = message_of(capsys, *arguments)
    files = [folder / "images" / f"cell{i}.tif" for i in range(2)]
    assert f"number of channels, got 1 ({files[0]}), 3 ({files[1]})." in message
    assert not (folder / "m").exists()


def test_the_demo_names_files(folder, capsys):
    tifffile.imwrite(folder / "images" / "cell1.tif", np.zeros((64, 64, 3), np.uint8))
    files = ["--images", folder / "images", "--labels", folder / "labels", "--out", folder / "x"]
    message = message_of(capsys, "demo", *files)
    assert f"All images of {folder / 'images'} must have the same number of channels" in message
    assert f"3 ({folder / 'images'}, image 'cell1')" in message


def test_labels_that_pair_with_nothing_or_are_not_there(folder, capsys):
    pytest.importorskip("roifile")
    fit = ["fit", folder / "images", "--out", folder / "m", "--labels"]
    assert message_of(capsys, *fit, folder / "no") == f"sskseg fit: No label file at {folder}/no.\n"
    rois = folder / "rois"
    rois.mkdir()
    write_rois(rois / "cell7.zip", np.eye(64, dtype=int))
    message = message_of(capsys, *fit, rois)
    assert f"{rois / 'cell7.zip'} has regions of 'cell7', which pairs with no image of" in message
    message = message_of(capsys, "convert", rois, "--to", "tif", "--out", folder / "x")
    assert "no image of its name is beside it: --images is needed." in message
    (rois / "cell7.zip").unlink()
    (rois / "cell0.json").write_text('{"annotations": {}}')
    assert f"in {rois}: 'cell0.json' of another kind." in message_of(capsys, *fit, rois)
    assert not (folder / "m").exists()


def test_folders_of_results_are_no_files(folder, capsys):
    for command, out in (("count", "counts.csv"), ("predict", "labels.tif")):
        arguments = [command, folder / "images", "--model", "none", "--out", folder / out]
        message = message_of(capsys, *arguments)
        assert f"{folder / out} is the name of a file: --out must be a folder" in message
        assert not (folder / out).exists()
