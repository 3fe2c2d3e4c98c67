"""The answer while one paints: a check box, and what the forest says."""

from __future__ import annotations

import time
from typing import Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication, QCheckBox

from ..forest import ForestView
from ..forest_layers import ForestLayers
from .buttons import Panel

_INTERVAL = 50  # milliseconds between two looks for strokes and answers
_PAUSE = 0.15  # seconds without a change after which the forest is asked


class ForestPanel(Panel):
    """Answer while one paints.

    Parameters
    ----------
    window : SegmentationWidget
    """

    def __init__(self, window: Any):
        super().__init__(window)
        self._start()
        self._last: Any = None
        self.checked = QCheckBox("Answer while painting (forest, green)")
        self.checked.setChecked(True)
        self.checked.toggled.connect(self.switch)
        self.column.addWidget(self.checked)
        self.state = self.add_text("")
        self.timer = QTimer(self)
        self.timer.timeout.connect(lambda: window.attempt(self.update_answer))
        self.timer.start(_INTERVAL)

    def _start(self):
        self.forest = ForestView(self.window_.session)
        self.answers = ForestLayers(self.window_.layers)
        self._asked: Any = None  # for what: the time of the last change, and the views

    def switch(self, is_on: bool) -> None:
        """Show or hide the answers."""
        self.answers.set_visible(is_on)
        self._asked = None

    def update_answer(self) -> None:
        """Ask for an answer after a stroke or a move, and show those that are there."""
        window = self.window_
        if self.forest.session is not window.session:
            self._start()
        # What changes while a shape is dragged ends the drag.
        is_dragging = QApplication.mouseButtons() != Qt.MouseButton.NoButton
        if is_dragging or not self.checked.isChecked() or not window.session.samples:
            return
        self.answers.show(self.forest.take())
        self._say("" if self.forest.error is None else str(self.forest.error))
        now = (window.layers.last_change, self.answers.views())
        is_still = now == self._last and time.monotonic() - window.layers.last_change > _PAUSE
        self._last = now
        if is_still and now != self._asked and window.layers.last_change:
            asked, self._asked = self._asked, now
            window.layers.read()
            if asked is None or self.forest.is_outdated or now[1].keys() != asked[1].keys():
                self.answers.set_visible(True)  # not after a move alone
            self.forest.request(now[1])

    def _say(self, text):
        if text != self.state.text():
            self.state.setText(text)
            # A panel within a layout gets no room for lines that wrap.
            height = self.state.heightForWidth(self.state.width()) if text else 0
            self.state.setMinimumHeight(max(height, 0))
