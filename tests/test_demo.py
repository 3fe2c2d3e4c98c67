import json
import warnings

import numpy as np
import pandas as pd
import pytest
import tifffile
from skimage.io import imread, imsave

from sskseg import demo
from sskseg.datasets import make_cells


@pytest.fixture
def files(tmp_path):
    X, y = make_cells(4, (48, 48), random_state=0)
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for i, (image, labels) in enumerate(zip(X, y, strict=True)):
        gray = (255 * np.clip(image, 0, 1)).astype(np.uint8)
        imsave(tmp_path / "images" / f"cell{i}.png", gray, check_contrast=False)
        if i < 2:
            tifffile.imwrite(tmp_path / "labels" / f"cell{i}.tif", labels)
    return tmp_path


def run(files, *more):
    paths = ["--images", str(files / "images"), "--labels", str(files / "labels")]
    return demo.main([*paths, "--out", str(files / "out"), "--time-budget", "3", *more])


def test_own_files_give_counts_labels_and_a_picture(files, capsys):
    assert run(files) == 0
    counts = pd.read_csv(files / "out" / "counts.csv", keep_default_na=False)
    assert counts["image"].tolist() == ["cell0", "cell1", "cell2", "cell3"]
    assert counts["labeled"].tolist() == ["yes", "yes", "no", "no"]
    labels = tifffile.imread(files / "out" / "labels.tif")
    assert labels.shape == (4, 48, 48)
    found = [len(np.unique(label[label > 0])) for label in labels]
    assert counts["objects"].tolist() == found
    objects = pd.read_csv(files / "out" / "objects.csv")
    assert len(objects) == sum(found)
    assert "area [pixel^2]" in objects
    assert imread(files / "out" / "overlay.png").std() > 10
    page = (files / "out" / "report.html").read_text()
    assert "cell3" in page
    assert "Training images" in page  # and the others stand apart
    assert "New images" in page
    assert sorted(p.name for p in (files / "out").iterdir()) == [
        "counts.csv", "labels.tif", "objects.csv", "overlay.png", "report.html", "run.json"
    ]  # fmt: skip
    assert "| cell3 | no" in capsys.readouterr().out
    record = json.loads((files / "out" / "run.json").read_text())
    assert record["command"][:3] == ["sskseg", "demo", "--images"]
    assert str(files / "images" / "cell3.png") in record["inputs"]
    before = (files / "out" / "counts.csv").read_bytes()
    assert run(files) == 2
    assert "holds the results of an earlier sskseg demo" in capsys.readouterr().err
    assert (files / "out" / "counts.csv").read_bytes() == before
    assert run(files, "--overwrite") == 0


def test_files_of_others_stay(files, capsys):
    (files / "out").mkdir()
    (files / "out" / "counts.csv").write_text("precious")
    for more in ([], ["--overwrite"]):
        assert run(files, *more) == 2
        message = capsys.readouterr().err
        assert f"{files / 'out'} holds other files ('counts.csv'): --out must be a new" in message
    assert demo.main(["--out", str(files / "out")]) == 2  # of simulated images
    assert (files / "out" / "counts.csv").read_text() == "precious"


def test_warnings_are_lines_as_those_of_the_command_line(monkeypatch):
    lines = []

    def warn(options):
        lines.append(warnings.formatwarning("a file is left out", UserWarning, "module.py", 1))

    monkeypatch.setattr(demo, "_read_and_run", warn)
    assert demo.main([]) == 0
    assert lines == ["sskseg: warning: a file is left out\n"]


def test_mistakes_are_named(files, capsys):
    (files / "labels" / "cell0.tif").rename(files / "labels" / "dog.tif")
    (files / "labels" / "cell1.tif").unlink()
    assert run(files) == 2
    assert "'dog.tif'" in capsys.readouterr().err
    (files / "labels" / "dog.tif").rename(files / "labels" / "cell0.tif")
    tifffile.imwrite(files / "labels" / "cell1.tif", np.zeros((4, 4), np.int32))
    assert run(files) == 2
    assert "'cell1'" in capsys.readouterr().err
    (files / "labels" / "cell1.tif").write_bytes(b"nonsense")
    assert run(files) == 2
    assert "cell1.tif cannot be read" in capsys.readouterr().err
    assert not (files / "out").exists()


def test_pages_pair_with_pages(files):
    X, y = make_cells(3, (40, 40), random_state=0)
    tifffile.imwrite(files / "x.tif", X, photometric="minisblack")
    tifffile.imwrite(
        files / "y.tif",
        np.where(np.arange(3)[:, None, None] < 2, y, -1),
        photometric="minisblack",
    )
    names, _, labels, _ = demo._from_files(
        demo._parse(["--images", str(files / "x.tif"), "--labels", str(files / "y.tif")])
    )
    assert names == ["x_0000", "x_0001", "x_0002"]
    assert np.array_equal(labels[1], y[1])
    assert (labels[2] == -1).all()
    tifffile.imwrite(files / "y.tif", y[:2])
    with pytest.raises(ValueError, match="2 pages, and there are 3 images"):
        demo._from_files(
            demo._parse(["--images", str(files / "x.tif"), "--labels", str(files / "y.tif")])
        )


def test_a_large_error_on_training_images_says_what_to_do(capsys):
    counts = pd.DataFrame({"labeled": ["yes", "no"], "objects": [628, 9], "true": [27, 10]})
    demo._print_errors(counts)
    text = capsys.readouterr().out
    assert "on training images: 2225.9 %\nThis is a large error: train longer" in text
    assert "Counting error on images not used for training: 10.0 %\n" in text
    demo._print_errors(counts.assign(objects=[26, 9]))
    assert "large" not in capsys.readouterr().out
    demo._print_errors(counts.iloc[:0])
    assert capsys.readouterr().out == ""


def test_nonsense_options_are_refused(capsys):
    for arguments in (["--images", "x"], ["--time-budget", "0"]):
        with pytest.raises(SystemExit):
            demo._parse(arguments)
    assert "must be positive" in capsys.readouterr().err


def test_an_interrupted_demo_is_a_line(files, capsys, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "run", interrupt)
    assert run(files) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "sskseg.demo: interrupted"
