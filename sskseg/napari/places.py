"""Clicks on objects that are to be corrected: a layer of points."""

from __future__ import annotations

from typing import Any

import numpy as np

from .layers import OBJECTS, Layers
from .pixels import places_in

PLACES = "places to correct"  # name of the layer


class Places:
    """Places to correct, in a layer of points over all images.

    Parameters
    ----------
    layers : Layers
    """

    def __init__(self, layers: Layers):
        self.layers, self.viewer = layers, layers.viewer

    def layer(self, name: str) -> Any:
        """Return the layer of places to correct; add it if there is none.

        Parameters
        ----------
        name : str
            Of the image.
        """
        if PLACES not in self.viewer.layers:
            source = self.viewer.layers[name]
            place = {key: getattr(source, key) for key in ("scale", "translate", "units")}
            ndim = self.layers.session.image_ndim
            self.viewer.add_points(name=PLACES, ndim=ndim, size=6, face_color="red", **place)
        return self.viewer.layers[PLACES]

    def of(self, name: str) -> np.ndarray:
        """Return the places to correct, in pixels of an image.

        Without any, the place is a pixel of the object that is selected in the layer of objects.

        Parameters
        ----------
        name : str

        Returns
        -------
        ndarray of float, shape (k, spatial_ndim)
        """
        if PLACES in self.viewer.layers and len(self.viewer.layers[PLACES].data):
            layer, image = self.viewer.layers[PLACES], self.viewer.layers[name]
            return places_in(image, layer, layer.data)
        objects = self.viewer.layers[name + OBJECTS]
        if objects.selected_label == 0:
            return np.zeros((0, objects.ndim))
        return np.argwhere(objects.data == objects.selected_label)[:1].astype(float)

    def forget(self) -> None:
        """Remove the places, once they are corrected."""
        if PLACES in self.viewer.layers:
            layer = self.viewer.layers[PLACES]
            layer.data = np.zeros((0, layer.ndim))
