"""Answers of the forest as layers of napari, and what is in view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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
            layer = self.add(name)
            if layer is None:
                continue
            for part in parts:
                if part.name == name:
                    layer.data[part.place] = part.probability
            layer.refresh(extent=False, highlight=False)

    def missing(self) -> list[str]:
        """Return the names of images that have no layer for the answers yet."""
        layers = self.layers.viewer.layers
        return [n for n in self.layers.session.samples if n in layers and n + FOREST not in layers]

    def add(self, name: str) -> Any:
        """Return the layer of an image; add one without answers if there is none.

        Parameters
        ----------
        name : str

        Returns
        -------
        napari.layers.Image, or None
            None if the image was removed.
        """
        layers = self.layers.viewer.layers
        if name not in self.layers.session.samples or name not in layers:
            return None
        if name + FOREST not in layers:
            shape = self.layers.session.samples[name].painted.shape
            self.layers.add_layer(
                "image", name, FOREST, np.zeros(shape, np.float32), layers[name],
                index=layers.index(layers[name]) + 1,
                colormap="green", blending="additive", opacity=0.4, contrast_limits=(0, 1),
            )  # fmt: skip
        return layers[name + FOREST]

    def views(self) -> dict[str, View]:
        """Return what is in view, of images that are visible."""
        viewer, views = self.layers.viewer, {}
        for name in self.layers.shown():
            painted, section = self.layers.session.samples[name].painted, None
            if painted.ndim == 3:
                place = viewer.layers[name].world_to_data(viewer.dims.point)
                section = int(np.clip(round(place[-3]), 0, len(painted) - 1))
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
