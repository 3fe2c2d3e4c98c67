"""The dock widget: a message above panels; all that they do is in the other modules."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtWidgets import QFrame, QLabel, QScrollArea, QTabWidget, QVBoxLayout, QWidget

from .answer_layers import AnswerLayers
from .layers import Layers
from .panels import (
    CorrectionsPanel,
    ExportPanel,
    FoldersPanel,
    ForestPanel,
    LabelsPanel,
    ResultsPanel,
    TrainingPanel,
)
from .session import Session
from .training import Training

_INTERVAL = 100  # milliseconds between two readings of the progress
_LINES = 8  # of a message, for which there is room; one scrolls to others
_WIDTH = 400  # pixels, at first
_START = "Open images, select their layers, and press 'Add selected images'."
_HELP = (
    "Paint some background with label 1 and some objects with "
    "label 2; 3 and above are one object each. What you leave out (0) is unlabeled."
)


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
        # napari gives plugins a proxy, whose layers are of no class of napari's.
        self.viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.session = Session() if session is None else session
        self.session.saves_at_once = False  # but in a thread
        self.layers = Layers(self.viewer, self.session)
        self.answers = AnswerLayers(self.layers)
        self.training = Training(self.session, **parameters)
        self._hint, self._error_time = _START, 0.0
        self.message = QLabel(_START)
        self.message.setWordWrap(True)
        self.message.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.labels_panel = LabelsPanel(self)
        self.forest_panel = ForestPanel(self)
        self.training_panel = TrainingPanel(self)
        self.corrections_panel = CorrectionsPanel(self)
        self.results_panel = ResultsPanel(self)
        self.export_panel = ExportPanel(self)
        self.folders_panel = FoldersPanel(self)
        self._build()
        self.timer = QTimer(self)
        self.timer.timeout.connect(self._update)
        self.timer.start(_INTERVAL)
        if session is None:
            self.attempt(self.folders_panel.offer_recovery)

    def use(self, session: Session) -> None:
        """Replace the session, which has no images."""
        session.saves_at_once = False
        self.session = session
        self.layers = Layers(self.viewer, session)
        self.answers = AnswerLayers(self.layers)
        self.training = Training(session, **self.training.parameters)
        self.labels_panel.show_kind()

    def _build(self):
        column, self.tabs = QVBoxLayout(self), QTabWidget()
        self.tabs.addTab(self.labels_panel, "Label")
        self.tabs.addTab(self.training_panel, "Train")
        self.tabs.addTab(self.corrections_panel, "Correct")
        self.tabs.addTab(self.results_panel, "Count")
        self.tabs.addTab(self.export_panel, "Export")
        self.tabs.addTab(self.folders_panel, "Save")
        column.addWidget(self._message_area())
        column.addWidget(self.forest_panel)
        column.addWidget(self.tabs)

    def _message_area(self):
        """The message, of one height: the panels stay where they are when it changes."""
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setFixedHeight(_LINES * self.message.fontMetrics().lineSpacing())
        area.setWidget(self.message)
        return area

    def sizeHint(self) -> QSize:
        """Return the size at first."""
        return QSize(_WIDTH, super().sizeHint().height())

    def _update(self):
        self.training_panel.update_progress()
        if 0 < self._error_time < self.layers.changes.time:
            self.say(self._hint)  # what was wrong was painted or clicked, perhaps

    def attempt(self, action: Callable[[], Any]) -> None:
        """Run an action, and show its error as a message; nothing is lost by it."""
        try:
            action()
        except (ValueError, OSError, RuntimeError, KeyError, ImportError) as error:
            self.say_error(error)

    def press(self, action: Callable[[], Any]) -> None:
        """Run the action of a button; an error that an earlier one showed is no longer shown."""
        if self._error_time:
            self.say(self._hint)
        self.attempt(action)

    def say(self, text: str) -> None:
        """Show a message."""
        self._hint, self._error_time = text, 0.0
        self.message.setText(text)

    def say_error(self, error: Exception) -> None:
        """Show an error, until something is painted or pressed."""
        self._error_time = time.monotonic()
        self.message.setText(str(error))

    def say_help(self) -> None:
        """Show how to paint."""
        self.say(_HELP)

    def model(self) -> Any:
        """Return the last model."""
        if self.training.model is None:
            raise ValueError("There is no model yet: paint, and train.")
        return self.training.model

    def hideEvent(self, event: Any) -> None:
        """Save what is not saved yet, before the window closes."""
        self.folders_panel.save_now()
        super().hideEvent(event)
