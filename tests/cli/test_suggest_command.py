"""``sskseg suggest`` names the images that the functions suggest."""

import json

import numpy as np
import pytest
import tifffile
from sklearn.pipeline import make_pipeline

from sskseg import InstanceCounter, PercentileScaler, SemiSupervisedSegmenter, suggest_samples
from sskseg.cli import main
from sskseg.datasets import make_cells
from sskseg.io import write_labels
from sskseg.models import save_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Seven images, of which the last two have larger cells, and labels of one of these."""
    folder = tmp_path_factory.mktemp("suggest")
    small, _ = make_cells(5, (96, 96), radius=5, random_state=0)
    large, labels = make_cells(2, (96, 96), radius=14, random_state=1)
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    for i, image in enumerate([*small, *large]):
        tifffile.imwrite(folder / "images" / f"cell{i}.tif", image)
    write_labels(folder / "labels" / "cell6.tif", labels[1:])
    return folder, np.concatenate([small, large]), labels


def suggested(capsys, *arguments):
    assert main(["suggest", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)["suggested"]


def test_images_that_represent_all_of_them(folder, capsys):
    folder, X, _ = folder
    expected = [f"cell{i}" for i in suggest_samples(X, 2)]
    assert suggested(capsys, folder / "images", "--number", "2") == expected
    assert {int(name[-1]) >= 5 for name in expected} == {False, True}
    assert main(["suggest", str(folder / "images"), "--number", "2"]) == 0
    assert capsys.readouterr().out.split() == expected


def test_labeled_images_count_as_chosen(folder, capsys):
    folder, _, _ = folder
    labels = folder / "labels"
    names = suggested(capsys, folder / "images", "--labels", labels, "--number", "6")
    assert sorted(names) == [f"cell{i}" for i in range(6)]
    assert int(names[0][-1]) < 5  # large cells are labeled


def test_sections_of_which_a_model_is_least_sure(folder, capsys, tmp_path):
    volume, labels = make_cells(1, (12, 32, 32), radius=6, random_state=0)
    X, y = volume[0], np.full(labels[0].shape, -1)
    y[[2, 9]] = labels[0][[2, 9]]
    tiny = {"width": 4, "depth": 1, "max_steps": 6, "random_state": 0}
    segmenter = SemiSupervisedSegmenter(sections="consecutive", **tiny)
    counter = InstanceCounter(sections="consecutive")
    model = make_pipeline(PercentileScaler(), segmenter, counter).fit(X, y)
    save_model(model, tmp_path / "model.sskseg")
    tifffile.imwrite(tmp_path / "stack.tif", X)
    names = suggested(
        capsys, tmp_path / "stack.tif", "--model", tmp_path / "model.sskseg", "--number", "3"
    )
    expected = segmenter.suggest_sections(model[0].transform(X), 3)
    assert names == [f"stack_{i:04d}" for i in expected]


def test_missing_sections_are_named_to_models_of_sections(tmp_path, capsys):
    X, y = make_cells(3, (32, 32), radius=6, random_state=0)
    tiny = {"width": 4, "depth": 1, "max_steps": 2, "random_state": 0}
    for sections in ("consecutive", "independent"):
        segmenter = SemiSupervisedSegmenter(sections=sections, semi_supervision=None, **tiny)
        save_model(make_pipeline(PercentileScaler(), segmenter).fit(X, y), tmp_path / sections)
    (tmp_path / "images").mkdir()
    for number, image in zip((1, 2, 4), X, strict=True):
        tifffile.imwrite(tmp_path / "images" / f"s{number}.tif", image)
    arguments = [tmp_path / "images", "--number", "1", "--model"]
    assert len(suggested(capsys, *arguments, tmp_path / "independent")) == 1
    with pytest.warns(UserWarning, match="images has no section 3, by the numbers in the names"):
        assert len(suggested(capsys, *arguments, tmp_path / "consecutive")) == 1


def test_bad_arguments_name_the_option(folder, capsys):
    folder, _, _ = folder
    assert main(["suggest", str(folder / "images"), "--number", "9"]) == 2
    message = capsys.readouterr().err
    assert "--number must be an integer between 1 and the number of unlabeled images, 7" in message
    assert main(["suggest", str(folder / "images"), "--model", str(folder / "none")]) == 2
    assert "none" in capsys.readouterr().err
    planes = ["suggest", str(folder / "images"), "--model", "nuclei", "--spatial-ndim", "3"]
    assert main(planes) == 2
    assert "--spatial-ndim must be 2, as of --model nuclei, got 3" in capsys.readouterr().err


@pytest.fixture(scope="module")
def painted_stack(tmp_path_factory):
    """A stack of 12 sections, and its labels as Fiji saves them: two pages are painted."""
    folder = tmp_path_factory.mktemp("painted")
    volume, labels = make_cells(1, (12, 32, 32), radius=6, random_state=0)
    painted = np.zeros((12, 32, 32), np.uint8)
    painted[[2, 9]] = labels[0][[2, 9]]
    tifffile.imwrite(folder / "stack.tif", volume[0], photometric="minisblack")
    tifffile.imwrite(folder / "painted.tif", painted, photometric="minisblack")
    return folder


def test_pages_of_zeros_are_named_where_nothing_is_unlabeled(painted_stack, capsys):
    paths = [str(painted_stack / "stack.tif"), "--labels", str(painted_stack / "painted.tif")]
    with pytest.warns(UserWarning, match=r"10 of 12 pages of .*painted\.tif hold zeros only"):
        assert main(["suggest", *paths]) == 2
    message = capsys.readouterr().err
    assert "painted.tif labels all 12 images, so that none can be suggested. 10 of 12 " in message
    assert "of pages of a stack, read the file with --empty unlabeled" in message
    assert "--number" not in message
    names = suggested(capsys, *paths, "--empty", "unlabeled", "--number", "10")
    assert sorted(names) == [f"stack_{i:04d}" for i in range(12) if i not in (2, 9)]
    fit = ["fit", *paths, "--out", str(painted_stack / "model"), "--dry-run"]
    assert main([*fit, "--empty", "unlabeled"]) == 0
    assert "12 images, 2 of them labeled\n" in capsys.readouterr().out
    assert main([*fit, "--empty", "background"]) == 0
    assert "12 of them labeled, 10 of these without an object" in capsys.readouterr().out


def test_a_model_of_consecutive_sections_needs_sections_of_one_stack(tmp_path, capsys):
    X, y = make_cells(2, (32, 32), radius=6, random_state=0)
    tiny = {"width": 4, "depth": 1, "max_steps": 2, "random_state": 0}
    segmenter = SemiSupervisedSegmenter(sections="consecutive", semi_supervision=None, **tiny)
    save_model(make_pipeline(PercentileScaler(), segmenter).fit(X, y), tmp_path / "m.sskseg")
    (tmp_path / "images").mkdir()
    for i, image in enumerate((X[0], X[1][:, :24])):
        tifffile.imwrite(tmp_path / "images" / f"cell{i}.tif", image)
    arguments = [str(tmp_path / "images"), "--model", str(tmp_path / "m.sskseg"), "--number", "1"]
    assert main(["suggest", *arguments]) == 2
    message = capsys.readouterr().err
    assert "images must hold the sections of one stack, since --sections consecutive" in message
    assert "expected one shape, got [(32, 24, 1), (32, 32, 1)]" in message
    assert "fit with --sections independent" in message
