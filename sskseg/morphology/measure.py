"""A table of objects."""

import numpy as np
import pandas as pd

_AXES = {2: ("y", "x"), 3: ("z", "y", "x")}


def measure_objects(labels, *, probability=None, intensity=None, spacing=None):
    """Measure the objects of a label image.

    Every figure comes from sums and extrema over pixels, so that the tables of the parts of an
    image can be merged.

    Parameters
    ----------
    labels : ndarray of int, 2-D or 3-D
        0 is background; negative values are left out.
    probability : ndarray of the same shape, default=None
        Foreground probability; its mean over an object is the object's score.
    intensity : ndarray of that shape, with or without a channel axis at the end, default=None
    spacing : sequence of float, default=None
        Size of a pixel along each axis, in a unit of the caller's; None is 1.

    Returns
    -------
    pandas.DataFrame
        One row an object, in the order of their ids: ``id``; ``centroid_y, centroid_x`` (and
        ``centroid_z``) in units of `spacing`, pixel centers counting from 0; ``area`` or ``volume``
        in those units; ``mean_intensity`` (``mean_intensity_0``, ... where there is a channel
        axis); ``min_y, max_y``, ... in pixels, the maximum excluded; ``touches_border``; ``score``.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.morphology import measure_objects
    >>> labels = np.array([[0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]])
    >>> measure_objects(labels, spacing=(2.0, 0.5))[["id", "centroid_y", "centroid_x", "area"]]
       id  centroid_y  centroid_x  area
    0   1         1.0        0.75   4.0
    """
    labels = np.asarray(labels)
    axes = _AXES[labels.ndim]
    spacing = np.ones(labels.ndim) if spacing is None else np.asarray(spacing, float)
    where = np.nonzero(labels > 0)
    ids, index = np.unique(labels[where], return_inverse=True)
    n = len(ids)
    sizes = np.bincount(index, minlength=n)
    columns = {"id": ids}
    for name, at, step in zip(axes, where, spacing, strict=True):
        columns[f"centroid_{name}"] = np.bincount(index, at, n) / sizes * step
    columns["area" if labels.ndim == 2 else "volume"] = sizes * spacing.prod()
    if intensity is not None:
        columns |= _mean_intensity(np.asarray(intensity), labels.shape, where, index, sizes)
    touches = np.zeros(n, bool)
    for name, at, side in zip(axes, where, labels.shape, strict=True):
        low, high = np.full(n, side), np.zeros(n, np.int64)
        np.minimum.at(low, index, at)
        np.maximum.at(high, index, at + 1)
        columns[f"min_{name}"], columns[f"max_{name}"] = low, high
        touches |= (low == 0) | (high == side)
    columns["touches_border"] = touches
    if probability is not None:
        columns["score"] = np.bincount(index, np.asarray(probability)[where], n) / sizes
    return pd.DataFrame(columns)


def _mean_intensity(intensity, shape, where, index, sizes):
    if intensity.shape == shape:
        return {"mean_intensity": np.bincount(index, intensity[where], len(sizes)) / sizes}
    if intensity.shape[:-1] != shape:
        raise ValueError(
            f"intensity must have the shape of labels, {shape}, or that and a channel axis, got "
            f"{intensity.shape}."
        )
    return {
        f"mean_intensity_{c}": np.bincount(index, intensity[..., c][where], len(sizes)) / sizes
        for c in range(intensity.shape[-1])
    }
