"""Messages of the window end when they are no longer true, and layers come one by one."""

import os
import time
import warnings

import numpy as np
import pytest

if not os.environ.get("DISPLAY"):
    pytest.skip("there is no display: run it under xvfb-run -a", allow_module_level=True)
with warnings.catch_warnings():  # of npe2 about pydantic
    warnings.simplefilter("ignore", DeprecationWarning)
    pytest.importorskip("napari.components", exc_type=ImportError)
    from qtpy.QtWidgets import QPushButton

from sskseg.datasets import make_cells
from sskseg.morphology import measure_objects
from sskseg.napari import Answer

SHAPE = (48, 40)
X, Y = make_cells(2, SHAPE, radius=6, random_state=0)


@pytest.fixture
def widget(open_widget):
    return open_widget(X, width=4, depth=1, max_steps=2, random_state=0)


def press(widget, panel, text):
    (button,) = [each for each in panel.findChildren(QPushButton) if each.text() == text]
    button.click()
    return widget.message.text()


def paint(widget):
    widget.viewer.layers["cells 1 painted"].data = np.where(Y[1] > 0, Y[1] + 2, 1)


def names(widget, *suffixes):
    return [layer.name for layer in widget.viewer.layers if layer.name.endswith(suffixes)]


def answers():
    return {
        f"cells {i}": Answer(x.astype(np.float32), y.astype(np.int32), x, measure_objects(y))
        for i, (x, y) in enumerate(zip(X, Y))
    }


def test_an_error_is_shown_until_something_is_painted(widget):
    hint = widget.message.text()
    assert "Nothing is painted" in press(widget, widget.training_panel, "Train")
    widget._update()
    assert "Nothing is painted" in widget.message.text()
    paint(widget)
    widget._update()
    assert widget.message.text() == hint


def test_an_error_is_shown_until_a_button_is_pressed(widget):
    hint = widget.message.text()
    assert "There is no model yet" in press(widget, widget.results_panel, "Count")
    assert press(widget, widget.results_panel, "No regions") == hint


def test_what_the_forest_said_ends_with_its_check_box(widget):
    panel = widget.forest_panel
    widget.viewer.layers["cells 1 painted"].paint([3, 3], 1)
    widget.layers.changes.time -= 1  # a pause
    for _ in range(4):
        panel.update_answer()
    while panel.forest.is_running:
        time.sleep(0.01)
    panel.update_answer()
    assert "Nothing is painted as objects (2)" in panel.state.text()
    panel.checked.setChecked(False)
    assert panel.state.text() == ""
    panel.update_answer()
    assert panel.state.text() == ""


def test_a_failed_training_says_so_once(widget, monkeypatch):
    def fail(*_):
        raise ValueError("This is wrong.")

    paint(widget)
    panel = widget.training_panel
    monkeypatch.setattr(widget.training, "_fit", fail)
    panel.train()
    for _ in range(20):
        panel.update_progress()
    widget.training._thread.join()
    panel.update_progress()
    assert widget.message.text() == "This is wrong."
    widget.say("Something else.")
    panel.update_progress()
    assert widget.message.text() == "Something else."


def test_regions_of_a_deleted_layer_are_no_longer_named(widget):
    panel = widget.results_panel
    shapes = widget.viewer.add_shapes([np.array([[0, 0], [0, 9], [9, 9], [9, 0]])], name="halves")
    widget.viewer.layers.selection.active = shapes
    panel.choose_regions()
    assert panel.region_text.text() == "Regions: halves"
    widget.viewer.layers.remove(shapes)
    widget.session.set_answers(answers())
    widget.training.model = object()
    assert "The layer of regions 'halves' was deleted" in press(widget, panel, "Save objects (CSV)")
    assert panel.region_text.text() == "Regions: the whole image"


def test_layers_of_answers_are_added_before_the_training_one_by_one(widget):
    paint(widget)
    panel, ends = widget.training_panel, (" forest", " objects", " probability", " uncertainty")
    active = widget.viewer.layers.selection.active
    panel.train()
    with pytest.raises(RuntimeError, match="is about to start"):
        panel.train()
    n_layers = [len(names(widget, *ends))]
    while not panel._is_awaited:
        panel.update_progress()
        n_layers.append(len(names(widget, *ends)))
    assert n_layers[0] == 0
    assert set(np.diff(n_layers)) == {0, 1}
    # Those of the visible image, and the forest's of both, which is needed at the next stroke.
    assert n_layers[-1] == 5
    assert not any(widget.viewer.layers[name].visible for name in names(widget, *ends[1:]))
    assert widget.viewer.layers.selection.active is active
    before = {name: widget.viewer.layers[name] for name in names(widget, *ends)}
    widget.training.wait()
    panel.update_progress()
    while [name for name in widget.answers.outdated() if name == "cells 1"]:
        panel.update_progress()
    assert all(widget.viewer.layers[name] is layer for name, layer in before.items())
    assert len(names(widget, *ends)) == 5  # one paints: hidden images come later
    widget.layers.changes.time -= 10
    for _ in range(10):
        panel.update_progress()
    assert len(names(widget, *ends)) == 8


def test_a_training_is_canceled_before_it_starts(widget):
    paint(widget)
    assert "No training runs" in press(widget, widget.training_panel, "Cancel")
    widget.training_panel.train()
    assert press(widget, widget.training_panel, "Cancel") == "Canceled."
    for _ in range(20):
        widget.training_panel.update_progress()
    assert widget.training.n_trainings == 0
    assert not widget.training.is_running


def test_layers_and_images_may_be_removed_while_answers_are_shown(widget):
    paint(widget)
    panel = widget.training_panel
    widget.training.answers, widget.training.model = answers(), object()
    panel.train()
    panel._is_preparing = False
    panel.update_progress()
    del widget.viewer.layers["cells 0 forest"]
    widget.viewer.layers.selection.active = widget.viewer.layers["cells 0"]
    message = press(widget, widget.labels_panel, "Remove image")
    assert message.startswith("'cells 0' is no longer in the session.")
    panel.show_answers()
    while "cells 1 objects" not in widget.viewer.layers:
        panel.update_progress()
    del widget.viewer.layers["cells 1 objects"]
    widget.layers.changes.time = time.monotonic() - 10
    for _ in range(20):
        panel.update_progress()
        widget.forest_panel.update_answer()
    assert list(widget.session.answers) == ["cells 1"]
    assert widget.answers.outdated() == []
    del widget.viewer.layers["cells 1"]
    assert "The layer 'cells 1' is missing" in press(widget, widget.labels_panel, "Next image")
    press(widget, widget.labels_panel, "Undo")
    assert "cells 1" in widget.viewer.layers
    assert press(widget, widget.labels_panel, "Next image") == "cells 1"
