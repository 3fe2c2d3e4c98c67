"""The panel of labels: images, complete regions."""

from __future__ import annotations

from typing import Any

from ..layers import COMPLETE
from .buttons import Panel


class LabelsPanel(Panel):
    """Add images, and say where labels are complete.

    Parameters
    ----------
    window : SegmentationWidget
    """

    def __init__(self, window: Any):
        super().__init__(window)
        self.add_row({"Add selected image": self.add_image})
        self.add_row({"Mark complete regions": self.add_complete_regions})
        self.column.addStretch()

    def add_image(self) -> None:
        """Add the selected image layer."""
        layer = self.window_.viewer.layers.selection.active
        if layer is None:
            raise ValueError("Select an Image layer in the list of layers.")
        self.window_.layers.add(layer)
        self.window_.say_help()

    def add_complete_regions(self) -> None:
        """Add a layer of shapes, in which unpainted pixels are background."""
        if COMPLETE not in self.window_.viewer.layers:
            self.window_.viewer.add_shapes(name=COMPLETE, ndim=2)
        self.window_.say("Draw rectangles in which you painted every object.")
