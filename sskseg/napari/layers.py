"""Layers of napari as a session, and its answers as layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .answers import Answer
from .session import Sample, Session

COMPLETE = "complete regions"  # name of the Shapes layer in which unpainted pixels are background
_PAINTED = " painted"


def names_of(name: str) -> list[str]:
    """Return the names of the layers that belong to an image."""
    return [name + end for end in (_PAINTED, " probability", " uncertainty", " objects")]


class Layers:
    """Link the layers of a viewer with a session.

    Parameters
    ----------
    viewer : napari.Viewer or napari.components.ViewerModel
    session : Session
    """

    def __init__(self, viewer: Any, session: Session):
        self.viewer, self.session = viewer, session

    def add(self, layer: Any) -> Sample:
        """Add the image of a layer to the session, with a Labels layer to paint on.

        Parameters
        ----------
        layer : napari.layers.Image
            The channels of an RGB layer are channels.

        Returns
        -------
        Sample

        Raises
        ------
        ValueError
            For another kind of layer, a multiscale one, and one of other axes.
        """
        if type(layer).__name__ != "Image":
            raise ValueError(f"Select an Image layer, got {type(layer).__name__} {layer.name!r}.")
        if layer.multiscale:
            raise ValueError(
                f"{layer.name!r} is multiscale: crop it, or open one of its levels as an image."
            )
        ndim, n = self.session.image_ndim, layer.ndim  # without the axis of RGB
        if n != ndim:
            raise ValueError(
                f"{layer.name!r} must have {ndim} axes for {self.session.kind}, got {n}: choose "
                "another kind, or split the layer."
            )
        unit = str(layer.units[-1]) if layer.units else "pixel"
        is_known = unit not in ("pixel", "dimensionless")
        image = np.asarray(layer.data)[..., :3] if layer.rgb else layer.data[..., None]
        sample = self.session.add(
            layer.name, image, spacing=layer.scale if is_known else None,
            unit=unit if is_known else None,
        )  # fmt: skip
        for name in self.session.samples:  # images lie on each other
            for other in (name, *names_of(name)):
                if name != sample.name and other in self.viewer.layers:
                    self.viewer.layers[other].visible = False
        self._set("labels", layer.name, _PAINTED, sample.painted, layer)
        return sample

    def read(self) -> None:
        """Take over what is painted, and save it.

        Raises
        ------
        OSError
            If it cannot be saved; it is kept in memory.
        """
        for name, sample in self.session.samples.items():
            painted = self.viewer.layers[name + _PAINTED].data
            self.session.paint(name, painted, self._complete(sample))

    def write(self) -> None:
        """Show what is painted in the session, after a correction or `Session.undo`."""
        for name, sample in self.session.samples.items():
            self.viewer.layers[name + _PAINTED].data = sample.painted.copy()

    def show(self, answers: dict[str, Answer]) -> None:
        """Show answers; a click on an object shows its measurements.

        Parameters
        ----------
        answers : dict of Answer
        """
        for name, answer in answers.items():
            source = self.viewer.layers[name]
            for end, data in (
                (" probability", answer.probability),
                (" uncertainty", answer.uncertainty),
            ):
                is_new = name + end not in self.viewer.layers
                layer = self._set("image", name, end, data, source)
                layer.visible &= not is_new  # objects are not hidden below it
            objects = self._set("labels", name, " objects", answer.labels, source)
            objects.features = answer.table.rename(columns={"id": "index"})

    def show_probability(self, name: str, probability: np.ndarray) -> None:
        """Show probabilities of an image."""
        self._set("image", name, " probability", probability, self.viewer.layers[name])

    def view(self, name: str) -> tuple[slice, slice]:
        """Return the pixels of a plane that are in view."""
        layer = self.viewer.layers[name]
        low, high = (np.asarray(corner[-2:]) for corner in layer.corner_pixels)
        if (high <= low).any():  # it was not drawn yet
            low, high = np.zeros(2, int), np.array(self.session.samples[name].painted.shape[-2:])
        top, left = (int(i) for i in low)
        bottom, right = (int(i) + 1 for i in high)
        return slice(top, bottom), slice(left, right)

    def _complete(self, sample):
        if COMPLETE not in self.viewer.layers:
            return np.zeros(sample.painted.shape, bool)
        masks = self.viewer.layers[COMPLETE].to_masks(sample.painted.shape[-2:])
        flat = masks.any(0) if len(masks) else np.zeros(sample.painted.shape[-2:], bool)
        return np.broadcast_to(flat, sample.painted.shape).copy()

    def _set(self, kind, name, suffix, data, source):
        """Add a layer on top of an image, or replace its data."""
        if name + suffix in self.viewer.layers:
            layer = self.viewer.layers[name + suffix]
            layer.data = data
            return layer
        place = {
            "scale": source.scale,
            "translate": source.translate,
            "units": source.units,
            "visible": source.visible,
        }
        add = getattr(self.viewer, f"add_{kind}")
        if kind == "image":
            place |= {"opacity": 0.5, "colormap": "magma", "contrast_limits": (0, 1)}
        return add(data.copy(), name=name + suffix, **place)
