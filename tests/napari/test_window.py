"""Layers, and the window itself where there is a display."""

import os
import random
import warnings
from dataclasses import replace

import numpy as np
import pytest

with warnings.catch_warnings():  # of npe2 about pydantic
    warnings.simplefilter("ignore", DeprecationWarning)
    # Not "napari": where it is not installed, this folder would be taken for it.
    pytest.importorskip("napari.components", exc_type=ImportError)
    import napari
    from napari.components import ViewerModel
    from napari.layers import Image

from sskseg.datasets import make_cells
from sskseg.io import read_rois
from sskseg.morphology import measure_objects
from sskseg.napari import Session
from sskseg.napari.files import write_shape_layer
from sskseg.napari.layers import Layers

SMALL = {"width": 4, "depth": 1, "max_steps": 8, "random_state": 0}


@pytest.fixture
def viewer():
    return ViewerModel()


def test_layers_become_samples(viewer):
    X, y = make_cells(1, (64, 64), random_state=0)
    layers = Layers(viewer, Session())
    image = viewer.add_image(X[0], name="cells", scale=(0.5, 0.5), units=("um", "um"))
    sample = layers.add(image)
    assert sample.spacing == (0.5, 0.5)
    viewer.layers["cells painted"].data = np.where(y[0] > 10, y[0] + 2, 0)
    corners = [[8, 8], [8, 40], [40, 40], [40, 8]]
    layers.add_complete("cells").add(np.array(corners))
    layers.read()
    label = layers.session.samples["cells"].y
    assert label[50, 50] == -1 or y[0, 50, 50] > 0
    assert (label[10:30, 10:30] >= 0).all()


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Image([np.zeros((64, 64)), np.zeros((32, 32))], multiscale=True), "is multiscale"),
        (Image(np.zeros((2, 3, 8, 8))), "must have 2 axes for images, got 4"),
    ],
    ids=["multiscale", "4-D"],
)
def test_unsuitable_layers_are_refused(viewer, layer, message):
    viewer.add_layer(layer)
    with pytest.raises(ValueError, match=message):
        Layers(viewer, Session()).add(layer)


def test_channels_of_rgb_are_channels(viewer):
    layer = viewer.add_image(np.random.default_rng(0).random((8, 9, 3)), rgb=True)
    sample = Layers(viewer, Session()).add(layer)
    assert sample.image.shape == (8, 9, 3)
    assert sample.painted.shape == (8, 9)


def test_shapes_of_sections_are_complete_in_their_section(viewer):
    layers = Layers(viewer, Session(kind="sections"))
    stack = np.random.default_rng(0).random((3, 20, 30))
    layers.add(viewer.add_image(stack, name="stack"))
    square = np.array([[1, 2.5, 3.5], [1, 2.5, 9.5], [1, 7.5, 9.5], [1, 7.5, 3.5]])
    layers.add_complete("stack").add(square, shape_type="rectangle")
    layers.read()
    complete = layers.session.samples["stack"].complete
    assert complete.sum((1, 2)).tolist() == [0, 30, 0]
    assert complete[1, 3:8, 4:10].all()


def test_what_was_complete_is_drawn_as_exactly_these_pixels(viewer):
    session = Session()
    session.add("a", np.random.default_rng(0).random((20, 30)))
    complete = np.zeros((20, 30), bool)
    complete[2:9, 3:30] = complete[5:20, 0:8] = True
    session.paint("a", np.zeros((20, 30), int), complete, points=np.array([[3.0, 4.0]]))
    layers = Layers(viewer, session)
    layers.open_session()
    layers.read()
    assert (session.samples["a"].complete == complete).all()
    assert session.undo() == "a"  # so that reading it changed nothing
    assert not session.samples["a"].complete.any()
    layers.write()
    layers.read()
    assert not session.samples["a"].complete.any()


def test_a_layer_that_was_deleted_or_replaced_loses_nothing(viewer):
    session = Session()
    layers = Layers(viewer, session)
    for name in "ab":
        layers.add(viewer.add_image(np.random.default_rng(0).random((20, 30)), name=name))
    viewer.layers["b painted"].data = np.ones((20, 30), int)
    viewer.layers["a painted"].data = np.ones((5, 5), int)
    with pytest.raises(ValueError, match="painted must have the shape of 'a'"):
        layers.read()
    assert (session.samples["b"].painted == 1).all()
    del viewer.layers["a painted"]
    with pytest.raises(ValueError, match="The layer 'a painted' is missing"):
        layers.read()
    layers.write()
    layers.read()
    assert viewer.layers["a painted"].data.shape == (20, 30)


def test_an_action_is_on_the_image_of_the_layer_or_the_one_that_is_visible(viewer):
    layers = Layers(viewer, Session())
    for name in "ab":
        layers.add(viewer.add_image(np.random.default_rng(0).random((20, 30)), name=name))
    assert layers.image_of(viewer.layers["a painted"]) == "a"
    assert layers.image_of(None) == "b"  # which hides the one before
    viewer.layers["a"].visible = True
    with pytest.raises(ValueError, match="and 2 images are visible"):
        layers.image_of(viewer.add_points(name="other"))


def test_shapes_are_written(tmp_path):
    square = np.array([[1.5, 1.5], [1.5, 8.5], [8.5, 8.5], [8.5, 1.5]])
    meta = {"name": "areas", "features": {"name": ["left", "right"]}, "shape_type": "polygon"}
    path = str(tmp_path / "areas.geojson")
    write_shape_layer(path, [square, square + [0, 10]], meta)
    _, (rois,) = read_rois(path, (12, 20))
    assert rois.table["name"].tolist() == ["left", "right"]
    assert (rois.labels > 0).sum() == 2 * 49
    with pytest.raises(ValueError, match="shapes that overlap"):
        write_shape_layer(path, [square, square + 1], meta)


def wait(milliseconds=50):
    """Run the event loop."""
    from qtpy.QtCore import QEventLoop, QTimer

    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec_()


def until(is_done):
    """Run the event loop until something is done; a minute at most."""
    for _ in range(1200):
        if is_done():
            return
        wait()
    raise AssertionError("it was not done within a minute")


def train(widget):
    """Press "Train", and wait until the answers of all images are shown."""
    panel, model = widget.training_panel, widget.training.model
    panel.train()
    until(lambda: widget.training.model is not model and not panel._is_awaited)
    widget.training.wait()
    until(lambda: not widget.answers.outdated())


def test_a_session_in_the_window(tmp_path, monkeypatch):
    if not os.environ.get("DISPLAY"):
        pytest.skip("there is no display: run it under xvfb-run -a")
    from sskseg.models import load_model
    from sskseg.napari.widget import SegmentationWidget

    state = random.getstate()
    viewer = napari.Viewer(show=True)
    try:
        X, y = make_cells(2, (64, 64), random_state=0)
        widget = SegmentationWidget(viewer, Session(tmp_path), **SMALL)
        viewer.window.add_dock_widget(widget)
        widget.attempt(widget.labels_panel.add_images)
        assert "Select Image layers" in widget.message.text()
        for i, image in enumerate(X):
            viewer.layers.selection.active = viewer.add_image(image, name=f"cells {i}")
            widget.labels_panel.add_images()
        widget.attempt(widget.training_panel.train)
        assert "Nothing is painted" in widget.message.text()
        widget.labels_panel.show_next_image()
        assert viewer.layers["cells 0"].visible
        assert not viewer.layers["cells 1"].visible
        viewer.layers["cells 0 painted"].data = np.where(y[0] > 0, y[0] + 2, 1)
        # The answer comes by itself.
        until(lambda: "cells 0 forest" in viewer.layers)
        until(lambda: viewer.layers["cells 0 forest"].data.max() > 0.5)
        widget.forest_panel.forest.wait()
        widget.forest_panel.update_answer()
        mask = viewer.layers["cells 0 forest"].data > 0.5
        assert (mask == (y[0] > 0)).mean() > 0.9
        assert viewer.layers.selection.active.name == "cells 0 painted"
        train(widget)
        assert "cells 1 objects" in viewer.layers
        assert "index" in viewer.layers["cells 1 objects"].features
        widget.attempt(widget.results_panel.count)
        assert "No count yet: mark a region" in widget.message.text()
        viewer.layers.selection.active = viewer.layers["cells 0"]
        widget.labels_panel.add_complete_regions()
        viewer.layers["cells 0 complete"].add(np.array([[-1, -1], [-1, 64], [64, 64], [64, -1]]))
        train(widget)
        widget.results_panel.count()
        assert "cells 1, whole image: " in widget.message.text()
        assert "No interval: 9 rectangular complete regions are needed" in widget.message.text()
        widget.training_panel.find_next()
        until(lambda: not widget.training_panel._is_suggesting)
        assert viewer.layers.selection.active.name == "cells 1 painted"
        first = widget.training.model
        widget.training.parameters["max_steps"] = 10**6
        widget.training_panel.train()
        until(lambda: widget.training.is_running)
        widget.training_panel.cancel()
        until(lambda: "Canceled" in widget.message.text())
        assert widget.training.model is first
        labels = y[1].astype(np.int32)
        answer = replace(
            widget.session.answers["cells 1"], labels=labels, table=measure_objects(labels)
        )
        widget.session.set_answers({"cells 1": answer})  # in which there are objects for sure
        until(lambda: not widget.answers.outdated())
        objects = viewer.layers["cells 1 objects"]
        number, n = int(y[1].max()), len(np.unique(y[1])) - 1
        viewer.layers.selection.active = objects
        widget.corrections_panel.click_places()
        viewer.layers["places to correct"].add(np.argwhere(y[1] == number)[0])
        widget.corrections_panel.correct("delete")
        assert f"{n - 1} objects now" in widget.message.text()
        assert not (objects.data == number).any()
        results, export = widget.results_panel, widget.export_panel
        for panel in (results, export):
            monkeypatch.setattr(panel, "ask_path", lambda name, kinds: tmp_path / name)
        for action in (results.save_counts, export.save_model, export.save_outlines):
            action()
        assert (tmp_path / "counts.csv").read_text().startswith("image,region")
        assert (tmp_path / "cells 1.geojson").exists()
        assert len(load_model(tmp_path / "model.sskseg").steps) == 3
        _, plugin = viewer.window.add_plugin_dock_widget("sskseg", "Segment and count")
        viewer.layers.selection = {viewer.layers["cells 0"], viewer.layers["cells 1"]}
        plugin.labels_panel.add_images()
        assert list(plugin.session.samples) == ["cells 0", "cells 1"]
    finally:
        viewer.close()
        random.setstate(state)  # napari draws from it
