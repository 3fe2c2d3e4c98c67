"""The panel of corrections: split, merge and delete objects."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..corrections import correct
from ..places import Places
from .buttons import Panel

_HELP = (
    "Press 'Click places' and click objects of the answer: two places or more in one object to "
    "split it, one in each of several to merge or delete them. Without places, the object selected "
    "in the layer of objects is deleted. Corrections are labels of the next training, whose answer "
    "replaces them."
)


class CorrectionsPanel(Panel):
    """Correct objects of the answer.

    Parameters
    ----------
    window : SegmentationWidget
    """

    def __init__(self, window: Any):
        super().__init__(window)
        self.add_text(_HELP)
        self.add_row({"Click places": self.click_places})
        self.add_row({
            "Split": partial(self.correct, "split"), "Merge": partial(self.correct, "merge"),
            "Delete": partial(self.correct, "delete"),
        })  # fmt: skip
        self.add_row({
            "Undo": lambda: window.labels_panel.undo(), "Redo": lambda: window.labels_panel.redo(),
        })  # fmt: skip
        self.column.addStretch()

    def click_places(self) -> None:
        """Add the layer of places to correct, ready to click."""
        viewer, layers = self.window_.viewer, self.window_.layers
        name = layers.image_of(viewer.layers.selection.active)
        layers.show_only(name)
        layer = Places(layers).layer(name)
        viewer.layers.selection.active = layer
        layer.mode = "add"
        self.window_.say("Click places, then press Split, Merge or Delete.")

    def correct(self, action: str) -> None:
        """Correct the objects at the places.

        Parameters
        ----------
        action : {"split", "merge", "delete"}
        """
        window = self.window_
        window.model()
        window.layers.read()
        places = Places(window.layers)
        name = window.layers.image_of(window.viewer.layers.selection.active)
        answer = correct(window.session, name, action, places.of(name))
        places.forget()
        with window.layers.changes.of_program():  # the forest stays hidden
            window.layers.write()
        window.answers.write()
        window.say(f"{name}: {action}; {len(answer.table)} objects now.")
