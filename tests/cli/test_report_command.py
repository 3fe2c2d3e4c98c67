"""The report of the command line knows which images were used for training."""

import json
import re
import shutil

import numpy as np
import pytest
import tifffile
from command_line import TINY, run

from sskseg import OtsuWatershed
from sskseg.datasets import make_cells
from sskseg.io import write_labels
from sskseg.models import save_model

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eight images, of which six have labels; the fit holds one of them out."""
    folder = tmp_path_factory.mktemp("report")
    X, y = make_cells(n_samples=8, shape=(48, 48), random_state=0)
    for name in ("images", "labels"):
        (folder / name).mkdir()
    for i in range(8):
        tifffile.imwrite(folder / "images" / f"cell{i}.tif", X[i])
        if i < 6:
            write_labels(folder / "labels" / f"cell{i}.tif", [y[i]])
    assert run("fit", folder / "images", "--labels", folder / "labels", "--out", folder / "model",
               *TINY) == 0  # fmt: skip
    return folder


def uses(page):
    """Use of each image, by the table of counts; the numbers in "At a glance"."""
    text = re.sub(r"<[^>]+>", "|", page.read_text())
    use = "training or validation|training|validation|new"
    in_table = dict(re.findall(rf"(cell\d)\|+\s*\|+\d+\|+\s*\|+({use})\|", text))
    use = "Training or validation|Training|Validation|New"
    in_all = dict(re.findall(rf"\|({use}) images\|+\s*\|+(\d+)\|", text))
    return in_table, {name.lower(): int(n) for name, n in in_all.items()}


def test_images_of_fit_are_known_by_its_record(folder, tmp_path):
    trained_on = json.loads((folder / "model" / "run.json").read_text())["trained_on"]
    assert sorted(trained_on) == [f"cell{i}" for i in range(6)]
    assert list(trained_on.values()).count("validation") == 1
    arguments = ["report", folder / "images", "--model", folder / "model", "--json", "--out"]
    assert run(*arguments, tmp_path / "a.html") == 0
    in_table, in_all = uses(tmp_path / "a.html")
    assert in_table == {**trained_on, "cell6": "new", "cell7": "new"}
    assert in_all == {"training": 5, "validation": 1, "new": 2}
    objects = [int(n) for n in re.findall(
        r"Objects, \w+ images\W.*?(\d+)<", (tmp_path / "a.html").read_text())]  # fmt: skip
    assert len(objects) == 3
    counts = dict(re.findall(r"(cell\d)\|+\s*\|+(\d+)\|",
                  re.sub(r"<[^>]+>", "|", (tmp_path / "a.html").read_text())))  # fmt: skip
    assert objects[0] == int(counts["cell6"]) + int(counts["cell7"])
    assert sum(objects) == sum(map(int, counts.values()))


def test_other_files_of_the_same_names_are_new(folder, tmp_path):
    (tmp_path / "images").mkdir()
    shutil.copy(folder / "images" / "cell3.tif", tmp_path / "images")
    tifffile.imwrite(tmp_path / "images" / "cell4.tif", np.eye(48, dtype=np.float32))
    page = tmp_path / "a.html"
    arguments = ["report", tmp_path / "images", "--model", folder / "model", "--json"]
    assert run(*arguments, "--out", page) == 0
    record = json.loads((folder / "model" / "run.json").read_text())
    assert uses(page)[0] == {"cell3": record["trained_on"]["cell3"], "cell4": "new"}


def test_images_of_fit_may_have_another_name(folder, tmp_path):
    (tmp_path / "images").mkdir()
    for i, j in ((0, 7), (7, 0)):
        shutil.copy(folder / "images" / f"cell{i}.tif", tmp_path / "images" / f"cell{j}.tif")
    page = tmp_path / "a.html"
    arguments = ["report", tmp_path / "images", "--model", folder / "model", "--json"]
    assert run(*arguments, "--out", page) == 0
    record = json.loads((folder / "model" / "run.json").read_text())
    assert uses(page)[0] == {"cell7": record["trained_on"]["cell0"], "cell0": "new"}


def test_pages_of_a_stack_are_known(folder, tmp_path):
    X = [tifffile.imread(folder / "images" / f"cell{i}.tif") for i in range(3)]
    y = np.concatenate([tifffile.imread(folder / "labels" / f"cell{i}.tif") for i in range(2)])
    labels = [*y.reshape(2, *X[0].shape), np.full(X[0].shape, -1)]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    tifffile.imwrite(tmp_path / "a" / "old.tif", np.stack(X), photometric="minisblack")
    write_labels(tmp_path / "labels.tif", labels)
    assert run("fit", tmp_path / "a" / "old.tif", "--labels", tmp_path / "labels.tif", "--out",
               tmp_path / "model", *TINY, "--validation-fraction", 0) == 0  # fmt: skip
    shutil.copy(tmp_path / "a" / "old.tif", tmp_path / "b" / "new_name.tif")
    for source in (tmp_path / "b" / "new_name.tif", tmp_path / "b"):
        arguments = ["report", source, "--model", tmp_path / "model", "--json", "--overwrite"]
        assert run(*arguments, "--out", tmp_path / "a.html") == 0
        assert uses(tmp_path / "a.html")[1] == {"training": 2, "new": 1}


def test_images_of_fit_are_those_with_labels_without_a_record(folder, tmp_path):
    shutil.copy(folder / "model" / "model.sskseg", tmp_path / "m.sskseg")
    page = tmp_path / "a.html"
    arguments = ["report", folder / "images", "--model", tmp_path / "m.sskseg", "--json"]
    arguments += ["--overwrite"]
    assert run(*arguments, "--out", page) == 0
    assert (
        "Whether these images were used for training" not in page.read_text()
    )  # nothing is scored
    assert uses(page)[1] == {}
    assert run(*arguments, "--out", page, "--labels", folder / "labels") == 0
    assert "Whether these images were used for training" in page.read_text()
    labels = folder / "labels"
    assert run(*arguments, "--out", page, "--labels", labels, "--trained-on", labels) == 0
    assert uses(page)[1] == {"training or validation": 6, "new": 2}
    text = " ".join(page.read_text().split())
    assert "fit held out 1 of its labeled images to choose settings; which is not known" in text


def test_images_of_a_model_of_a_single_step_are_training_images(folder, tmp_path):
    X, y = make_cells(n_samples=2, shape=(48, 48), random_state=0)
    save_model(OtsuWatershed().fit(X, y), tmp_path / "m.sskseg")
    page, labels = tmp_path / "a.html", folder / "labels"
    assert run("report", folder / "images", "--model", tmp_path / "m.sskseg", "--out", page,
               "--json", "--trained-on", labels) == 0  # fmt: skip
    assert uses(page)[1] == {"training": 6, "new": 2}


def test_labels_of_other_images_mark_none(folder, tmp_path, capsys):
    (tmp_path / "images").mkdir()
    for i in (0, 7):
        shutil.copy(folder / "images" / f"cell{i}.tif", tmp_path / "images")
    page = tmp_path / "a.html"
    arguments = ["report", tmp_path / "images", "--model", folder / "model", "--out", page]
    assert run(*arguments, "--trained-on", folder / "labels") == 0
    assert uses(page)[0] == {"cell0": "training", "cell7": "new"}
    assert "Labels in --trained-on: 1 of 2 images" in capsys.readouterr().out
    (tmp_path / "images" / "cell0.tif").unlink()
    assert run(*arguments, "--trained-on", folder / "labels", "--overwrite") == 0
    assert uses(page)[0] == {"cell7": "new"}
    assert "Labels in --trained-on: 0 of 1 image" in capsys.readouterr().out


def test_models_of_the_package_were_trained_on_other_images(folder, tmp_path, capsys):
    page = tmp_path / "a.html"
    arguments = ["report", folder / "images", "--model", "nuclei", "--out", page]
    assert run(*arguments, "--trained-on", folder / "labels") == 2
    message = capsys.readouterr().err
    assert (
        "--trained-on takes the labels that sskseg fit was given, and nuclei comes with" in message
    )
    assert not page.exists()
    with pytest.warns(UserWarning, match="are unlike those"):
        assert run(*arguments, "--labels", folder / "labels") == 0
    text = page.read_text()
    assert (
        "The model nuclei comes with sskseg. These images are new to it, unless they are of" in text
    )
    assert "Data Science Bowl 2018, stage 1" in text


def test_validation_images_of_the_record_are_not_training_images(folder, tmp_path):
    """The record knows which image was held out, whatever else is said of it."""
    page = tmp_path / "a.html"
    assert run("report", folder / "images", "--model", folder / "model", "--out", page, "--json",
               "--labels", folder / "labels", "--trained-on", folder / "labels") == 0  # fmt: skip
    assert uses(page)[1] == {"training": 5, "validation": 1, "new": 2}
    assert "Compared with the labels of 1 image of the validation set:" in page.read_text()
    assert "These images were held out during training, but settings were" in page.read_text()


def test_without_labels_the_page_names_the_command(folder, tmp_path):
    page = tmp_path / "a.html"
    arguments = ["report", folder / "images", "--model", folder / "model", "--out", page]
    assert run(*arguments) == 0
    command = " ".join(map(str, arguments))
    advice = f"and run: <code>sskseg {command} --labels LABELS --overwrite</code>."
    assert advice in page.read_text()
    assert run(*arguments, "--overwrite") == 0
    assert advice in page.read_text()


def test_a_page_is_replaced_only_if_this_is_meant(folder, tmp_path, capsys):
    page = tmp_path / "a.html"
    page.write_text("of the user")
    arguments = ["report", folder / "images", "--model", folder / "model", "--out"]
    assert run(*arguments, page) == 2
    message = f"{page} exists: add --overwrite to replace this page, or let --out be another."
    assert message in capsys.readouterr().err
    assert page.read_text() == "of the user"
    image = tmp_path / "cell0.tif"
    shutil.copy(folder / "images" / "cell0.tif", image)
    assert run(*arguments, image, "--overwrite") == 2
    assert "--out must be an HTML file, such as" in capsys.readouterr().err
    assert tifffile.imread(image).shape == (48, 48)
    assert run(*arguments, page, "--overwrite") == 0
    assert "objects in 8 images" in page.read_text()


def test_labels_of_more_images_than_there_are(folder, tmp_path, capsys):
    """`report` and `fit` use those of the images, and name the others."""
    pytest.importorskip("matplotlib")
    images = tmp_path / "images"
    images.mkdir()
    shutil.copy(folder / "images" / "cell4.tif", images)
    labels = ["--labels", folder / "labels"]
    unused = "not used: 5 ('cell0.tif', 'cell1.tif', 'cell2.tif' and 2 more)."
    page = tmp_path / "a.html"
    with pytest.warns(UserWarning, match=re.escape(unused)):
        assert run("report", images, "--model", folder / "model", *labels, "--out", page) == 0
    assert "F1" in page.read_text()
    with pytest.warns(UserWarning, match=re.escape(unused)):
        assert run("fit", images, *labels, "--out", tmp_path / "m", "--dry-run") == 0
    assert "1 image, 1 of them labeled" in capsys.readouterr().out
    (images / "cell4.tif").rename(images / "other.tif")
    for command in ("report", "fit"):
        arguments = ["--out", tmp_path / "m"]
        if command == "report":
            arguments = ["--model", folder / "model", "--out", tmp_path / "b.html"]
        assert run(command, images, *labels, *arguments) == 2
        message = capsys.readouterr().err
        assert "'cell0.tif' in" in message
        assert "pairs with no image of ['other']" in message
