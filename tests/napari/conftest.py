"""What the tests of the window share."""

import random

import pytest


@pytest.fixture
def open_widget():
    """Open the widget on images, all of which are added; the test is the clock."""
    from napari.components import ViewerModel
    from qtpy.QtWidgets import QApplication

    from sskseg.napari import Session
    from sskseg.napari.widget import SegmentationWidget

    application = QApplication.instance() or QApplication([])
    state, opened = random.getstate(), []

    def open_on(images, **parameters):
        widget = SegmentationWidget(ViewerModel(), Session(), **parameters)
        opened.append(widget)
        for timer in (widget.timer, widget.forest_panel.timer, widget.folders_panel.timer):
            timer.stop()
        for i, image in enumerate(images):
            widget.viewer.add_image(image, name=f"cells {i}")
        widget.viewer.layers.selection = set(widget.viewer.layers)
        widget.labels_panel.add_images()
        return widget

    yield open_on
    for widget in opened:
        widget.close()
    application.processEvents()
    random.setstate(state)  # napari draws from it
