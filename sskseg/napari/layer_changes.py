"""Where layers of napari were changed since they were read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from .boxes import Box, union, whole_box


class LayerChanges:
    """Note where layers are changed: a stroke is read without the rest of a large image.

    Parameters
    ----------
    viewer : napari.Viewer or napari.components.ViewerModel

    Attributes
    ----------
    time : float
        When somebody last changed one, seconds of a monotonic clock; 0 before the first time.
    """

    def __init__(self, viewer: Any):
        self.viewer, self.time = viewer, 0.0
        self._boxes: WeakKeyDictionary[Any, list[Box]] = WeakKeyDictionary()
        self._shown: WeakKeyDictionary[Any, tuple] = WeakKeyDictionary()

    @property
    def is_any(self) -> bool:
        """Whether a layer was changed since it was read."""
        return any(self._boxes.values())

    @contextmanager
    def of_program(self) -> Iterator[None]:
        """Leave `time` as it is: nobody paints what changes meanwhile."""
        time_before = self.time
        try:
            yield
        finally:
            self.time = time_before

    def watch(self, layer: Any) -> None:
        """Note the changes of a layer from now on, all of which is to be read first."""
        if layer in self._boxes:
            return
        self._boxes[layer], self._shown[layer] = [whole_box(_shape(layer))], self._place(layer)
        layer.events.data.connect(lambda event: self._note(event.source))
        if type(layer).__name__ == "Labels":
            layer.events.paint.connect(self._note_stroke)
            layer.events.set_data.connect(self._note_drawn)
            layer.events.visible.connect(self._note_visible)

    def box(self, layer: Any) -> Box | None:
        """Return the box of all changes of a layer; None if there is none."""
        self.watch(layer)
        return union(self._boxes[layer])

    def forget(self, layer: Any) -> None:
        """Forget the changes of a layer: they were read."""
        self._boxes[layer] = []

    def _note(self, layer, box=None):
        self.time = time.monotonic()
        self._boxes[layer].append(whole_box(_shape(layer)) if box is None else box)

    def _note_stroke(self, event):
        self._note(event.source, union(map(_box_of, event.value)))

    def _note_drawn(self, event):
        """Note that anything may have changed, as by napari's own undo, unless the view moved."""
        layer = event.source
        before, self._shown[layer] = self._shown[layer], self._place(layer)
        if before == self._shown[layer]:
            self._note(layer)
        elif before[1:] == self._shown[layer][1:]:  # shown again: it may have changed while hidden
            self._boxes[layer].append(whole_box(_shape(layer)))

    def _note_visible(self, event):
        self._shown[event.source] = self._place(event.source)

    def _place(self, layer):
        dims = self.viewer.dims
        return (layer.visible, *dims.point, *dims.order, dims.ndisplay)


def _shape(layer):
    return getattr(layer.data, "shape", ())


def _box_of(atom):
    """Return the box of an entry of the history of a layer of labels."""
    if hasattr(atom, "slice_key"):  # of napari 0.9 and later
        return tuple(atom.slice_key)
    return tuple(slice(int(each.min()), int(each.max()) + 1) for each in atom[0])
