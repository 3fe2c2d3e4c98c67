"""What all panels have: buttons in rows, and dialogs that choose files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget


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
            button.clicked.connect(lambda _=False, action=action: self.window_.attempt(action))
            row.addWidget(button)
        self.column.addLayout(row)

    def ask_path(self, name: str, kinds: str) -> Path | None:
        """Ask where to save; None if the dialog is canceled."""
        path, _ = QFileDialog.getSaveFileName(self, "Save", name, kinds)
        return Path(path) if path else None
