"""Volumes that would be read as images with channels."""

import warnings
from typing import Any

import numpy as np

from .validation import FOR_VOLUMES, is_lazy, unwrap

_MAX_USUAL = 4  # channels of an image, more of which may be an axis of a volume


def check_channel_axis(images: Any, y: Any = None, name: str = "X") -> None:
    """Check that the last axis of two-dimensional images is one of channels, and not of volumes.

    For a `fit` that uses no labels: their shape shows which axes are spatial.

    Parameters
    ----------
    images : list of ndarray of shape (*spatial, n_channels), or dask array of them
    y : array-like or None
        What `fit` received. Only shapes of label images are used.
    name : str, default="X"

    Raises
    ------
    ValueError
        If a label image has the shape of its image with the last axis.

    Warns
    -----
    UserWarning
        If an image has more than 4 channels, and as many as it is high or wide.
    """
    shapes = [images.shape[1:]] * len(images) if is_lazy(images) else [x.shape for x in images]
    y = unwrap(y)
    for shape, label in zip(shapes, y if isinstance(y, (np.ndarray, list, tuple)) else []):
        if len(shape) == 3 and shape[-1] > 1 and getattr(label, "shape", ()) == shape:
            raise ValueError(
                f"{name} is read as images with {shape[-1]} channels, and y labels volumes of "
                f"shape {shape}: {FOR_VOLUMES}."
            )
    height, width, n_channels = shapes[0][-3:]
    if len(shapes[0]) == 3 and n_channels > _MAX_USUAL and n_channels >= min(height, width):
        warnings.warn(
            f"{name} is read as images of {height} x {width} pixels with {n_channels} channels. "
            f"If it holds volumes, {FOR_VOLUMES}.",
            UserWarning,
            stacklevel=3,
        )
