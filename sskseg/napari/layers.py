"""Layers of napari as a session, and its answers as layers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .answers import Answer
from .regions import mask_of, polygons_of, region_labels
from .sample import Sample
from .session import Session

PAINTED, POINTS, COMPLETE, OBJECTS = " painted", " points", " complete", " objects"
FOREST, _PROBABILITY, _UNCERTAINTY = " forest", " probability", " uncertainty"
_HIDDEN = (FOREST, _PROBABILITY, _UNCERTAINTY)  # they would lie on what is painted next
_SUFFIXES = (PAINTED, POINTS, COMPLETE, FOREST, _PROBABILITY, _UNCERTAINTY, OBJECTS)


def names_of(name: str) -> list[str]:
    """Return the names of the layers that belong to an image."""
    return [name + end for end in _SUFFIXES]


class Layers:
    """Link the layers of a viewer with a session.

    Parameters
    ----------
    viewer : napari.Viewer or napari.components.ViewerModel
    session : Session
    """

    def __init__(self, viewer: Any, session: Session):
        self.viewer, self.session = viewer, session
        self.is_changed = False  # since the last `read`
        self.last_change = 0.0  # seconds, of a monotonic clock

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
        OSError
            If it cannot be saved; it is in the session nevertheless.
        """
        self._check(layer)
        unit = str(layer.units[-1]) if layer.units else "pixel"
        is_known = unit not in ("pixel", "dimensionless")
        image = np.asarray(layer.data)[..., :3] if layer.rgb else layer.data[..., None]
        try:
            self.session.add(
                layer.name, image, spacing=layer.scale if is_known else None,
                unit=unit if is_known else None,
            )  # fmt: skip
        finally:
            if layer.name in self.session.samples:
                self._show_sample(layer.name)
        return self.session.samples[layer.name]

    def _check(self, layer):
        if type(layer).__name__ != "Image":
            raise ValueError(f"Select an Image layer, got {type(layer).__name__} {layer.name!r}.")
        if layer.name in self.session.samples:
            raise ValueError(f"{layer.name!r} is in the session already: rename the layer.")
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

    def open_session(self) -> None:
        """Show the images of a session that was loaded, and what is painted on them."""
        for name, sample in self.session.samples.items():
            if name not in self.viewer.layers:
                place: dict[str, Any] = {} if sample.spacing is None else {"scale": sample.spacing}
                if sample.unit is not None:
                    place["units"] = (sample.unit,) * sample.painted.ndim
                n_channels = sample.image.shape[-1]
                data = sample.image if n_channels == 3 else sample.image[..., 0]
                self.viewer.add_image(data, name=name, rgb=n_channels == 3, **place)
            self._show_sample(name)

    def _show_sample(self, name):
        """Add the layers of what is painted."""
        sample, source = self.session.samples[name], self.viewer.layers[name]
        self.show_only(name)
        self._set("labels", name, PAINTED, sample.painted, source)
        if len(sample.points):
            self.add_points(name)
        if sample.complete.any():
            self.add_complete(name)
        painted = self.viewer.layers[name + PAINTED]
        self.viewer.layers.selection.active, painted.mode = painted, "paint"

    def show_only(self, name: str) -> None:
        """Hide the other images, which lie on it, with their layers; show what it has but answers.

        Parameters
        ----------
        name : str
        """
        for other in self.session.samples:
            for suffix in ("", *_SUFFIXES):
                if other + suffix in self.viewer.layers:
                    is_shown = other == name and suffix not in _HIDDEN
                    self.viewer.layers[other + suffix].visible = is_shown

    def add_points(self, name: str) -> Any:
        """Add a layer of points, one for each object that is clicked."""
        sample, source = self.session.samples[name], self.viewer.layers[name]
        return self.add_layer(
            "points", name, POINTS, sample.points, source, ndim=sample.painted.ndim,
            size=2 * sample.point_radius, opacity=0.6,
        )  # fmt: skip

    def add_complete(self, name: str) -> Any:
        """Add a layer of shapes, in which everything that is not labeled is background."""
        sample, source = self.session.samples[name], self.viewer.layers[name]
        return self.add_layer(
            "shapes", name, COMPLETE, polygons_of(sample.complete), source,
            ndim=sample.painted.ndim, shape_type="polygon", face_color="transparent",
            edge_color="yellow",
        )  # fmt: skip

    def image_of(self, layer: Any) -> str:
        """Return the name of the image to which a layer belongs, or of the one that is visible.

        Parameters
        ----------
        layer : napari.layers.Layer or None

        Returns
        -------
        str

        Raises
        ------
        ValueError
            If it belongs to none, and there is not exactly one visible image.
        """
        selected = "" if layer is None else layer.name
        for name in self.session.samples:
            if selected in (name, *names_of(name)):
                return name
        shown = [name for name in self.session.samples if self.viewer.layers[name].visible]
        if len(shown) == 1:
            return shown[0]
        raise ValueError(
            f"Select a layer of an image of the session, got {selected!r}, and {len(shown)} images "
            "are visible."
        )

    def read(self) -> None:
        """Take over what is painted and clicked, and save it.

        Raises
        ------
        ValueError
            If a layer was deleted, is of another shape, or has points outside of its image. Other
            images are taken over.
        OSError
            If it cannot be saved; it is kept in memory.
        """
        errors, self.is_changed = [], False
        for name, sample in self.session.samples.items():
            try:
                self.session.paint(
                    name, self._data(name, PAINTED), self._complete(sample),
                    points=self._points(sample),
                )  # fmt: skip
            except (ValueError, OSError) as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _data(self, name, suffix):
        if name + suffix not in self.viewer.layers:
            raise ValueError(
                f"The layer {name + suffix!r} is missing: name it so, or press Undo to get it back."
            )
        return np.asarray(self.viewer.layers[name + suffix].data)

    def _points(self, sample):
        if sample.name + POINTS not in self.viewer.layers:
            return np.zeros((0, sample.painted.ndim))
        return np.asarray(self.viewer.layers[sample.name + POINTS].data, float)

    def _complete(self, sample):
        if sample.name + COMPLETE not in self.viewer.layers:
            return np.zeros(sample.painted.shape, bool)
        return mask_of(self.viewer.layers[sample.name + COMPLETE], sample.painted.shape)

    def write(self) -> None:
        """Show what is painted and clicked in the session, after `Session.undo` or a correction."""
        for name, sample in self.session.samples.items():
            source = self.viewer.layers[name]
            self._set("labels", name, PAINTED, sample.painted, source)
            if name + POINTS in self.viewer.layers:
                self.viewer.layers[name + POINTS].data = sample.points
            elif len(sample.points):
                self.add_points(name)
            self._write_complete(name, sample)
            if sample.answer is not None and name + OBJECTS in self.viewer.layers:
                self._show_objects(name, sample.answer)

    def _write_complete(self, name, sample):
        if np.array_equal(self._complete(sample), sample.complete):
            return  # shapes stay as they were drawn
        if name + COMPLETE in self.viewer.layers:
            del self.viewer.layers[name + COMPLETE]
        self.add_complete(name)

    def show(
        self, answers: Mapping[str, Answer], between: Callable[[], Any] = lambda: None
    ) -> None:
        """Show answers; a click on an object shows its measurements.

        Parameters
        ----------
        answers : dict of Answer
        between : callable, default=lambda: None
            Called after each layer, so that the window can answer.
        """
        for name, answer in answers.items():
            source = self.viewer.layers[name]
            for end, data in (
                (_PROBABILITY, answer.probability), (_UNCERTAINTY, answer.uncertainty),
            ):  # fmt: skip
                is_new = name + end not in self.viewer.layers
                layer = self._set("image", name, end, data, source)
                layer.visible &= not is_new  # objects are not hidden below it
                between()
            self._show_objects(name, answer)
            between()

    def _show_objects(self, name, answer):
        objects = self._set("labels", name, OBJECTS, answer.labels, self.viewer.layers[name])
        objects.features = answer.table.rename(columns={"id": "index"})
        objects.selected_label = 0  # nobody has chosen an object yet

    def show_one_answer(self, *, of_forest: bool) -> None:
        """Show the answer of the forest or the objects, and hide the other: they overlap."""
        self.set_answer_visible(FOREST, of_forest)
        self.set_answer_visible(OBJECTS, not of_forest)

    def set_answer_visible(self, suffix: str, is_visible: bool) -> None:
        """Show or hide layers of this suffix, of images that are visible."""
        for name in self.session.samples:
            if name + suffix in self.viewer.layers:
                shown = is_visible and self.viewer.layers[name].visible
                self.viewer.layers[name + suffix].visible = shown

    def go_to(self, name: str, section: int | None, box: tuple[slice, slice]) -> None:
        """Show a crop of an image, ready to paint on.

        Parameters
        ----------
        name : str
        section : int or None
        box : tuple of two slices
            Of the plane.
        """
        self.show_only(name)
        layer = self.viewer.layers[name]
        painted = self.viewer.layers[name + PAINTED]
        self.viewer.layers.selection.active, painted.mode = painted, "paint"
        center = [(side.start + side.stop) / 2 for side in box]
        place = np.array(center if section is None else [section, *center])
        world = np.asarray(layer.data_to_world(place))
        if section is not None:
            self.viewer.dims.set_point(0, float(world[0]))
        scene = getattr(self.viewer, "scene", self.viewer)  # of napari 0.9 and later
        scene.camera.center = tuple(world[-3:]) if len(world) > 2 else (0.0, *world)

    def regions(self, layer: Any) -> dict[str, tuple[np.ndarray, dict[int, str]]]:
        """Return the regions of a layer of shapes as label images, and their names.

        Parameters
        ----------
        layer : napari.layers.Shapes
            Names are in its feature ``name``, if it has one.

        Returns
        -------
        regions : dict of (ndarray of int32, dict of int to str)
            By name of the image.
        """
        if type(layer).__name__ != "Shapes":
            raise ValueError(f"Regions are a Shapes layer, got {type(layer).__name__}.")
        return {
            name: region_labels(layer, sample.painted.shape)
            for name, sample in self.session.samples.items()
        }

    def add_layer(
        self, kind: str, name: str, suffix: str, data: Any, source: Any, **options: Any
    ) -> Any:
        """Add a layer on top of an image, unless there is one."""
        if name + suffix in self.viewer.layers:
            return self.viewer.layers[name + suffix]
        place = {key: getattr(source, key) for key in ("scale", "translate", "units", "visible")}
        layer = getattr(self.viewer, f"add_{kind}")(data, name=name + suffix, **place, **options)
        if kind != "image":
            layer.events.data.connect(self._note_change)
        if kind == "labels":
            layer.events.paint.connect(self._note_change)  # once a stroke
            layer.events.set_data.connect(self._note_change)  # napari's own undo
        return layer

    def _note_change(self, _):
        self.is_changed, self.last_change = True, time.monotonic()

    def _set(self, kind, name, suffix, data, source):
        """Add a layer on top of an image, or replace its data."""
        if name + suffix in self.viewer.layers:
            layer = self.viewer.layers[name + suffix]
            layer.data = data.copy()
            return layer
        options = {}
        if kind == "image":
            options = {"opacity": 0.5, "colormap": "magma", "contrast_limits": (0, 1)}
        return self.add_layer(kind, name, suffix, data.copy(), source, **options)
