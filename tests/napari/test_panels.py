"""Each panel of the widget: what one clicks, and the message that one reads.

The layers are those of a viewer without a window, which no graphics card has to draw.
"""

import os
import random
import warnings

import numpy as np
import pytest
import tifffile

if not os.environ.get("DISPLAY"):
    pytest.skip("there is no display: run it under xvfb-run -a", allow_module_level=True)
with warnings.catch_warnings():  # of npe2 about pydantic
    warnings.simplefilter("ignore", DeprecationWarning)
    pytest.importorskip("napari.components", exc_type=ImportError)
    from napari.components import ViewerModel
    from qtpy.QtCore import QSettings
    from qtpy.QtWidgets import QApplication

from sskseg.datasets import make_cells
from sskseg.io import read_object_table, write_labels
from sskseg.morphology import measure_objects
from sskseg.napari import Answer, Session, Training
from sskseg.napari.widget import SegmentationWidget

SMALL = {"width": 4, "depth": 1, "max_steps": 4, "random_state": 0}
SHAPE = (64, 64)
X, Y = make_cells(2, SHAPE, radius=6, random_state=0)


@pytest.fixture(scope="module")
def application():
    return QApplication.instance() or QApplication([])


@pytest.fixture(autouse=True)
def _random_state():
    state = random.getstate()
    yield
    random.setstate(state)  # napari draws from it


@pytest.fixture(scope="module")
def training():
    """A model of two images, and as its answers the reference, in which all objects are."""
    session = Session()
    for i, image in enumerate(X):
        session.add(f"cells {i}", image, spacing=(0.5, 0.5), unit="micrometer")
    complete = np.zeros(SHAPE, bool)
    complete[:, :40] = True
    session.paint("cells 0", np.where(complete & (Y[0] > 0), Y[0] + 2, 0), complete)
    training = Training(session, **SMALL)
    training.start()
    training.wait()
    training.answers = {
        name: Answer(sample.image[..., 0], label.astype(np.int32), sample.image[..., 0],
                     measure_objects(label, spacing=(0.5, 0.5), unit="micrometer"))
        for (name, sample), label in zip(session.samples.items(), Y)
    }  # fmt: skip
    return training


@pytest.fixture
def new_widget(application, tmp_path):
    """A function that opens the widget; settings are those of this test."""
    formats = QSettings.Format.IniFormat, QSettings.Scope.UserScope
    QSettings.setPath(*formats, str(tmp_path / "settings"))
    widgets = []

    def new(session=None, **parameters):
        widgets.append(SegmentationWidget(ViewerModel(), session, **{**SMALL, **parameters}))
        return widgets[-1]

    yield new
    for widget in widgets:
        widget.close()
        widget.deleteLater()
    application.processEvents()


def add(widget, images, **place):
    for i, image in enumerate(images):
        layer = widget.viewer.add_image(image, name=f"cells {i}", **place)
        widget.viewer.layers.selection.active = layer
        widget.labels_panel.add_images()


def paint(widget, name="cells 0", label=Y[0]):
    """Paint half an image completely, and say so."""
    left = np.arange(label.shape[-1]) < 40
    painted = np.where((label > 0) & left, label + 2, 0)
    widget.viewer.layers[f"{name} painted"].data = painted
    widget.viewer.layers.selection.active = widget.viewer.layers[name]
    widget.labels_panel.add_complete_regions()
    corners = np.array([[-1, -1], [-1, 39.5], [64, 39.5], [64, -1]])
    if label.ndim == 3:
        corners = np.insert(corners, 0, 0, axis=1)
    widget.viewer.layers[f"{name} complete"].add(corners, shape_type="rectangle")


def settle(widget):
    """What the timer does while nobody paints: it adds and shows layers, one a call."""
    widget.layers.changes.time -= 10
    for _ in range(50):
        widget.training_panel.update_progress()


def train(widget):
    widget.training_panel.train()
    settle(widget)
    widget.training.wait()
    settle(widget)


@pytest.fixture
def trained(new_widget, training):
    widget = new_widget(Session())
    add(widget, X, scale=(0.5, 0.5), units=("um", "um"))
    paint(widget)
    widget.layers.read()
    for name in ("model", "answers", "is_calibrated", "n_trainings"):
        setattr(widget.training, name, getattr(training, name))
    widget.training_panel.show_answers()
    settle(widget)
    return widget


def save(widget):
    """What the timer does, until the thread has ended."""
    panel = widget.folders_panel
    panel.save_changes()
    panel.saving._thread.join()
    panel.save_changes()


def said(widget, action, *arguments):
    widget.attempt(lambda: action(*arguments))
    return widget.message.text()


def find_next(widget):
    """Press the button, and wait for what the thread finds, which the timer shows."""
    panel = widget.training_panel
    panel.find_next()
    panel.suggesting.wait()
    panel.update_progress()


def test_corrections_change_objects_and_labels_and_are_undone(trained):
    widget, panel, viewer = trained, trained.corrections_panel, trained.viewer
    objects = viewer.layers["cells 0 objects"]
    before = objects.data.copy()
    viewer.layers.selection.active = objects
    panel.click_places()
    number = int(before.max())
    pixel = np.argwhere(before == number)[0]
    viewer.layers["places to correct"].data = [pixel]
    assert "delete; " in said(widget, panel.correct, "delete")
    assert not (objects.data == number).any()
    assert len(objects.features) == len(np.unique(objects.data)) - 1
    assert (widget.session.samples["cells 0"].y[before == number] == 0).all()
    assert len(viewer.layers["places to correct"].data) == 0
    widget.labels_panel.undo()
    assert (objects.data == before).all()
    assert number in objects.features["index"].to_numpy()
    widget.labels_panel.redo()
    assert not (objects.data == number).any()


def test_two_objects_are_merged_and_split_and_a_selected_one_is_deleted(trained):
    widget, panel, viewer = trained, trained.corrections_panel, trained.viewer
    objects = viewer.layers["cells 0 objects"]
    viewer.layers.selection.active = objects
    panel.click_places()
    first, second = (np.argwhere(objects.data == n)[0] for n in np.unique(objects.data)[1:3])
    places = viewer.layers["places to correct"]
    places.data = [first, second]
    n = len(objects.features)
    panel.correct("merge")
    assert objects.data[tuple(first)] == objects.data[tuple(second)]
    assert len(objects.features) == n - 1
    places.data = [first, second]
    panel.correct("split")
    assert objects.data[tuple(first)] != objects.data[tuple(second)]
    y = widget.session.samples["cells 0"].y
    assert y[tuple(first)] != y[tuple(second)]
    viewer.layers.selection.active = objects
    objects.selected_label = int(objects.data[tuple(first)])
    panel.correct("delete")
    assert objects.data[tuple(first)] == 0
    assert "none at a place" in said(widget, panel.correct, "delete")  # nothing is selected
    places.data = [first]
    message = said(widget, panel.correct, "split")
    assert "there is none at a place" in message
    assert len(places.data) == 1  # so that one sees what was wrong


def test_counts_are_by_region_and_written(trained, tmp_path, monkeypatch):
    widget, panel = trained, trained.results_panel
    halves = [np.array([[-1, a], [-1, b], [64, b], [64, a]]) for a, b in ((-1, 31.5), (31.5, 64))]
    shapes = widget.viewer.add_shapes(halves, name="halves", scale=(0.5, 0.5), units=("um", "um"))
    widget.viewer.layers.selection.active = shapes
    shapes.selected_data = {0}
    monkeypatch.setattr(panel, "ask_text", lambda *_: "left")
    panel.name_shapes()
    panel.choose_regions()
    message = said(widget, panel.count)
    assert "cells 1, left: " in message
    assert "cells 1, region 2: " in message
    monkeypatch.setattr(panel, "ask_path", lambda name, kinds: tmp_path / name)
    panel.save_counts()
    panel.save_objects()
    counts = read_object_table(tmp_path / "counts.csv")
    objects = read_object_table(tmp_path / "objects.csv")
    assert counts["objects"].sum() == len(objects)
    assert counts.attrs["units"]["size"] == "millimeter^2"
    assert objects.attrs["units"]["area"] == "micrometer^2"
    assert set(objects["region"]) <= {"left", "region 2"}
    panel.no_regions()
    assert "cells 1, whole image: " in said(widget, panel.count)


def test_regions_are_where_they_are_drawn():
    """A new layer of shapes has another scale than the images, another unit and another place."""
    viewer = ViewerModel()
    widget = SegmentationWidget(viewer)
    um = viewer.add_image(
        X[0], name="um", scale=(0.5, 0.5), translate=(100, 50), units=("um", "um")
    )
    nm = viewer.add_image(
        X[1], name="nm", scale=(250, 250), translate=(0, 90_000), units=("nm", "nm")
    )
    viewer.layers.selection = {um, nm}
    widget.labels_panel.add_images()
    # The left halves of both images, in micrometers.
    left = [[[99, 49], [99, 65.75], [140, 65.75], [140, 49]],
            [[-1, 89], [-1, 97.875], [20, 97.875], [20, 89]]]  # fmt: skip
    for step, unit in ((1, "um"), (100, "nm")):
        shapes = viewer.add_shapes(
            np.array(left) * {"um": 1, "nm": 10}[unit], scale=(step, step), units=(unit, unit)
        )
        viewer.layers.selection.active = shapes
        widget.results_panel.choose_regions()
        regions = widget.results_panel._regions()
        for number, name in enumerate(("um", "nm"), start=1):
            expected = np.zeros(SHAPE, int)
            expected[:, :32] = number
            assert np.array_equal(regions[name][0], expected)
    del viewer.layers["um"]
    assert "'um' is missing" in said(widget, widget.results_panel.choose_regions)


def test_what_next_goes_to_the_image_without_labels(trained):
    widget, viewer = trained, trained.viewer
    message = said(widget, find_next, widget)
    assert message.startswith("cells 1: Nothing is labeled there")
    assert viewer.layers.selection.active.name == "cells 1 painted"
    assert viewer.layers["cells 1"].visible
    assert not viewer.layers["cells 0"].visible


def test_what_next_is_no_image_that_was_removed_meanwhile(trained):
    widget = trained
    widget.training_panel.find_next()
    assert widget.message.text() == "Looking for what to paint next."
    widget.training_panel.suggesting.wait()
    widget.layers.remove("cells 1")
    widget.training_panel.update_progress()
    assert "was removed meanwhile" in widget.message.text()


@pytest.mark.parametrize("kind", ["Stacks of sections", "Volumes"])
def test_stacks_and_volumes(new_widget, kind):
    widget = new_widget(Session())
    widget.labels_panel.kind.setCurrentText(kind)
    widget.labels_panel.choose_kind()
    volume, label = make_cells(1, (6, 32, 48), random_state=0)
    add(widget, volume)
    paint(widget, label=label[0])
    train(widget)
    objects = widget.viewer.layers["cells 0 objects"]
    assert objects.data.shape == (6, 32, 48)
    assert "cells 0, whole image: " in said(widget, widget.results_panel.count)
    message = said(widget, find_next, widget)
    assert message.startswith("cells 0, section ")
    assert widget.viewer.dims.current_step[0] == int(message.split("section ")[1].split(":")[0])
    widget.labels_panel.kind.setCurrentText("Images")
    assert "for another kind" in said(widget, widget.labels_panel.choose_kind)
    assert widget.labels_panel.kind.currentText() == kind


def test_clicks_are_labels(new_widget):
    widget = new_widget(Session())
    add(widget, X[:1])
    widget.labels_panel.add_points()
    points = widget.viewer.layers["cells 0 points"]
    points.add([20.0, 20.0])
    points.add([40.0, 40.0])
    widget.labels_panel.radius.setValue(5)
    widget.layers.read()
    y = widget.session.samples["cells 0"].y
    assert y[20, 20] != y[40, 40] > 0
    assert (y == y[20, 20]).sum() == 81  # a disc of radius 5
    points.add([100.0, 3.0])
    assert "points of 'cells 0'" in said(widget, widget.training_panel.train)
    assert len(widget.session.samples["cells 0"].points) == 2


def test_labels_are_loaded_from_a_file(new_widget, tmp_path, monkeypatch):
    widget = new_widget(Session())
    add(widget, X[:1])
    write_labels(tmp_path / "labels.tif", [Y[0]])
    monkeypatch.setattr(widget.labels_panel, "ask_file", lambda *_: tmp_path / "labels.tif")
    message = said(widget, widget.labels_panel.load_labels)
    assert "painted objects or patches and 0 points" in message
    widget.layers.read()
    assert ((widget.session.samples["cells 0"].y > 0) == (Y[0] > 0)).all()
    monkeypatch.setattr(widget.labels_panel, "ask_file", lambda *_: tmp_path / "none.tif")
    assert "No file of labels at" in said(widget, widget.labels_panel.load_labels)


def test_a_session_is_saved_and_offered_again(new_widget, tmp_path, monkeypatch):
    widget = new_widget()
    add(widget, X)
    monkeypatch.setattr(widget.folders_panel, "ask_folder", lambda _: tmp_path / "session")
    widget.folders_panel.save_in()
    painted = widget.viewer.layers["cells 0 painted"]
    painted.paint([20, 20], 2)
    assert widget.layers.changes.is_any
    widget.folders_panel.save_now()
    widget.folders_panel.timer.stop()

    later = new_widget()
    assert "holds a session of 2 images" in later.message.text()
    monkeypatch.setattr(later.folders_panel, "ask_folder", lambda _: tmp_path / "session")
    later.folders_panel.load()
    assert later.viewer.layers["cells 0 painted"].data[20, 20] == 2
    assert "The session has images" in said(later, later.folders_panel.load)


def test_a_full_disk_is_a_message_and_nothing_is_lost(new_widget, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    widget = new_widget(Session(tmp_path))
    add(widget, X[:1])
    with monkeypatch.context() as patch:
        patch.setattr("sskseg.napari.storage.write_labels", full)
        widget.viewer.layers["cells 0 painted"].paint([20, 20], 2)
        save(widget)
        assert "No space left" in widget.message.text()
        assert "Not saved: cells 0" in widget.folders_panel.state.text()
        assert widget.viewer.layers["cells 0 painted"].data[20, 20] == 2
    save(widget)
    save(widget)
    assert "Not saved" not in widget.folders_panel.state.text()
    assert widget.message.text() == "All changes are saved."
    assert Session.load(tmp_path).samples["cells 0"].painted[20, 20] == 2


def test_bad_layers_are_messages(new_widget):
    widget = new_widget(Session())
    viewer = widget.viewer
    add(widget, X[:1])
    bad = {
        "is multiscale": viewer.add_image([X[1], X[1][::2, ::2]], multiscale=True),
        "must have 2 axes for images, got 4": viewer.add_image(np.zeros((2, 2, 8, 8))),
        "Select an Image layer, got Points": viewer.add_points(np.zeros((1, 2))),
        "same channels: 'cells 0' has 1, 'rgb' has 3": viewer.add_image(
            np.zeros((8, 8, 3)), rgb=True, name="rgb"
        ),
        "is in the session already": viewer.layers["cells 0"],
    }
    for message, layer in bad.items():
        viewer.layers.selection.active = layer
        assert message in said(widget, widget.labels_panel.add_images)
    assert list(widget.session.samples) == ["cells 0"]
    viewer.layers["cells 0 painted"].data = np.ones(SHAPE, int)
    assert "Nothing is painted as objects (2)" in said(widget, widget.training_panel.train)


def test_without_a_model_each_action_says_so(new_widget):
    widget = new_widget(Session())
    export, results = widget.export_panel, widget.results_panel
    actions = [
        export.save_outlines, export.save_model, export.save_package, export.copy_script,
        export.run_on_file, results.count, results.save_counts, results.save_objects,
        widget.training_panel.find_next, lambda: widget.corrections_panel.correct("merge"),
    ]  # fmt: skip
    for action in actions:
        assert "There is no model yet" in said(widget, action)


def test_a_script_is_copied(trained, tmp_path, monkeypatch):
    panel, folders = trained.export_panel, trained.folders_panel
    for folder in (None, tmp_path / "data"):  # it is canceled at first
        monkeypatch.setattr(folders, "ask_folder", lambda _, folder=folder: folder)
        panel.copy_script()
    assert folders.state.text() == f"Images and labels are saved in {tmp_path / 'data'}."
    script = (tmp_path / "data" / "train_and_count.py").read_text()
    assert QApplication.clipboard().text() == script
    assert "max_steps=4" in script


@pytest.mark.filterwarnings(
    # bioimageio leaves it to Python to close files.
    "ignore:unclosed file:ResourceWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)
def test_a_package_is_written_with_what_one_types_and_predicts_the_same(
    trained, tmp_path, monkeypatch
):
    pytest.importorskip("onnxscript")
    core = pytest.importorskip("bioimageio.core")
    spec = pytest.importorskip("bioimageio.spec")
    panel, path = trained.export_panel, tmp_path / "model.zip"
    answers = {"Name of the model": "Cells", "Description": "Of a test.", "Author": "A. Author"}
    monkeypatch.setattr(panel, "ask_path", lambda name, kinds: tmp_path / name)
    monkeypatch.setattr(
        panel, "ask_text", lambda _, question, default: answers.get(question, default)
    )
    assert said(trained, panel.save_package).startswith(str(path))
    package = spec.load_model_description(path)
    assert (package.name, package.description) == ("Cells", "Of a test.")
    assert package.authors[0].name == "A. Author"
    assert package.license == "CC-BY-4.0"
    before = np.random.get_state()
    assert core.test_model(package).status == "passed"  # seeds the random numbers of everyone
    np.random.set_state(before)


@pytest.mark.parametrize("answer", [None, " "])
def test_a_package_without_an_author_is_not_written(trained, tmp_path, monkeypatch, answer):
    panel, asked = trained.export_panel, []
    answers = {"Name of the model": "Cells", "Description": "Of a test.", "Author": answer}

    def ask(_, question, default):
        asked.append(question)
        return answers[question]

    monkeypatch.setattr(panel, "ask_path", lambda name, kinds: tmp_path / name)
    monkeypatch.setattr(panel, "ask_text", ask)
    assert "'Author' has no answer" in said(trained, panel.save_package)
    assert asked == list(answers)  # and nothing after it
    assert not (tmp_path / "model.zip").exists()


def test_a_whole_file_becomes_a_layer(trained, tmp_path, monkeypatch):
    widget, panel = trained, trained.export_panel
    tifffile.imwrite(tmp_path / "scan.tif", X[1].astype(np.float32))
    monkeypatch.setattr(panel, "ask_file", lambda _: tmp_path / "scan.tif")
    monkeypatch.setattr(panel, "ask_path", lambda name, kinds: tmp_path / name)
    panel.run_on_file()
    panel.run.wait()
    panel.update_run()
    layer = widget.viewer.layers["scan_objects.zarr objects"]
    assert len(layer.features) == panel.run.n_objects
    assert np.asarray(layer.data).max() == panel.run.n_objects
    assert f"{panel.run.n_objects} objects" in widget.message.text()
    assert panel.bar.value() == 100
