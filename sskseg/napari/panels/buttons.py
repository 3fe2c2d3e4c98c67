"""What all panels have: buttons in rows, and dialogs that ask for files and texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QApplication,
    QFileDialog,
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from ..task import Task


class Panel(QWidget):
    """A tab of the widget.

    Parameters
    ----------
    window : SegmentationWidget
        Has the viewer, the session, the layers, the training and the message.
    """

    def __init__(self, window: Any):
        super().__init__()
        self.window_ = window
        self.column = QVBoxLayout(self)

    def add_row(self, actions: dict[str, Callable[[], Any]]) -> None:
        """Add a row of buttons; an error of an action is shown as a message.

        Parameters
        ----------
        actions : dict of callable
            By the text of the button.
        """
        row = QHBoxLayout()
        for text, action in actions.items():
            button = QPushButton(text)
            button.clicked.connect(lambda _=False, action=action: self.window_.press(action))
            row.addWidget(button)
        self.column.addLayout(row)

    def add_field(self, text: str, field: QWidget) -> None:
        """Add a row of a text and what is chosen."""
        row = QHBoxLayout()
        row.addWidget(QLabel(text))
        row.addWidget(field)
        self.column.addLayout(row)

    def add_text(self, text: str) -> QLabel:
        """Add lines of text."""
        label = QLabel(text)
        label.setWordWrap(True)
        # The panel decides how wide it is: a long text would take the room of the images.
        label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.column.addWidget(label)
        return label

    def show_progress(self, bar: QProgressBar, task: Task) -> None:
        """Show in a bar how much of a task is done, and the time that is left."""
        left = task.seconds_left if task.is_running else None
        bar.setValue(int(100 * task.progress))
        bar.setFormat("%p %" if left is None else f"%p %, {left:.0f} s left")

    def ask_path(self, name: str, kinds: str) -> Path | None:
        """Ask where to save; None if the dialog is canceled."""
        path, _ = QFileDialog.getSaveFileName(self, "Save", name, kinds)
        return Path(path) if path else None

    def ask_file(self, title: str, kinds: str = "") -> Path | None:
        """Ask for a file to open; None if the dialog is canceled."""
        path, _ = QFileDialog.getOpenFileName(self, title, "", kinds)
        return Path(path) if path else None

    def ask_folder(self, title: str) -> Path | None:
        """Ask for a folder; None if the dialog is canceled."""
        path = QFileDialog.getExistingDirectory(self, title)
        return Path(path) if path else None

    def ask_text(self, title: str, question: str, default: str = "") -> str | None:
        """Ask for a text; None if the dialog is canceled."""
        text, is_given = QInputDialog.getText(self, title, question, text=default)
        return text if is_given else None


def is_dragging() -> bool:
    """Return whether a button of the mouse is pressed: what changes then ends a drag."""
    return QApplication.mouseButtons() != Qt.MouseButton.NoButton
