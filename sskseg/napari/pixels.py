"""Pixels of layers: of an image, and of labels, drawn without the rest of a large image."""

from __future__ import annotations

from typing import Any

import numpy as np

from .boxes import Box

_DECIMALS = 6  # of a pixel; an edge at a half pixel stays there


def pixels_of_image(layer: Any) -> np.ndarray:
    """Return the image of a layer, with an axis of channels."""
    return np.asarray(layer.data)[..., :3] if layer.rgb else layer.data[..., None]


def places_in(image: Any, layer: Any, places: Any) -> np.ndarray:
    """Return places of a layer in pixels of an image, whatever the scale and place of both.

    Parameters
    ----------
    image : napari.layers.Image
    layer : napari.layers.Layer
    places : array-like of shape (k, ndim)
        In `layer`, which may have other axes than the image: the last ones are those of both.

    Returns
    -------
    ndarray of float, shape (k, ndim of image)
        Without the rounding errors of scales. Along axes that `layer` lacks, 0.
    """
    steps = [_ratio(*units) for units in zip(layer.units[::-1], image.units[::-1])][::-1]
    world = np.array([layer.data_to_world(at) for at in places], float).reshape(len(places), -1)
    world[:, -len(steps) :] *= steps
    pixels = np.array([image.world_to_data(at) for at in world]).reshape(-1, image.ndim)
    return np.round(pixels, _DECIMALS)


def _ratio(unit, other):
    """How many of another unit a unit has; pixels and lengths are taken for the same."""
    return (1 * unit).to(other).magnitude if unit.is_compatible_with(other) else 1.0


def copy_for_layer(labels: np.ndarray) -> np.ndarray:
    """Return a copy of a label image for a layer: uint16, if this holds all its numbers.

    napari draws uint16 as it is. Of wider integers it first computes the colors of the whole image,
    which takes 20 times as long.

    Parameters
    ----------
    labels : ndarray of int
        Without negative numbers.

    Returns
    -------
    ndarray of uint16 or int32
    """
    is_narrow = labels.max(initial=0) <= np.iinfo(np.uint16).max
    return labels.astype(np.uint16 if is_narrow else np.int32)


def draw_labels(layer: Any, labels: np.ndarray, box: Box | None) -> None:
    """Give the pixels of a box the values of a label image, and draw those that change.

    Parameters
    ----------
    layer : napari.layers.Labels
        It gets a copy of all of `labels` if its data have another shape, or cannot hold a number.
    labels : ndarray of int
    box : tuple of slice, or None
        None is no pixel.
    """
    data = layer.data
    fits = isinstance(data, np.ndarray) and data.shape == labels.shape
    fits = fits and data.dtype.kind in "iu"
    if not fits or (box is not None and labels[box].max(initial=0) > np.iinfo(data.dtype).max):
        layer.data = copy_for_layer(labels)
    elif box is not None and not layer.visible:
        data[box] = labels[box]  # napari draws it once it is shown
    elif box is not None:
        at = np.nonzero(data[box] != labels[box])
        if len(at[0]):
            places = tuple(i + side.start for i, side in zip(at, box, strict=True))
            layer.data_setitem(places, labels[places].astype(data.dtype))
