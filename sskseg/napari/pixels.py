"""Pixels of layers: of an image, and of labels, drawn without the rest of a large image."""

from __future__ import annotations

from typing import Any

import numpy as np

from .boxes import Box


def pixels_of_image(layer: Any) -> np.ndarray:
    """Return the image of a layer, with an axis of channels."""
    return np.asarray(layer.data)[..., :3] if layer.rgb else layer.data[..., None]


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
