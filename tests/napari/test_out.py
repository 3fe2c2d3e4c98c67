"""What leaves the window: scripts, files of layers, whole files; and what to label next."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scripts import run_script

from sskseg.datasets import make_cells
from sskseg.io import write_rois
from sskseg.morphology import measure_objects
from sskseg.napari import Answer, Session, Training, count_session, suggest
from sskseg.napari.files import get_reader, write_label_layer
from sskseg.napari.script import script_of
from sskseg.napari.whole_file import ScanRun
from sskseg.scans import count_scan

SMALL = {"width": 4, "depth": 1, "max_steps": 8, "random_state": 0}
SHAPES = {"images": (40, 48), "sections": (6, 32, 40), "volume": (8, 24, 24)}


def trained(kind="images", **parameters):
    X, y = make_cells(2, SHAPES[kind], random_state=0)
    session = Session(kind=kind)
    for name, image in zip("ab", X):
        spacing = (0.5,) * image.ndim
        session.add(name, image, spacing=spacing, unit="micrometer")
    complete = np.zeros(y[0].shape, bool)
    complete[..., :20] = True
    painted = np.where(y[0] > 0, y[0] + 2, 0)
    session.paint("a", painted, complete)
    training = Training(session, **{**SMALL, **parameters})
    training.start()
    training.wait()
    session.set_answers(training.answers)
    return session, training


@pytest.mark.parametrize("kind", SHAPES)
def test_the_script_trains_and_counts_the_same(tmp_path, kind):
    session, training = trained(kind)
    session.save_data(tmp_path)
    (tmp_path / "script.py").write_text(script_of(training, tmp_path))
    there = run_script(tmp_path)
    here = count_session(session, training.model, {})
    assert here.equals(there["counts"])
    for name, answer in session.answers.items():
        assert (there["session"].answers[name].labels == answer.labels).all()


def test_the_script_with_intervals_trains_and_counts_the_same(tmp_path):
    X, y = make_cells(3, (32, 32), random_state=0)
    session = Session()
    complete = np.ones((32, 32), bool)
    complete[:, 28:] = False
    for name, image, label in zip("abc", X, y):
        session.add(name, image)
        session.paint(name, np.where(complete & (label > 0), label + 2, 0), complete)
    training = Training(session, with_intervals=True, **SMALL)
    training.start()
    training.wait()
    session.set_answers(training.answers)
    session.save_data(tmp_path)
    (tmp_path / "script.py").write_text(script_of(training, tmp_path))
    there = run_script(tmp_path)
    assert count_session(session, training.model, {}).equals(there["counts"])


def test_the_script_says_what_differs():
    _, training = trained()
    assert "The window trained" not in script_of(training, "data")
    training.n_trainings = 2
    training.parameters = {"time_budget": 60.0}
    script = script_of(training, "data")
    assert "The window trained 2 times" in script
    assert "ends by the clock" in script
    assert "There is no random_state" in script
    compile(script, "script.py", "exec")


# Whole files


def test_a_whole_file_is_counted_in_a_thread_and_read_as_a_layer(tmp_path):
    _, training = trained()
    image = make_cells(1, (96, 96), random_state=1)[0][0]
    tifffile.imwrite(
        tmp_path / "scan.tif", image.astype(np.float32), imagej=True, resolution=(2, 2),
        metadata={"unit": "um"},
    )  # fmt: skip
    run = ScanRun(training.model, tmp_path / "scan.tif", tmp_path / "scan.zarr")
    run.start()
    run.wait()
    assert run.progress == 1
    assert not run.is_running
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of objects that blocks cut
        expected = count_scan(training.model, tmp_path / "scan.tif", tmp_path / "other.zarr")
    assert run.n_objects == expected.n_objects
    reader = get_reader(str(tmp_path / "scan.zarr"))
    ((data, options, kind),) = reader(str(tmp_path / "scan.zarr"))
    assert kind == "labels"
    assert (np.asarray(data) == np.asarray(expected.labels)).all()
    assert options["scale"] == (0.5, 0.5)
    assert options["features"]["index"].tolist() == expected.table["id"].tolist()


def test_a_run_that_is_canceled_resumes(tmp_path):
    _, training = trained()
    image = make_cells(1, (96, 96), random_state=1)[0][0]
    tifffile.imwrite(tmp_path / "scan.tif", image.astype(np.float32))
    run = ScanRun(training.model, tmp_path / "scan.tif", tmp_path / "scan.zarr")
    run.cancel()
    run.start()
    run.wait()
    assert run.is_canceled
    assert run.n_objects is None
    again = ScanRun(training.model, tmp_path / "scan.tif", tmp_path / "scan.zarr")
    again.start()
    again.wait()
    assert again.n_objects > 0


def test_a_file_that_is_no_scan_is_an_error_of_the_run(tmp_path):
    _, training = trained()
    run = ScanRun(training.model, tmp_path / "none.tif", tmp_path / "scan.zarr")
    run.start()
    with pytest.raises(FileNotFoundError, match="No scan at"):
        run.wait()


# Files of layers

LABELS = np.zeros((20, 30), int)
LABELS[2:8, 3:9] = 1
LABELS[4:6, 5:7] = 0  # a hole
LABELS[10:18, 12:29] = 2


@pytest.mark.parametrize("suffix", [".zip", ".geojson"])
def test_layers_of_labels_are_written_and_read(tmp_path, suffix):
    path = str(tmp_path / f"cells{suffix}")
    table = measure_objects(LABELS)[["id", "area"]].rename(columns={"id": "index"})
    assert write_label_layer(path, LABELS, {"name": "cells", "features": table}) == [path]
    ((data, options, kind),) = get_reader(path)(path)
    assert kind == "labels"
    assert (data == LABELS[: data.shape[0], : data.shape[1]]).all()
    assert (data > 0).sum() == (LABELS > 0).sum()
    assert options["features"]["area"].tolist() == [(i == LABELS).sum() for i in (1, 2)]


def test_stacks_and_points_are_read(tmp_path):
    stack = np.stack([LABELS, np.zeros_like(LABELS), LABELS])
    write_rois(tmp_path / "stack.zip", stack)
    ((data, _, _),) = get_reader(str(tmp_path / "stack.zip"))(str(tmp_path / "stack.zip"))
    assert ((data > 0).sum((1, 2)) == (stack > 0).sum((1, 2))).all()
    write_rois(tmp_path / "clicks.zip", points=[[3.0, 4.0]])
    ((points, _, kind),) = get_reader(str(tmp_path / "clicks.zip"))(str(tmp_path / "clicks.zip"))
    assert kind == "points"
    assert points.tolist() == [[3.0, 4.0]]


def test_other_files_are_left_to_other_readers(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"")
    assert get_reader(str(tmp_path / "a.tif")) is None
    assert get_reader(str(tmp_path)) is None


def test_the_manifest_is_valid():
    npe2 = pytest.importorskip("npe2", exc_type=ImportError)
    pytest.importorskip("qtpy")
    import sskseg.napari

    path = Path(sskseg.napari.__file__).with_name("napari.yaml")
    manifest = npe2.PluginManifest.from_file(path)
    manifest.validate_imports()
    found = manifest.contributions
    assert [len(getattr(found, part)) for part in ("widgets", "readers", "writers")] == [1, 1, 2]
    assert {command.id for command in found.commands} >= {
        *(reader.command for reader in found.readers), *(w.command for w in found.writers),
    }  # fmt: skip


# What next


def answered(kind, n=2):
    shape = SHAPES[kind]
    session = Session(kind=kind)
    answers = {}
    for name in "abc"[:n]:
        session.add(name, np.random.default_rng(0).random(shape))
        nothing = np.zeros(shape, np.float32)
        answers[name] = Answer(nothing, nothing.astype(int), nothing.copy(), None)
    session.set_answers(answers)
    return session, answers


def test_images_without_labels_come_first():
    session, answers = answered("images", 3)
    for value, name in zip((0.9, 0.2, 0.3), "abc"):
        answers[name].uncertainty[:] = value
    answers["c"].uncertainty[30:, 30:] = 1
    session.paint("a", np.ones(SHAPES["images"], int))
    found = suggest(session, size=10)
    assert (found.name, found.section) == ("c", None)
    assert found.box[0].start >= 25
    assert "Nothing is labeled there" in found.reason
    assert "is not known" in found.reason


def test_sections_far_from_labels_come_first():
    session, answers = answered("sections", 1)
    painted = np.zeros(SHAPES["sections"], int)
    painted[0] = 1
    session.paint("a", painted)
    answers["a"].uncertainty[:] = 0.5
    answers["a"].uncertainty[1] = 0.52
    assert suggest(session).section == 5


def test_where_all_have_labels_it_is_a_crop():
    session, answers = answered("images")
    for name in "ab":
        session.paint(name, (np.arange(48) < 20) * np.ones((40, 1), int))
    answers["a"].uncertainty[:, :20] = 1  # labeled
    answers["b"].uncertainty[20:30, 30:40] = 0.5
    found = suggest(session, size=10)
    assert (found.name, found.box) == ("b", (slice(20, 30), slice(30, 40)))


def test_without_answers_nothing_is_suggested():
    with pytest.raises(ValueError, match="There is no answer yet"):
        suggest(Session())
