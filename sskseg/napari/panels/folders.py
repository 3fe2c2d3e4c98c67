"""Where a session is saved, and how it comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import QSettings, QTimer

from ..saving import Saving
from ..session import Session
from ..storage import holds_session, read_index
from .buttons import Panel

_INTERVAL = 2000  # milliseconds between two looks for strokes that are not saved yet
_FOLDER = "folder"


class FoldersPanel(Panel):
    """Choose the folder of a session, and continue an earlier one.

    Parameters
    ----------
    window : SegmentationWidget
    """

    def __init__(self, window: Any):
        super().__init__(window)
        self.state = self.add_text("")
        self.saving, self._has_failed = Saving(window.session), False
        self.add_row({"Save in a folder...": self.save_in, "Continue a session...": self.load})
        self.column.addStretch()
        self.settings = QSettings(
            QSettings.Format.IniFormat, QSettings.Scope.UserScope, "sskseg", "window"
        )
        self.timer = QTimer(self)
        self.timer.timeout.connect(self.save_changes)
        self.timer.start(_INTERVAL)
        self.show_state()

    def show_state(self) -> None:
        """Show where the session is saved."""
        session = self.window_.session
        where = "nowhere yet: choose a folder" if session.folder is None else f"in {session.folder}"
        names = ", ".join(sorted(session.unsaved)) if self._has_failed else ""
        unsaved = f" Not saved: {names}." if names else ""
        self.state.setText(f"Images and labels are saved {where}.{unsaved}")

    def offer_recovery(self) -> None:
        """Say that the last folder holds a session, if it does."""
        folder = self.settings.value(_FOLDER)
        if folder and holds_session(Path(folder)):
            content = read_index(Path(folder))
            self.window_.say(
                f"{folder} holds a session of {len(content['samples'])} {content['kind']}. To "
                "continue it, press 'Continue a session...' in the tab Save."
            )

    def save_in(self) -> None:
        """Ask for a folder, and save all in it."""
        folder = self.ask_folder("Folder of images and labels")
        if folder is not None:
            self.window_.layers.read()
            self.window_.session.save_in(folder)
            self._remember(folder)
            self.window_.say(f"Images and labels are saved in {folder}, as you paint.")

    def load(self) -> None:
        """Ask for a folder, and continue its session."""
        window = self.window_
        if window.session.samples:
            raise ValueError("The session has images: close the widget, and open it again.")
        folder = self.ask_folder("Folder of an earlier session")
        if folder is not None:
            window.use(Session.load(folder))
            window.layers.open_session()
            self._remember(folder)
            window.say(
                f"{len(window.session.samples)} {window.session.kind} of {folder}. Train again for "
                "objects: networks are not saved there."
            )

    def save_changes(self) -> None:
        """Take over strokes and clicks since the last time, and save them in a thread."""
        window = self.window_
        if window.session.folder is None or self.saving.is_running:
            return
        self._show_end(self.saving)
        if window.layers.changes.is_any:
            window.attempt(window.layers.read)
        if window.session.unsaved:
            self.saving = Saving(window.session)
            self.saving.start()

    def _show_end(self, saving):
        """Say that something could not be saved, or that it was after all."""
        had_failed, self._has_failed = self._has_failed, saving.error is not None
        self.show_state()
        if saving.error is not None:
            self.window_.say_error(saving.error)
        elif had_failed:
            self.window_.say("All changes are saved.")

    def save_now(self) -> None:
        """Save all changes, before the window closes."""
        for _ in range(2):  # what is being saved, and what was painted meanwhile
            self.window_.attempt(self.saving.wait)
            self.save_changes()
        self.window_.attempt(self.saving.wait)

    def _remember(self, folder):
        self.settings.setValue(_FOLDER, str(folder))
        self.show_state()
