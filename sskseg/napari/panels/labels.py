"""The panel of labels: images, points, complete regions, files, undo."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QComboBox, QDoubleSpinBox

from ..label_files import load_labels
from ..session import Session
from .buttons import Panel

_KINDS = {"Images": "images", "Stacks of sections": "sections", "Volumes": "volume"}


class LabelsPanel(Panel):
    """Add images, and label them.

    Parameters
    ----------
    window : SegmentationWidget
    """

    def __init__(self, window: Any):
        super().__init__(window)
        self.kind, self.radius = QComboBox(), QDoubleSpinBox()
        self.kind.addItems(list(_KINDS))
        self.kind.activated.connect(lambda _: window.attempt(self.choose_kind))
        self.radius.setRange(0.5, 100)
        self.radius.setValue(3)
        self.radius.valueChanged.connect(lambda _: window.attempt(self.set_radius))
        self.add_field("Kind", self.kind)
        self.add_row({"Add selected images": self.add_images, "Next image": self.show_next_image})
        self.add_row({
            "Click objects": self.add_points, "Mark complete regions": self.add_complete_regions,
        })  # fmt: skip
        self.add_field("Radius of points, pixels", self.radius)
        self.add_row({"Load labels...": self.load_labels, "Remove image": self.remove_image})
        self.add_row({"Undo": self.undo, "Redo": self.redo})
        self.column.addStretch()
        self.show_kind()

    def show_kind(self) -> None:
        """Show the kind of the session."""
        kind = self.window_.session.kind
        self.kind.setCurrentIndex(list(_KINDS.values()).index(kind))

    def choose_kind(self) -> None:
        """Start a session of another kind, as long as there is no image."""
        window, kind = self.window_, _KINDS[self.kind.currentText()]
        if kind == window.session.kind:
            return
        if window.session.samples:
            self.show_kind()
            raise ValueError(
                f"The session has {len(window.session.samples)} {window.session.kind}: for another "
                "kind, close the widget and open it again."
            )
        window.use(Session(window.session.folder, kind=kind))

    def add_images(self) -> None:
        """Add the selected image layers."""
        selected = self.window_.viewer.layers.selection
        chosen = [layer for layer in self.window_.viewer.layers if layer in selected]
        if not chosen:
            raise ValueError("Select Image layers in the list of layers.")
        for layer in chosen:
            self.window_.layers.add(layer)
        self.window_.say_help()

    def show_next_image(self) -> None:
        """Show the next image of the session, and hide the others."""
        window = self.window_
        names = list(window.session.samples)
        if not names:
            raise ValueError("There is no image in the session: add one.")
        shown = window.layers.shown()
        name = names[(names.index(shown[-1]) + 1) % len(names) if shown else 0]
        whole = tuple(slice(0, n) for n in window.session.samples[name].painted.shape[-2:])
        window.layers.go_to(name, None, whole)
        window.say(name)

    def add_points(self) -> None:
        """Add a layer of points to the selected image, one for each object that is clicked."""
        layer = self.window_.layers.add_points(self._selected())
        self.window_.viewer.layers.selection.active = layer
        layer.mode = "add"
        self.window_.say(
            "Click each object once. Where all are clicked or painted, mark a complete region: the "
            "rest is background there, and only there."
        )

    def add_complete_regions(self) -> None:
        """Add a layer of shapes to the selected image, in which the rest is background."""
        layer = self.window_.layers.add_complete(self._selected())
        self.window_.viewer.layers.selection.active = layer
        layer.mode = "add_rectangle"
        self.window_.say("Draw rectangles in which you painted or clicked every object.")

    def _selected(self):
        window = self.window_
        return window.layers.image_of(window.viewer.layers.selection.active)

    def set_radius(self) -> None:
        """Set the radius of points."""
        self.window_.session.set_point_radius(self.radius.value())

    def load_labels(self) -> None:
        """Read a file of labels in place of what is painted on the selected image."""
        window, name = self.window_, self._selected()
        path = self.ask_file(f"Labels of {name}")
        if path is not None:
            window.layers.read()
            found = load_labels(window.session, name, path)
            window.layers.write()
            window.say(f"{path.name}, on {name}: {found.summary}")

    def remove_image(self) -> None:
        """Remove the selected image from the session; its own layer stays."""
        window, name = self.window_, self._selected()
        window.layers.remove(name)
        kept = "" if window.session.folder is None else " Its files stay in the folder."
        window.say(f"{name!r} is no longer in the session.{kept}")

    def undo(self) -> None:
        """Take back the last stroke, click or correction."""
        self.window_.attempt(self.window_.layers.read)  # a layer that was deleted comes back
        self._show(self.window_.session.undo(), "undo")

    def redo(self) -> None:
        """Repeat what was taken back."""
        self._show(self.window_.session.redo(), "redo")

    def _show(self, name, what):
        with self.window_.layers.changes.of_program():
            self.window_.layers.write()
        self.window_.answers.write()
        self.window_.say(f"There is nothing to {what}." if name is None else f"{name}: {what}.")
