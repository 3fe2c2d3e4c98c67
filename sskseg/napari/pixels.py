"""Pixels of layers: of an image, and of labels, drawn without the rest of a large image."""

from __future__ import annotations

from typing import Any

import numpy as np

from .boxes import Box


def pixels_of_image(layer: Any) -> np.ndarray:
    """Return the image of a layer, with an axis of channels."""
    return np.asarray(layer.data)[..., :3] if layer.rgb else layer.data[..., None]


def draw_labels(layer: Any, labels: np.ndarray, box: Box | None) -> None:
    """Give the pixels of a box the values of a label image, and draw those that change.

    Parameters
    ----------
    layer : napari.layers.Labels
        It gets a copy of all of `labels` if its data are not such an array.
    labels : ndarray of int
    box : tuple of slice, or None
        None is no pixel.
    """
    data = layer.data
    fits = isinstance(data, np.ndarray) and data.shape == labels.shape
    if not fits or not np.can_cast(labels.dtype, data.dtype, "same_kind"):
        layer.data = labels.copy()
    elif box is not None and not layer.visible:
        data[box] = labels[box]  # napari draws it once it is shown
    elif box is not None:
        at = np.nonzero(data[box] != labels[box])
        if len(at[0]):
            places = tuple(i + side.start for i, side in zip(at, box, strict=True))
            layer.data_setitem(places, labels[places].astype(data.dtype))
