"""Results never mix with images, labels or the results of another run."""

import hashlib
import json
import shutil
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from command_line import TINY, run

from sskseg.cli.main import CommandFailed
from sskseg.cli.results import check_results, results_folder
from sskseg.datasets import make_cells
from sskseg.io import read_images, read_labels, write_labels, write_rois

MODEL = "cells-simulated"  # without a domain check


@pytest.fixture
def images(tmp_path):
    X, _ = make_cells(2, (64, 64), random_state=0)
    folder = tmp_path / "images"
    folder.mkdir()
    for i, image in enumerate(X):
        tifffile.imwrite(folder / f"cell{i}.tif", (200 * image.clip(0, 1)).astype(np.uint8))
    return folder


def content(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def count(images, out, *more):
    return run("count", images, "--model", MODEL, "--out", out, *more)


@pytest.mark.parametrize("command", [["count", "--rois", "geojson"], ["predict"]])
def test_no_results_among_images(images, command, capsys):
    """They would replace regions of the user, or be the labels of the next fit."""
    write_rois(images / "cell0.geojson", np.eye(64, dtype=np.int32))
    before = content(images)
    assert run(*command, images, "--model", MODEL, "--out", images) == 2
    assert content(images) == before
    message = capsys.readouterr().err
    assert f"{images} holds other files" in message
    assert f"--out must be a new folder, such as {images / command[0]}." in message
    assert run(*command, images, "--model", MODEL, "--out", images / command[0]) == 0
    assert count(images, images / "again") == 0
    assert read_images(images)[0] == ["cell0", "cell1"]
    inputs = json.loads((images / "again" / "run.json").read_text())["inputs"]
    assert {str(images / name) for name in ("cell0.tif", "cell1.tif")} <= set(inputs)
    assert not any(command[0] in name.replace(str(images), "") for name in inputs)


def test_results_of_an_earlier_count_are_replaced_only_on_demand(images, tmp_path, capsys):
    out = tmp_path / "out"
    assert count(images, out, "--rois", "geojson") == 0
    (out / ".DS_Store").write_bytes(b"of the system")
    record = json.loads((out / "run.json").read_text())
    digest = hashlib.sha256((out / "cell0_labels.tif").read_bytes()).hexdigest()
    assert record["outputs"]["cell0_labels.tif"] == digest
    before = content(out)
    assert count(images / "cell1.tif", out) == 2
    message = capsys.readouterr().err
    assert "holds the results of an earlier sskseg count ('cell0_labels.tif', " in message
    assert "add --overwrite to replace all of them" in message
    assert content(out) == before
    assert run("predict", images, "--model", MODEL, "--out", out, "--overwrite") == 2
    assert count(images / "cell1.tif", out, "--overwrite") == 0
    assert sorted(path.name for path in out.iterdir()) == [
        ".DS_Store", "cell1_labels.tif", "counts.csv", "objects.csv", "run.json"
    ]  # fmt: skip


@pytest.fixture
def earlier(tmp_path):
    """Options of a run whose folder holds the results of an earlier one."""
    out = tmp_path / "out"
    (out / "overlays").mkdir(parents=True)
    names = ("counts.csv", "a_labels.tif", "overlays/a.png")
    for name in names:
        (out / name).write_bytes(b"old")
    outputs = dict.fromkeys(names, hashlib.sha256(b"old").hexdigest())
    record = {"command": ["sskseg", "count"], "outputs": outputs}
    (out / "run.json").write_text(json.dumps(record))
    return Namespace(out=out, command="count", overwrite=True)


NEW = {"counts.csv": b"new", "b_labels.tif": b"new", "rois/b.zip": b"new", "run.json": b"{}"}


def write_new(folder):
    (folder / "rois").mkdir()
    for name, text in NEW.items():
        (folder / name).write_bytes(text)


def fail_in_the_end(folder, error):
    write_new(folder)
    raise error


def write_beside(folder, file):
    write_new(folder)
    file.write_bytes(b"mine")


def hidden(options):
    return list(options.out.glob(".sskseg-*"))


def test_new_results_replace_earlier_ones(earlier):
    with results_folder(earlier) as folder:
        write_new(folder)
    assert content(earlier.out) == NEW
    assert not (earlier.out / "overlays").exists()
    assert hidden(earlier) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, MemoryError])
def test_a_run_that_fails_changes_nothing(earlier, error):
    before = content(earlier.out)
    with pytest.raises(error), results_folder(earlier) as folder:
        fail_in_the_end(folder, error)
    assert content(earlier.out) == before
    assert hidden(earlier) == []


@pytest.mark.parametrize("n", range(1, 9))
@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize(
    ("error", "expected"),
    [(PermissionError("a program has it open"), CommandFailed), (KeyboardInterrupt, None)],
    ids=["locked", "interrupted"],
)
def test_results_that_cannot_be_replaced_are_kept(
    earlier, n, is_done, error, expected, monkeypatch
):
    """Whichever file fails, before or after it was moved."""
    before, replace, calls = content(earlier.out), Path.replace, []

    def fail(path, target):
        calls.append(path)
        if len(calls) != n:
            return replace(path, target)
        if is_done:
            replace(path, target)
        raise error

    monkeypatch.setattr(Path, "replace", fail)
    with (
        pytest.raises(expected or error, match=r"The new results are in .*new\.$"),
        results_folder(earlier) as folder,
    ):
        write_new(folder)
    (kept,) = hidden(earlier)
    assert content(kept / "new") == NEW
    assert content(kept / "old") == {}
    shutil.rmtree(kept)
    assert content(earlier.out) == before
    assert not (earlier.out / "rois").exists()
    check_results(earlier)


def test_earlier_results_that_stay_hidden_are_no_failure(earlier, monkeypatch):
    def fail(*_, **__):
        raise PermissionError("a program has it open")

    monkeypatch.setattr("os.unlink", fail)
    monkeypatch.setattr(Path, "unlink", fail)
    with results_folder(earlier) as folder:
        write_new(folder)
    monkeypatch.undo()
    for each in hidden(earlier):
        shutil.rmtree(each)
    assert content(earlier.out) == NEW


def test_a_file_that_appears_meanwhile_stays_and_so_do_the_results(earlier):
    before = content(earlier.out)
    with (
        pytest.raises(CommandFailed, match=r"'notes.txt'\. Move them.* results are in .*new\.$"),
        results_folder(earlier) as folder,
    ):
        write_beside(folder, earlier.out / "notes.txt")
    (kept,) = hidden(earlier)
    assert content(kept / "new") == NEW
    shutil.rmtree(kept)
    assert content(earlier.out) == before | {"notes.txt": b"mine"}


def test_the_message_of_an_interrupted_run_names_its_results(images, tmp_path, capsys, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("sskseg.cli.results._replace", interrupt)
    assert count(images, tmp_path / "out") == 130
    (kept,) = (tmp_path / "out").iterdir()
    message = f"sskseg: interrupted. The new results are in {kept / 'new'}\n"
    assert capsys.readouterr().err == message
    assert "counts.csv" in content(kept / "new")


def test_a_record_without_its_results_is_replaced_only_on_demand(earlier):
    for name in ("counts.csv", "a_labels.tif", "overlays/a.png"):
        (earlier.out / name).unlink()
    earlier.overwrite = False
    with pytest.raises(ValueError, match=r"\('run.json'\): add --overwrite"):
        check_results(earlier)


@pytest.mark.parametrize("change", ["notes.txt", "cell0_labels.tif"])
def test_files_of_the_user_are_never_removed(images, tmp_path, change, capsys):
    out = tmp_path / "out"
    assert count(images, out) == 0
    (out / change).write_bytes(b"mine")
    before = content(out)
    assert count(images, out, "--overwrite") == 2
    assert f"or were changed since: '{change}'. Move them" in capsys.readouterr().err
    assert content(out) == before


def test_a_model_is_no_result_that_is_replaced(images, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "model.sskseg").write_bytes(b"hours of training")
    digest = hashlib.sha256(b"hours of training").hexdigest()
    record = {"command": ["sskseg", "fit"], "outputs": {"model.sskseg": digest}}
    (out / "run.json").write_text(json.dumps(record))
    assert count(images, out, "--overwrite") == 2
    assert "holds other files ('model.sskseg', 'run.json')" in capsys.readouterr().err


@pytest.mark.parametrize("output", ["labels", "probability", "mask"])
def test_results_are_no_images(images, tmp_path, output, capsys):
    out = tmp_path / "out"
    assert run("predict", images, "--model", MODEL, "--out", out, "--output", output) == 0
    message = f"cell0_{output}.tif is a result that sskseg wrote ({output}), and no image."
    for command in (
        ["count", out, "--model", MODEL],
        ["fit", out, "--labels", out, "--out", tmp_path / "m"],
        ["report", out, "--model", MODEL, "--out", tmp_path / "report.html"],
        ["convert", out, "--images", out, "--to", "tif", "--out", tmp_path / "converted"],
    ):
        assert run(*command) == 2
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["", "imagej", "geojson", "coco"])
def test_results_are_labels_of_a_fit_with_a_warning(images, tmp_path, kind, capsys):
    if kind == "imagej":
        pytest.importorskip("roifile")
    out = tmp_path / "out"
    rois = {"geojson", kind or "coco"}
    assert count(images, out, *(f"--rois={name}" for name in rois)) == 0
    fit = ["fit", images, "--labels", out / kind, "--out", tmp_path / "m", "--dry-run"]
    with pytest.warns(UserWarning, match=r"are predictions of sskseg count, and were not changed"):
        assert run(*fit) == 0
    assert "2 images, 2 of them labeled" in capsys.readouterr().out


def test_corrected_labels_give_no_warning(images, tmp_path, capsys):
    out = tmp_path / "out"
    assert count(images, out) == 0
    for file in out.glob("*.tif"):
        _, (label,) = read_labels(file)
        label[:2, :2] = label.max() + 1
        write_labels(file, [label])
    fit = ["fit", images, "--labels", out, "--out", tmp_path / "m", "--dry-run"]
    assert run(*fit) == 0
    assert "2 images, 2 of them labeled" in capsys.readouterr().out


def test_convert_replaces_no_image(images, tmp_path, capsys):
    labels = tmp_path / "labels"
    labels.mkdir()
    write_labels(labels / "cell0.tif", [np.eye(64, dtype=np.int32)])
    before = content(images)
    assert run("convert", labels, "--images", images, "--to", "tif", "--out", images) == 2
    assert f"{images / 'cell0.tif'} exists: --out must be another." in capsys.readouterr().err
    assert content(images) == before


def test_the_demo_writes_elsewhere(images, tmp_path, capsys):
    shutil.copytree(images, tmp_path / "labels")
    paths = ["--images", images, "--labels", tmp_path / "labels", "--out"]
    for folder in (images, tmp_path / "labels"):
        assert run("demo", *paths, folder) == 2
        assert f"--out must be another folder than that of {folder}." in capsys.readouterr().err


def test_a_model_is_replaced_only_if_asked(tmp_path, capsys):
    X, y = make_cells(n_samples=1, shape=(64, 64), random_state=0)
    for name, image in (("images", X[0]), ("labels", y[0].astype(np.uint16))):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "a.tif", image)
    arguments = ["fit", tmp_path / "images", "--labels", tmp_path / "labels", *TINY]
    assert run(*arguments, "--out", tmp_path / "model") == 0
    file = tmp_path / "model" / "model.sskseg"
    before = file.read_bytes()
    capsys.readouterr()
    for dry in ([], ["--dry-run"]):
        assert run(*arguments, "--out", tmp_path / "model", "--width", 2, *dry) == 2
        assert f"{file} exists: add --overwrite to replace this model" in capsys.readouterr().err
    assert file.read_bytes() == before
    assert run(*arguments, "--out", tmp_path / "model", "--width", 2, "--overwrite") == 0
    assert file.read_bytes() != before


def test_a_model_does_not_replace_the_record_of_other_results(images, tmp_path, capsys):
    assert count(images, tmp_path / "out") == 0
    before = (tmp_path / "out" / "run.json").read_bytes()
    X, y = make_cells(n_samples=1, shape=(64, 64), random_state=0)
    tifffile.imwrite(tmp_path / "a.tif", X[0])
    tifffile.imwrite(tmp_path / "a_mask.tif", y[0].astype(np.uint16))
    arguments = ["fit", tmp_path / "a.tif", "--labels", tmp_path / "a_mask.tif", *TINY]
    assert run(*arguments, "--out", tmp_path / "out") == 2
    assert "run.json exists: add --overwrite to replace this record" in capsys.readouterr().err
    assert (tmp_path / "out" / "run.json").read_bytes() == before
    assert not (tmp_path / "out" / "model.sskseg").exists()
    assert run(*arguments, "--out", tmp_path / "out" / "a.sskseg") == 0  # with a record of its own
    assert (tmp_path / "out" / "run.json").read_bytes() == before


def test_a_count_without_a_folder_says_that_nothing_was_written(images, capsys):
    arguments = ["count", images, "--model", MODEL]
    assert run(*arguments) == 0
    shown = capsys.readouterr()
    assert "objects" in shown.out
    assert shown.err.splitlines()[-1] == (
        "Nothing was written: add --out FOLDER for counts.csv, objects.csv and label images."
    )
    assert run(*arguments, "--json") == 0
    assert "Nothing was written" not in capsys.readouterr().err
    assert run(*arguments, "--rois", "geojson") == 2
    assert "--out is missing: --rois needs a folder." in capsys.readouterr().err
