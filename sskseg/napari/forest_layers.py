"""Answers of the forest as layers of napari, and what is in view."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .forest import Part, View
from .layers import FOREST, Layers


class ForestLayers:
    """Show what the forest answers.

    Parameters
    ----------
    layers : Layers
    """

    def __init__(self, layers: Layers):
        self.layers = layers

    def show(self, parts: Sequence[Part]) -> None:
        """Show answers of the forest, tiles of probabilities, below what is painted."""
        for name in dict.fromkeys(part.name for part in parts):
            layer = self._layer(name)
            for part in parts:
                if part.name == name:
                    layer.data[part.place] = part.probability
            layer.refresh(extent=False, highlight=False)

    def _layer(self, name):
        if name + FOREST not in self.layers.viewer.layers:
            shape = self.layers.session.samples[name].painted.shape
            active = self.layers.viewer.layers.selection.active
            layer = self.layers.add_layer(
                "image", name, FOREST, np.zeros(shape, np.float32), self.layers.viewer.layers[name],
                colormap="green", blending="additive", opacity=0.4, contrast_limits=(0, 1),
            )  # fmt: skip
            layers = self.layers.viewer.layers
            layers.move(layers.index(layer), layers.index(layers[name]) + 1)
            layers.selection.active = active  # one continues to paint
        return self.layers.viewer.layers[name + FOREST]

    def set_visible(self, is_visible: bool) -> None:
        """Show or hide the answers, of images that are visible."""
        self.layers.set_answer_visible(FOREST, is_visible)

    def views(self) -> dict[str, View]:
        """Return what is in view, of images that are visible."""
        viewer, views = self.layers.viewer, {}
        for name, sample in self.layers.session.samples.items():
            if name in viewer.layers and viewer.layers[name].visible:
                section = None
                if sample.painted.ndim == 3:
                    place = viewer.layers[name].world_to_data(viewer.dims.point)
                    section = int(np.clip(round(place[-3]), 0, len(sample.painted) - 1))
                views[name] = View(section, self.region(name))
        return views

    def region(self, name: str) -> tuple[slice, slice]:
        """Return the pixels of a plane that are in view."""
        layer = self.layers.viewer.layers[name]
        shape = self.layers.session.samples[name].painted.shape[-2:]
        low, high = (np.asarray(corner[-2:], int) for corner in layer.corner_pixels)
        if (high <= low).any():  # it was not drawn yet
            low, high = np.zeros(2, int), np.array(shape) - 1
        rows, columns = (
            slice(max(a, 0), min(b + 1, n)) for a, b, n in zip(low.tolist(), high.tolist(), shape)
        )
        return rows, columns
