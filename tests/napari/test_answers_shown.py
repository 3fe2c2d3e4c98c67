"""Which answer the window shows: that of the forest, or that of the network."""

import os
import warnings

import numpy as np
import pytest

if not os.environ.get("DISPLAY"):
    pytest.skip("there is no display: run it under xvfb-run -a", allow_module_level=True)
with warnings.catch_warnings():  # of npe2 about pydantic
    warnings.simplefilter("ignore", DeprecationWarning)
    pytest.importorskip("napari.components", exc_type=ImportError)

from sskseg.datasets import make_cells
from sskseg.morphology import measure_objects
from sskseg.napari import Answer, Session
from sskseg.napari.comparison import Comparison

SHAPE = (48, 40)
X, Y = make_cells(2, SHAPE, radius=6, random_state=0)


@pytest.fixture
def widget(open_widget):
    return open_widget(X)


def paint(widget, painted):
    widget.viewer.layers["cells 1 painted"].data = painted
    look(widget)


def look(widget):
    """What the timer does once a stroke is over, and once the answer is there."""
    panel = widget.forest_panel
    for _ in X:
        panel.update_answer()  # adds a layer
    panel.update_answer()
    widget.layers.changes.time -= 2  # a pause
    panel.update_answer()
    panel.update_answer()
    if panel.forest.is_running:
        panel.forest._thread.join()
    panel.update_answer()


def test_the_forest_answers_after_a_stroke_and_can_be_turned_off(widget):
    viewer, panel = widget.viewer, widget.forest_panel
    paint(widget, np.where(np.arange(40) < 20, np.where(Y[1] > 0, 2, 0), 0))
    assert "painted as background" in panel.state.text()
    assert not viewer.layers["cells 1 forest"].data.any()
    paint(widget, np.where(np.arange(40) < 20, np.where(Y[1] > 0, 2, 1), 0))
    assert panel.state.text() == ""
    layer = viewer.layers["cells 1 forest"]
    assert ((layer.data > 0.5) == (Y[1] > 0)).mean() > 0.8
    assert not viewer.layers["cells 0 forest"].data.any()  # it is hidden
    assert viewer.layers.selection.active.name == "cells 1 painted"
    panel.checked.setChecked(False)
    assert not layer.visible
    before = layer.data.copy()
    paint(widget, np.where(Y[1] > 0, 2, 1))
    assert np.array_equal(layer.data, before)
    panel.checked.setChecked(True)
    look(widget)
    assert layer.visible
    assert not np.array_equal(layer.data, before)


@pytest.mark.parametrize("is_behind", [True, False])
def test_the_forest_stays_until_the_network_has_caught_up(widget, is_behind):
    viewer, panel = widget.viewer, widget.training_panel
    paint(widget, np.where(Y[1] > 0, 2, 1))
    widget.training.answers = {
        f"cells {i}": Answer(x.astype(np.float32), y.astype(np.int32), x, measure_objects(y))
        for i, (x, y) in enumerate(zip(X, Y))
    }
    widget.training.comparison = Comparison(0.2, 0.3 - 0.2 * is_behind)
    panel.show_answers()
    for _ in range(20):
        panel.update_progress()  # shows a layer
    assert viewer.layers["cells 1 forest"].visible == is_behind
    assert viewer.layers["cells 1 objects"].visible == (not is_behind)
    assert ("answer of the forest stays" in widget.message.text()) == is_behind
    if is_behind:
        assert viewer.layers.selection.active.name == "cells 1 painted"
    look(widget)  # nothing was painted
    assert viewer.layers["cells 1 forest"].visible == is_behind
    objects, widget.training.model = viewer.layers["cells 1 objects"], object()
    viewer.layers.selection.active = objects
    objects.selected_label = int(objects.data.max())
    widget.corrections_panel.correct("delete")
    for change in (lambda: None, widget.labels_panel.undo, widget.labels_panel.redo):
        change()
        look(widget)  # a correction is no stroke
        assert viewer.layers["cells 1 forest"].visible == is_behind
    painted = viewer.layers["cells 1 painted"].data.copy()
    painted[0, 0] = 0
    paint(widget, painted)
    assert viewer.layers["cells 1 forest"].visible


def test_the_forest_answers_again_once_a_stroke_is_undone(widget):
    viewer, layer = widget.viewer, widget.viewer.layers["cells 1 painted"]
    paint(widget, np.where(np.arange(40) < 20, np.where(Y[1] > 0, 2, 1), 0))
    before = viewer.layers["cells 1 forest"].data.copy()
    paint(widget, np.where(layer.data > 0, 3 - layer.data, 0))
    assert not np.array_equal(viewer.layers["cells 1 forest"].data, before)
    widget.labels_panel.undo()
    look(widget)
    assert np.array_equal(viewer.layers["cells 1 forest"].data, before)


def test_the_forest_answers_when_a_session_is_continued(widget, tmp_path, monkeypatch):
    paint(widget, np.where(np.arange(40) < 20, np.where(Y[1] > 0, 2, 1), 0))
    widget.session.save_in(tmp_path)
    widget.viewer.layers.clear()
    widget.use(Session())
    monkeypatch.setattr(widget.folders_panel, "ask_folder", lambda _: tmp_path)
    widget.folders_panel.load()
    look(widget)
    layer = widget.viewer.layers["cells 1 forest"]
    assert layer.visible
    assert layer.data.max() > 0.5
