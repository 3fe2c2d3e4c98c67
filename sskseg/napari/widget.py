"""The dock widget; all that it does is in the other modules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QWidget,
)

from ..io import write_object_table, write_rois
from ..models import save_model
from .answers import count_objects, most_uncertain
from .forest import ForestView
from .layers import COMPLETE, Layers, names_of
from .session import Session
from .training import Training

_INTERVAL = 100  # milliseconds between two readings of the progress
_HELP = "Paint 1: background, 2: objects, 3 and above: one object each. 0 is unlabeled."


class SegmentationWidget(QWidget):
    """Paint, train, correct, count, in a window of napari.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    session : Session, default=None
        None is a new one of images, whose labels are not saved.
    **parameters
        Of `SemiSupervisedSegmenter`.
    """

    def __init__(self, napari_viewer: Any, session: Session | None = None, **parameters: Any):
        super().__init__()
        self.viewer = napari_viewer
        self.session = Session() if session is None else session
        self.layers, self.forest = Layers(napari_viewer, self.session), ForestView()
        self.training = Training(self.session, **parameters)
        self.answers: dict[str, Any] = {}
        self._shown: Any = None
        self._build()
        self.timer = QTimer(self)
        self.timer.timeout.connect(self.update_progress)
        self.timer.start(_INTERVAL)

    def _build(self):
        form = QFormLayout(self)
        self.message = QLabel(_HELP)
        self.message.setWordWrap(True)
        self.seconds = QSpinBox()
        self.seconds.setRange(5, 36000)
        self.seconds.setValue(60)
        self.bar = QProgressBar()
        form.addRow(self.message)
        self._buttons(form, {
            "Add selected image": self.add_image,
            "Mark complete regions": self.add_complete_regions,
            "Quick answer (forest)": self.answer_quickly,
        })  # fmt: skip
        form.addRow("Seconds of training", self.seconds)
        self._buttons(form, {"Train": self.train})
        form.addRow(self.bar)
        self._buttons(form, {
            "Enough, keep it": self.training.keep, "Cancel": self.training.cancel,
            "Where to paint next": self.show_next, "Count": self.count,
            "Save counts (CSV)": self.save_counts, "Save outlines": self.save_outlines,
            "Save model": self.save_model,
        })  # fmt: skip

    def _buttons(self, form, actions):
        for text, action in actions.items():
            button = QPushButton(text)
            button.clicked.connect(lambda _=False, action=action: self._try(action))
            form.addRow(button)

    def _try(self, action):
        """Show an error as a message; nothing is lost by it."""
        try:
            action()
        except (ValueError, OSError, RuntimeError, KeyError, ImportError) as error:
            self.message.setText(str(error))

    def add_image(self) -> None:
        """Add the selected image layer."""
        layer = self.viewer.layers.selection.active
        if layer is None:
            raise ValueError("Select an Image layer in the list of layers.")
        self.layers.add(layer)
        self.message.setText(_HELP)

    def add_complete_regions(self) -> None:
        """Add a layer of shapes, in which unpainted pixels are background."""
        if COMPLETE not in self.viewer.layers:
            self.viewer.add_shapes(name=COMPLETE, ndim=2)
        self.message.setText("Draw rectangles in which you painted every object.")

    def answer_quickly(self) -> None:
        """Show the probabilities of a forest, of planes."""
        if self.session.kind != "images":
            raise ValueError(f"The forest answers for images, not for {self.session.kind}: train.")
        self.layers.read()
        X, y, _ = self.session.training_data()
        self.forest.fit(list(X), y)
        for name, sample in self.session.samples.items():
            view = self.layers.view(name)
            shown = np.zeros(sample.painted.shape, np.float32)
            shown[view] = self.forest.predict(sample.image, view)
            self.layers.show_probability(name, shown)

    def train(self) -> None:
        """Start to train the network in a thread."""
        self.layers.read()
        if "max_steps" not in self.training.parameters:
            self.training.parameters["time_budget"] = float(self.seconds.value())
        self.training.start()
        self.message.setText("Training. You can paint meanwhile.")

    def update_progress(self) -> None:
        """Show the progress, and the answer of a training that ended."""
        self.bar.setValue(int(100 * self.training.progress))
        if self.training.is_running:
            left = self.training.seconds_left
            self.bar.setFormat("%p %" if left is None else f"%p %, {left:.0f} s left")
        elif self.training.error is not None:
            self.message.setText(str(self.training.error))
        elif self.training.model is not self._shown:
            self._shown = self.training.model
            self._try(self.show_answers)

    def show_answers(self) -> None:
        """Show what the last model predicts."""
        self.answers = self.training.answers
        self.layers.show(self.answers)
        self.message.setText("Click an object for its size. Correct by painting, and train again.")

    def show_next(self) -> None:
        """Select the image of which the model is least certain, and its section."""
        self._model()
        name, section = most_uncertain(self.answers, self.session)
        for layer in (name, f"{name} painted", f"{name} objects"):
            self.viewer.layers[layer].visible = True
        self.viewer.layers.selection.active = self.viewer.layers[f"{name} painted"]
        if section is not None:
            self.viewer.dims.set_current_step(0, section)
        self.message.setText(f"{name}: highest mean uncertainty of the model (entropy).")

    def counts(self) -> Any:
        """Return the counts of all images, as a table."""
        import pandas as pd

        self._model()
        tables = [
            count_objects(self.session.samples[name], answer.labels).assign(image=name)
            for name, answer in self.answers.items()
        ]
        return pd.concat(tables, ignore_index=True)

    def count(self) -> None:
        """Show the counts."""
        table = self.counts()
        lines = [f"{row.image}: {row.objects} objects" for row in table.itertuples()]
        if self.session.complete_annotations() is None:
            lines.append(
                "No complete region is marked: sizes are not calibrated, and fragments count."
            )
        self.message.setText("\n".join(lines))

    def save_counts(self) -> None:
        """Write the counts."""
        table, path = self.counts(), self._path("counts.csv", "CSV (*.csv)")
        if path:
            write_object_table(path, table)

    def save_outlines(self) -> None:
        """Write the outlines of the selected image's objects, for Fiji or QuPath."""
        self._model()
        active = self.viewer.layers.selection.active
        selected = "" if active is None else active.name
        name = next((n for n in self.answers if selected in (n, *names_of(n))), None)
        if name is None:
            raise ValueError(f"Select a layer of an image of the session, got {selected!r}.")
        path = self._path(f"{name}.geojson", "GeoJSON (*.geojson);;ROIs of Fiji (*.zip)")
        if path:
            write_rois(path, self.answers[name].labels)

    def save_model(self) -> None:
        """Write the pipeline."""
        model, path = self._model(), self._path("model.sskseg", "sskseg (*.sskseg)")
        if path:
            save_model(model, path)

    def _model(self):
        if self.training.model is None:
            raise ValueError("There is no model yet: paint, and train.")
        return self.training.model

    def _path(self, name, kinds):
        path, _ = QFileDialog.getSaveFileName(self, "Save", name, kinds)
        return Path(path) if path else None
