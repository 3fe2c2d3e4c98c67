"""The panel of training: the network, its progress, where to paint next."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain
from typing import Any

from qtpy.QtWidgets import QCheckBox, QComboBox, QProgressBar, QSpinBox

from ..layers import FOREST, OBJECTS
from ..starting import STARTS
from ..suggestions import Suggesting
from .buttons import Panel, is_dragging

_PAUSE = 1  # seconds without a stroke after which the layers of hidden images are added
_SHOWN = (
    "Move the mouse over an object: its size is in the status bar. Correct it, or paint, and train "
    "again."
)
_BEHIND = (
    "{} The answer of the forest stays, and the objects of the network are hidden: train longer."
)


class TrainingPanel(Panel):
    """Train, and show what the model predicts.

    Parameters
    ----------
    window : SegmentationWidget
    """

    def __init__(self, window: Any):
        super().__init__(window)
        self._is_preparing = False  # a training, by adding layers
        self._is_awaited = False  # the end of a training
        self._steps: Iterator[None] = iter(())  # of adding and showing layers
        self.suggesting, self._is_suggesting = Suggesting(), False
        self.seconds, self.bar = QSpinBox(), QProgressBar()
        self.seconds.setRange(5, 36000)
        self.seconds.setValue(60)
        self.add_field("Seconds of training", self.seconds)
        self.start = QComboBox()
        self.start.addItem("what fits the strokes", "auto")
        self.start.addItem("random weights", None)
        for name in STARTS:
            self.start.addItem(f"the model {name}", name)
        self.add_field("Start from", self.start)
        self.intervals = QCheckBox("Intervals of counts: train four times")
        self.column.addWidget(self.intervals)
        self.add_row({"Train": self.train})
        self.column.addWidget(self.bar)
        self.add_row({"Enough, keep it": self.keep, "Cancel": self.cancel})
        self.add_row({"Where to paint next": self.find_next})
        self.column.addStretch()

    def train(self) -> None:
        """Start to train the network in a thread, once the layers of its answers are there."""
        window = self.window_
        if self._is_preparing:
            raise RuntimeError("A training is about to start.")
        window.layers.read()
        window.training.check()
        if "max_steps" not in window.training.parameters:
            window.training.parameters["time_budget"] = float(self.seconds.value())
        window.training.start_from = self.start.currentData()
        window.training.with_intervals = self.intervals.isChecked()
        self._is_preparing, shown = True, window.layers.shown()
        self._steps = chain(window.forest_panel.prepare(), window.answers.prepare(shown))
        window.say("Training. You can paint meanwhile.")

    def keep(self) -> None:
        """End the training, and keep the network."""
        if not self.window_.training.is_running:
            raise ValueError("No training runs.")
        self.window_.training.keep()

    def cancel(self) -> None:
        """End the training; the model before it stays."""
        if not (self._is_preparing or self.window_.training.is_running):
            raise ValueError("No training runs.")
        self.window_.training.cancel()
        if self._is_preparing:
            self._is_preparing = False
            self._say_canceled()

    def update_progress(self) -> None:
        """Show the progress, the answer of a training that ended, and a layer of it a call."""
        training = self.window_.training
        self.show_progress(self.bar, training)
        if is_dragging():
            return
        if self._is_suggesting and not self.suggesting.is_running:
            self._is_suggesting = False
            self.window_.attempt(self._show_next)
        elif self._has_step():
            return
        if self._is_preparing:
            self._is_preparing, self._is_awaited = False, True
            self.window_.attempt(training.start)
        elif not training.is_running and self._is_awaited:
            self._is_awaited = False
            self._show_end(training)
        elif not training.is_running:
            self._show_hidden()

    def _has_step(self):
        """Add or show a layer, if one is waiting: napari needs a while for each."""
        if next(self._steps, self) is not self:
            return True
        shown = self.window_.layers.shown()
        return self._show([name for name in self.window_.answers.outdated() if name in shown])

    def _show_hidden(self):
        """Show the answers of hidden images, as long as nobody paints."""
        if time.monotonic() - self.window_.layers.changes.time > _PAUSE:
            self._show(self.window_.answers.outdated()[:1])

    def _show(self, names):
        self._steps = chain.from_iterable(map(self.window_.answers.show, names))
        return bool(names)

    def _show_end(self, training):
        if training.error is not None:
            self.window_.say_error(training.error)
        elif training.is_canceled:
            self._say_canceled()
        else:
            self.show_answers()

    def _say_canceled(self):
        has_model = self.window_.training.model is not None
        self.window_.say(f"Canceled.{' The model before stays.' if has_model else ''}")

    def show_answers(self) -> None:
        """Show what the last model predicts."""
        window = self.window_
        window.session.set_answers(window.training.answers)
        comparison = window.training.comparison
        is_behind = comparison is not None and comparison.is_network_behind
        self._steps = self._show_network(is_behind)
        window.say(_BEHIND.format(comparison) if is_behind else _SHOWN + _start(window.training))

    def _show_network(self, is_behind):
        """Show the objects and hide the forest, or the other way round: they overlap."""
        layers = self.window_.layers
        layers.set_visible(OBJECTS, not is_behind)
        yield
        yield from chain.from_iterable(map(self.window_.answers.show, layers.shown()))
        layers.set_visible(FOREST, is_behind)
        yield
        if not is_behind and time.monotonic() - layers.changes.time > _PAUSE:
            self._select_objects()  # otherwise one continues to paint

    def _select_objects(self):
        layers = self.window_.viewer.layers
        for name in self.window_.layers.shown():
            if name + OBJECTS in layers:
                layers.selection.active = layers[name + OBJECTS]

    def find_next(self) -> None:
        """Look for what to label next, and go there once it is found."""
        window = self.window_
        window.model()
        if self.suggesting.is_running:
            return
        window.layers.read()
        self._is_suggesting = True
        self.suggesting.start(window.session)
        window.say("Looking for what to paint next.")

    def _show_next(self):
        window = self.window_
        self.suggesting.wait()  # raises what ended it
        next_ = self.suggesting.suggestion
        if next_ is None or next_.name not in window.session.samples:
            raise ValueError("The image was removed meanwhile: press the button again.")
        window.layers.go_to(next_.name, next_.section, next_.box)
        where = next_.name if next_.section is None else f"{next_.name}, section {next_.section}"
        window.say(f"{where}: {next_.reason}")


def _start(training):
    name = training.started_from
    return f" The network started from the model {name}." if name else ""
