"""The answer while one paints: a check box, and what the forest says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QCheckBox

from ..forest import ForestView
from ..forest_layers import ForestLayers
from ..layers import FOREST
from .buttons import Panel, is_dragging

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
        self._asked: Any = None  # for what: the time of the last stroke, the views, the versions

    def switch(self, is_on: bool) -> None:
        """Show or hide the answers, and what is said of them."""
        self.window_.layers.set_visible(FOREST, is_on)
        self._asked = None
        self._say("")

    def prepare(self) -> Iterator[None]:
        """Add the layers of answers that are missing, one a step; see `AnswerLayers`."""
        for name in self.answers.missing() if self.checked.isChecked() else ():
            self.answers.add(name)
            yield

    def update_answer(self) -> None:
        """Ask for an answer after a stroke or a move, and show those that are there."""
        window = self.window_
        if self.forest.session is not window.session:
            self._start()
        if is_dragging() or not self.checked.isChecked() or not window.session.samples:
            return
        if not window.training.is_running and next(self.prepare(), self) is not self:
            return  # a layer a call
        self.answers.show(self.forest.take())
        self._say("" if self.forest.error is None else str(self.forest.error))
        now = (window.layers.changes.time, self.answers.views(), self._versions())
        is_still = now == self._last and time.monotonic() - now[0] > _PAUSE
        self._last = now
        if is_still and now != self._asked and now[0]:
            window.layers.read()
            is_stroke = self._asked is None or now[0] > self._asked[0]
            if is_stroke and self.forest.is_outdated:  # not after a move or a correction alone
                window.layers.set_visible(FOREST, True)
            self._asked = (*now[:2], self._versions())
            self.forest.request(now[1])

    def _versions(self):
        return {name: each.version for name, each in self.window_.session.samples.items()}

    def _say(self, text):
        if text != self.state.text():
            self.state.setText(text)
            # A panel within a layout gets no room for lines that wrap.
            height = self.state.heightForWidth(self.state.width()) if text else 0
            self.state.setMinimumHeight(max(height, 0))
