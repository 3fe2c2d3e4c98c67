"""Dark objects are counted by a model of bright ones, on the command line as in Python."""

import json
import sys
import warnings
from argparse import Namespace

import numpy as np
import pytest
import tifffile
from command_line import run

from sskseg.cli.messages import translate
from sskseg.datasets import make_cells
from sskseg.images import invert_images
from sskseg.io import read_labels, read_object_table
from sskseg.models import load_model, save_model

pytestmark = pytest.mark.filterwarnings("ignore:.*are unlike")


@pytest.fixture
def folder(tmp_path):
    X, _ = make_cells(n_samples=2, shape=(128, 128), radius=12, n_cells=6, random_state=0)
    (tmp_path / "dark").mkdir()
    for i in range(2):
        dark = np.rint(200 - 150 * X[i].clip(0, 1)).astype(np.uint8)
        tifffile.imwrite(tmp_path / "dark" / f"cell{i}.tif", dark)
    return tmp_path


def dark_images(folder):
    return np.stack([tifffile.imread(folder / "dark" / f"cell{i}.tif") for i in range(2)])


def test_count_and_predict_as_in_python(folder, capsys):
    model, X = load_model("nuclei"), dark_images(folder)
    expected = model.transform(invert_images(X))
    assert not np.array_equal(model.transform(X), expected)
    arguments = [folder / "dark", "--model", "nuclei", "--invert-images", "--json", "--out"]
    assert run("count", *arguments, folder / "counted") == 0
    counts = json.loads(capsys.readouterr().out)["counts"]
    assert counts == {f"cell{i}": label.max() for i, label in enumerate(expected)}
    assert run("predict", *arguments, folder / "predicted") == 0
    for name in ("counted", "predicted"):
        assert np.array_equal(read_labels(folder / name)[1], expected)


def test_tiles_to_audit_are_not_inverted(folder):
    arguments = ["totals", "plan", folder / "dark", "--model", "nuclei", "--tile", 128, "--audits"]
    assert run(*arguments, 4, "--margin", 0, "--invert-images", "--out", folder / "audit") == 0
    tiles = [tifffile.imread(file) for file in sorted((folder / "audit" / "images").iterdir())]
    assert np.array_equal(tiles, dark_images(folder)[: len(tiles)])
    assert len(tiles)


def test_scans(folder, capsys):
    pytest.importorskip("zarr")
    scan = ["scan", "run", folder / "dark" / "cell0.tif", "--model", "nuclei", "--invert-images"]
    assert run(*scan, "--out", folder / "scan", "--json") == 0
    labels = load_model("nuclei").transform(invert_images(dark_images(folder)[:1]))
    assert json.loads(capsys.readouterr().out)["objects"] == labels.max()
    again = [argument for argument in scan if argument != "--invert-images"]
    assert run(*again, "--out", folder / "scan") == 2
    assert "holds a run of another model" in capsys.readouterr().err
    assert run(*scan, "--out", folder / "other", "--intensity", "--json") == 0
    table = read_object_table(folder / "other" / "objects.parquet")
    assert len(table) == labels.max()
    assert table.mean_intensity.max() < np.median(dark_images(folder)[0])  # of the scan itself
    file = folder / "dark" / "cell0.tif"
    tifffile.imwrite(file, 255 - tifffile.imread(file))
    assert run(*scan, "--out", folder / "scan") == 2  # finished blocks are of other pixels
    assert "the pixels of the scan have changed" in capsys.readouterr().err


def test_a_model_that_keeps_the_scale_of_its_images_is_refused(folder, capsys):
    model = load_model("nuclei").set_params(scaler__scope="dataset")
    save_model(model, folder / "m.sskseg")
    for command in (["count", folder / "dark"], ["scan", "run", folder / "dark" / "cell0.tif"]):
        arguments = ["--model", folder / "m.sskseg", "--out", folder / "x", "--invert-images"]
        assert run(*command, *arguments) == 2
        expected = "--invert-images needs a model that scales each image by itself"
        assert expected in capsys.readouterr().err


def test_the_warning_of_dark_objects_names_files_and_the_option(folder, capsys, monkeypatch):
    def show(*warning):  # as Python does; pytest records warnings instead
        sys.stderr.write(warnings.formatwarning(*warning[:4]))

    monkeypatch.setattr(warnings, "showwarning", show)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert run("count", folder / "dark", "--model", "nuclei") == 0
    error = capsys.readouterr().err
    assert f"{folder / 'dark' / 'cell0.tif'}, {folder / 'dark' / 'cell1.tif'}. Their" in error
    assert "training images bright: use --invert-images, and compare" in error
    options = Namespace(command="count", invert_images=True)
    assert translate("use invert_images.", options) == "use no --invert-images."
