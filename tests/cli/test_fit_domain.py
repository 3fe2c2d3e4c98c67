"""Models of ``sskseg fit`` warn of images that are unlike those of the training."""

import json

import numpy as np
import pytest
import tifffile
from command_line import TINY, run

from sskseg import DomainCheck
from sskseg.datasets import make_cells
from sskseg.export import export_onnx
from sskseg.io import read_images, write_labels
from sskseg.models import load_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ten images of which two are labeled, nine of them elsewhere, and new ones."""
    folder = tmp_path_factory.mktemp("domain")
    X, y = make_cells(n_samples=13, shape=(64, 64), random_state=0)
    for name in ("ten", "nine", "new", "labels", "dark"):
        (folder / name).mkdir()
    for i, image in enumerate(X):
        for name in ("ten",) * (i < 10) + ("nine",) * (i < 9) + ("new",) * (i > 9):
            tifffile.imwrite(folder / name / f"c{i}.tif", image)
        if i < 2:
            write_labels(folder / "labels" / f"c{i}.tif", [y[i]])
    tifffile.imwrite(folder / "dark" / "d0.tif", 1 - X[0])
    for name in ("ten", "nine"):
        arguments = [folder / name, "--labels", folder / "labels", "--out", folder / f"of_{name}"]
        assert run("fit", *arguments, *TINY) == 0
    return folder


def test_the_check_is_that_of_the_images_of_fit(folder):
    model = load_model(folder / "of_ten" / "model.sskseg")
    assert [name for name, _ in model.steps] == ["check", "scaler", "segmenter", "counter"]
    expected = DomainCheck().fit(read_images(folder / "ten")[1])
    np.testing.assert_array_equal(model["check"].appearance_, expected.appearance_)
    assert model["check"].limit_ == expected.limit_
    record = json.loads((folder / "of_ten" / "run.json").read_text())
    assert record["parameters"]["check__tolerance"] == 1.25


def test_images_of_fit_are_not_warned_of_and_dark_ones_are(folder, capsys):
    for name in ("ten", "new"):
        assert run("count", folder / name, "--model", folder / "of_ten", "--json") == 0
    assert "warning" not in capsys.readouterr().err
    with pytest.warns(UserWarning, match=r"1 of 1 images are unlike those") as caught:
        assert run("count", folder / "dark", "--model", folder / "of_ten", "--json") == 0
    assert len(caught) == 1


@pytest.mark.parametrize("options", [["nine"], ["ten", "--sections", "consecutive"]])
def test_few_images_and_sections_have_no_check(folder, tmp_path, options, capsys):
    name, *more = options
    arguments = [folder / name, "--labels", folder / "labels", "--out", tmp_path / "m", *more]
    assert run("fit", *arguments, *TINY[:-1], "--no-verbose") == 0
    text = capsys.readouterr().out
    assert "The model does not check whether new images are like these" in text
    sections = "Count error on objects visible in 2 training sections: "
    assert (sections if more else "Count error on 2 training images: ") in text
    steps = [step for step, _ in load_model(tmp_path / "m" / "model.sskseg").steps]
    assert steps == ["scaler", "segmenter", "counter"]


def test_other_commands_take_such_a_model(folder, tmp_path):
    pytest.importorskip("zarr")
    model = ["--model", folder / "of_ten"]
    assert run("suggest", folder / "new", *model, "--number", 1, "--json") == 0
    assert run("predict", folder / "new", *model, "--out", tmp_path / "p") == 0
    arguments = [folder / "new" / "c11.tif", *model, "--out", tmp_path / "scan", "--json"]
    assert run("scan", "run", *arguments) == 0


def test_other_programs_do_not_check(folder, tmp_path):
    onnx = pytest.importorskip("onnx")
    arguments = ["export", "--model", folder / "of_ten", "--out", tmp_path / "m.onnx"]
    assert run(*arguments) == 0
    written = (tmp_path / "m.onnx").stat().st_mtime_ns
    assert run(*arguments) == 2
    assert (tmp_path / "m.onnx").stat().st_mtime_ns == written
    assert run(*arguments, "--overwrite") == 0
    assert (tmp_path / "m.onnx").stat().st_mtime_ns > written
    model = load_model(folder / "of_ten" / "model.sskseg")
    export_onnx(model[1:], tmp_path / "n.onnx")
    graphs = [onnx.load(tmp_path / f"{name}.onnx").graph for name in "mn"]
    assert graphs[0].SerializeToString() == graphs[1].SerializeToString()
