"""The panel of training: the network, its progress, where to paint next."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QApplication, QCheckBox, QComboBox, QProgressBar, QSpinBox

from ..starting import STARTS
from ..suggestions import suggest
from .buttons import Panel

_SHOWN = "Click an object for its size. Correct it, or paint, and train again."
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
        self._shown: Any = None  # the model whose answers are shown
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
        self.add_row({
            "Enough, keep it": lambda: window.training.keep(),
            "Cancel": lambda: window.training.cancel(),
        })  # fmt: skip
        self.add_row({"Where to paint next": self.show_next})
        self.column.addStretch()

    def train(self) -> None:
        """Start to train the network in a thread."""
        window = self.window_
        window.layers.read()
        if "max_steps" not in window.training.parameters:
            window.training.parameters["time_budget"] = float(self.seconds.value())
        window.training.start_from = self.start.currentData()
        window.training.with_intervals = self.intervals.isChecked()
        window.training.start()
        window.say("Training. You can paint meanwhile.")

    def update_progress(self) -> None:
        """Show the progress, and the answer of a training that ended."""
        training = self.window_.training
        self.bar.setValue(int(100 * training.progress))
        if training.is_running:
            left = training.seconds_left
            self.bar.setFormat("%p %" if left is None else f"%p %, {left:.0f} s left")
            return
        self.bar.setFormat("%p %")
        if training.error is not None:
            self.window_.say(str(training.error))
        elif training.model is not self._shown:
            self._shown = training.model
            self.window_.attempt(self.show_answers)

    def show_answers(self) -> None:
        """Show what the last model predicts."""
        window = self.window_
        window.session.set_answers(window.training.answers)
        active = window.viewer.layers.selection.active
        window.layers.show(window.session.answers, between=QApplication.processEvents)
        comparison = window.training.comparison
        is_behind = comparison is not None and comparison.is_network_behind
        window.layers.show_one_answer(of_forest=is_behind)
        if is_behind:
            window.viewer.layers.selection.active = active  # one continues to paint
        window.say(_BEHIND.format(comparison) if is_behind else _SHOWN + _start(window.training))

    def show_next(self) -> None:
        """Go to what to label next."""
        window = self.window_
        window.model()
        window.layers.read()
        next_ = suggest(window.session)
        window.layers.go_to(next_.name, next_.section, next_.box)
        where = next_.name if next_.section is None else f"{next_.name}, section {next_.section}"
        window.say(f"{where}: {next_.reason}")


def _start(training):
    name = training.started_from
    return f" The network started from the model {name}." if name else ""
