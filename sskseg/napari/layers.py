"""Layers of napari as a session."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import numpy as np

from .boxes import whole_box
from .layer_changes import LayerChanges
from .pixels import copy_for_layer, draw_labels, pixels_of_image
from .regions import mask_of, polygons_of
from .sample import Sample
from .session import Session

PAINTED, POINTS, COMPLETE, OBJECTS = " painted", " points", " complete", " objects"
FOREST, PROBABILITY, UNCERTAINTY = " forest", " probability", " uncertainty"
_EDITED = (PAINTED, POINTS, COMPLETE)
_SUFFIXES = (PAINTED, POINTS, COMPLETE, FOREST, PROBABILITY, UNCERTAINTY, OBJECTS)


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
        self.changes = LayerChanges(viewer)
        self.hidden = {FOREST, PROBABILITY, UNCERTAINTY}  # they would lie on what is painted next
        self._agreed: dict[str, int] = {}  # versions of samples that are as their layers
        self._images: dict[str, Any] = {}  # data of their layers
        # napari removes all layers before the window closes.
        viewer.layers.events.removing.connect(self._read_removed)

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
        try:
            self.session.add(
                layer.name, pixels_of_image(layer), spacing=layer.scale if is_known else None,
                unit=unit if is_known else None,
            )  # fmt: skip
        finally:
            if layer.name in self.session.samples:
                self._images[layer.name] = layer.data
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

    def remove(self, name: str) -> None:
        """Remove an image from the session, and what is painted from the viewer.

        Parameters
        ----------
        name : str
            Its own layer stays; what was saved stays, too.
        """
        self.session.remove(name)
        for each in names_of(name):
            if each in self.viewer.layers:
                del self.viewer.layers[each]

    def open_session(self) -> None:
        """Show the images of a session that was loaded, and what is painted on them."""
        for name in self.session.samples:
            self._add_image(name)
            self._show_sample(name)
        self.changes.time = time.monotonic()  # so that the forest answers

    def _add_image(self, name):
        """Add the image of a sample below what is painted, if it is missing."""
        if name in self.viewer.layers:
            return
        sample = self.session.samples[name]
        place: dict[str, Any] = {} if sample.spacing is None else {"scale": sample.spacing}
        if sample.unit is not None:
            place["units"] = (sample.unit,) * sample.painted.ndim
        is_rgb = sample.image.shape[-1] == 3
        data = sample.image if is_rgb else sample.image[..., 0]
        layer = self.viewer.add_image(data, name=name, rgb=is_rgb, **place)
        self._images[name] = layer.data
        own = [i for i, each in enumerate(self.viewer.layers) if each.name in names_of(name)]
        if own:
            self.viewer.layers.move(self.viewer.layers.index(layer), min(own))

    def _show_sample(self, name):
        """Add the layers of what is painted."""
        self.show_only(name)
        self._write(name)
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
                layer, is_shown = self._find(other, suffix), other == name
                if layer is not None:
                    layer.visible = is_shown and suffix not in self.hidden

    def set_visible(self, suffix: str, is_visible: bool) -> None:
        """Show or hide the layers of a kind of answer: now of visible images, later of others.

        Parameters
        ----------
        suffix : str
            Such as `FOREST`.
        is_visible : bool
        """
        self.hidden = self.hidden - {suffix} if is_visible else self.hidden | {suffix}
        for name in self.shown():
            layer = self._find(name, suffix)
            if layer is not None and layer.visible != is_visible:  # napari draws it anew
                layer.visible = is_visible

    def add_points(self, name: str) -> Any:
        """Add a layer of points, one for each object that is clicked."""
        sample, source = self.session.samples[name], self.get(name)
        return self.add_layer(
            "points", name, POINTS, sample.points, source, ndim=sample.painted.ndim,
            size=2 * sample.point_radius, opacity=0.6,
        )  # fmt: skip

    def add_complete(self, name: str, *, index: int | None = None) -> Any:
        """Add a layer of shapes, in which everything that is not labeled is background.

        Parameters
        ----------
        name : str
            Of the image.
        index : int, default=None
            See `add_layer`.
        """
        sample, source = self.session.samples[name], self.get(name)
        return self.add_layer(
            "shapes", name, COMPLETE, polygons_of(sample.complete), source,
            ndim=sample.painted.ndim, shape_type="polygon", face_color="transparent",
            edge_color="yellow", index=index,
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
        shown = self.shown()
        if len(shown) == 1:
            return shown[0]
        raise ValueError(
            f"Select a layer of an image of the session, got {selected!r}, and {len(shown)} images "
            "are visible."
        )

    def shown(self) -> list[str]:
        """Return the names of the images that are visible."""
        layers = self.viewer.layers
        return [name for name in self.session.samples if name in layers and layers[name].visible]

    def read(self) -> None:
        """Take over what was painted and clicked since the last call.

        Raises
        ------
        ValueError
            If a layer was deleted, is of another shape, or has points outside of its image. Other
            images are taken over.
        OSError
            If it cannot be saved; it is kept in memory.
        """
        errors = []
        for sample in self.session.samples.values():
            try:
                self._read(sample)
            except (ValueError, OSError) as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _read(self, sample):
        painted, image = self.get(sample.name, PAINTED), self._find(sample.name)
        if image is not None and image.data is not self._images.get(sample.name):
            self.session.replace_image(sample.name, pixels_of_image(image))
            self._images[sample.name] = image.data
        complete, points = (self._find(sample.name, end) for end in (COMPLETE, POINTS))
        box, mask = self.changes.box(painted), None
        if complete is None and sample.complete.any():
            mask = np.zeros(sample.painted.shape, bool)
        elif complete is not None and self.changes.box(complete) is not None:
            mask = mask_of(complete, sample.painted.shape)
        nothing = whole_box((0,) * painted.ndim)
        self.session.paint(
            sample.name, np.asarray(painted.data), mask,
            points=np.zeros((0, painted.ndim)) if points is None else points.data,
            within=(nothing if box is None else box) if mask is None else None,
        )  # fmt: skip
        self._agree(sample)

    def _read_removed(self, event):
        """Take over the last changes of a layer that is being removed."""
        layer = self.viewer.layers[event.index]
        own = {name + end: (name, end) for name in self.session.samples for end in _EDITED}
        if layer.name not in own or (box := self.changes.box(layer)) is None:
            return
        name, suffix = own[layer.name]
        painted = self.session.samples[name].painted
        with suppress(ValueError, OSError):  # of a layer that does not fit, or a full disk
            if suffix == PAINTED:
                self.session.paint(name, np.asarray(layer.data), within=box)
            elif suffix == POINTS:
                self.session.paint(name, painted, points=layer.data)
            else:
                self.session.paint(name, painted, mask_of(layer, painted.shape))

    def _agree(self, sample):
        """Note that a sample is as its layers."""
        self._agreed[sample.name] = sample.version
        for suffix in _EDITED:
            if sample.name + suffix in self.viewer.layers:
                self.changes.forget(self.viewer.layers[sample.name + suffix])

    def _find(self, name, suffix=""):
        if name + suffix not in self.viewer.layers:
            return None
        return self.viewer.layers[name + suffix]

    def get(self, name: str, suffix: str = "") -> Any:
        """Return the layer of an image, or one that belongs to it; raise if it is missing."""
        layer = self._find(name, suffix)
        if layer is None:
            raise ValueError(
                f"The layer {name + suffix!r} is missing: name it so, press Undo to get it back, "
                "or remove the image from the session."
            )
        return layer

    def write(self) -> None:
        """Show what is painted and clicked in the session, after `Session.undo` or a correction.

        Layers that are missing are added.
        """
        for name, sample in self.session.samples.items():
            self._add_image(name)
            painted = self._find(name, PAINTED)
            if (
                painted is None or self.changes.box(painted) is not None
                or self._agreed.get(name) != sample.version
            ):  # fmt: skip
                self._write(name)

    def _write(self, name):
        sample, source = self.session.samples[name], self.viewer.layers[name]
        box = sample.changed_since(self._agreed.get(name, 0))
        layer = self._find(name, PAINTED)
        if layer is None:
            self.add_layer("labels", name, PAINTED, copy_for_layer(sample.painted), source)
        else:
            draw_labels(layer, sample.painted, self._unread(layer, sample) or box)
        points = self._find(name, POINTS)
        if points is None and len(sample.points):
            self.add_points(name)
        elif points is not None and not np.array_equal(points.data, sample.points):
            points.data = sample.points
        self._write_complete(name, sample, box)
        self._agree(sample)

    def _unread(self, layer, sample):
        """The whole image if a layer has changes that were not read, or None."""
        return None if self.changes.box(layer) is None else whole_box(sample.painted.shape)

    def _write_complete(self, name, sample, box):
        layer, shape = self._find(name, COMPLETE), sample.painted.shape
        if layer is None and not sample.complete.any():
            return
        if layer is not None:
            box = self._unread(layer, sample) or box
            if box is None or np.array_equal(mask_of(layer, shape)[box], sample.complete[box]):
                return  # shapes stay as they were drawn
        layers, is_active = self.viewer.layers, layer is self.viewer.layers.selection.active
        index = len(layers) if layer is None else layers.index(layer)
        if layer is not None:
            layers.remove(layer)
        added = self.add_complete(name, index=index)  # one continues to paint
        if layer is not None and is_active:
            layers.selection.active, added.mode = added, layer.mode

    def go_to(self, name: str, section: int | None, box: tuple[slice, slice]) -> None:
        """Show a crop of an image, ready to paint on.

        Parameters
        ----------
        name : str
        section : int or None
        box : tuple of two slices
            Of the plane.
        """
        layer, painted = self.get(name), self.get(name, PAINTED)
        self.show_only(name)
        self.viewer.layers.selection.active, painted.mode = painted, "paint"
        center = [(side.start + side.stop) / 2 for side in box]
        place = np.array(center if section is None else [section, *center])
        world = np.asarray(layer.data_to_world(place))
        if section is not None:
            self.viewer.dims.set_point(0, float(world[0]))
        scene = getattr(self.viewer, "scene", self.viewer)  # of napari 0.9 and later
        scene.camera.center = tuple(world[-3:]) if len(world) > 2 else (0.0, *world)

    def add_layer(
        self, kind: str, name: str, suffix: str, data: Any, source: Any, *,
        index: int | None = None, **options: Any,
    ) -> Any:  # fmt: skip
        """Add a layer on top of an image, unless there is one.

        With an index it is added there, and the selection stays: one continues to paint.
        """
        if name + suffix in self.viewer.layers:
            return self.viewer.layers[name + suffix]
        place = {key: getattr(source, key) for key in ("scale", "translate", "units", "visible")}
        options = {"name": name + suffix, **place, **options}
        selected = set(self.viewer.layers.selection)
        layer = getattr(self.viewer, f"add_{kind}")(data, **options)
        if index is not None:
            self.viewer.layers.move(self.viewer.layers.index(layer), index)
            self.viewer.layers.selection = selected
        if suffix in _EDITED:
            self.changes.watch(layer)
        return layer
