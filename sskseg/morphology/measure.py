"""A table of objects."""

import numpy as np
import pandas as pd

_AXES = {2: ("y", "x"), 3: ("z", "y", "x")}
_FAR = np.iinfo(np.int64).max


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
    spacing = np.ones(labels.ndim) if spacing is None else np.asarray(spacing, float)
    sums = object_sums(labels, probability=probability, intensity=intensity)
    return sums_to_table(sums, labels.shape, spacing)


def object_sums(labels, *, start=None, probability=None, intensity=None):
    """Add up what is known of objects, so that other parts of the image can be added to it.

    Parameters
    ----------
    labels : ndarray of int, 2-D or 3-D
        Of the part; 0 is background, negative values are left out.
    start : sequence of int, default=None
        First pixel of the part in the image; None is 0.
    probability, intensity : ndarray, default=None
        As in `measure_objects`.

    Returns
    -------
    dict of str to ndarray of shape (n_objects, ...)
        ``label, size, position`` (sums of coordinates), ``low, high`` (extrema, the upper
        excluded) and, where given, ``score`` and ``intensity`` (sums).
    """
    where = np.nonzero(labels > 0)
    ids, index = np.unique(labels[where], return_inverse=True)
    n, shape = len(ids), (len(ids), labels.ndim)
    sums = {"label": ids, "size": np.bincount(index, minlength=n)}
    sums["position"] = np.zeros(shape, np.int64)
    sums["low"], sums["high"] = np.full(shape, _FAR), np.zeros(shape, np.int64)
    for axis, at in enumerate(where):
        at = at if start is None else at + start[axis]
        # Exact in float64 up to 2**53: the order of the parts does not change the sum.
        sums["position"][:, axis] = np.bincount(index, at, n).astype(np.int64)
        np.minimum.at(sums["low"][:, axis], index, at)
        np.maximum.at(sums["high"][:, axis], index, at + 1)
    if probability is not None:
        sums["score"] = np.bincount(index, np.asarray(probability)[where], n)
    if intensity is not None:
        sums["intensity"] = _intensity_sums(np.asarray(intensity), labels.shape, where, index, n)
    return sums


def merge_sums(parts):
    """Add sums of the same labels.

    Parameters
    ----------
    parts : list of dict
        Of `object_sums`, in a fixed order, under ids of the whole image.

    Returns
    -------
    dict of str to ndarray
        Sorted by label.
    """
    together = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    ids, index = np.unique(together.pop("label"), return_inverse=True)
    merged = {"label": ids}
    for key, values in together.items():
        add = {"low": np.minimum, "high": np.maximum}.get(key, np.add)
        first = _FAR if key == "low" else 0
        merged[key] = np.full((len(ids), *values.shape[1:]), first, values.dtype)
        add.at(merged[key], index, values)
    return merged


def sums_to_table(sums, shape, spacing):
    """The table of `measure_objects` from sums.

    Parameters
    ----------
    sums : dict
        Of `object_sums` or `merge_sums`.
    shape : tuple of int
        Of the image.
    spacing : sequence of float

    Returns
    -------
    pandas.DataFrame
    """
    axes, spacing, sizes = _AXES[len(shape)], np.asarray(spacing, float), sums["size"]
    columns = {"id": sums["label"]}
    for axis, name in enumerate(axes):
        columns[f"centroid_{name}"] = sums["position"][:, axis] / sizes * spacing[axis]
    columns["area" if len(shape) == 2 else "volume"] = sizes * spacing.prod()
    intensity = sums.get("intensity")
    if intensity is not None and intensity.ndim == 1:
        columns["mean_intensity"] = intensity / sizes
    elif intensity is not None:
        columns |= {f"mean_intensity_{c}": x / sizes for c, x in enumerate(intensity.T)}
    for axis, name in enumerate(axes):
        columns[f"min_{name}"] = sums["low"][:, axis]
        columns[f"max_{name}"] = sums["high"][:, axis]
    touches = (sums["low"] == 0) | (sums["high"] == np.array(shape))
    columns["touches_border"] = touches.any(axis=1)
    if "score" in sums:
        columns["score"] = sums["score"] / sizes
    return pd.DataFrame(columns)


def _intensity_sums(intensity, shape, where, index, n):
    if intensity.shape == shape:
        return np.bincount(index, intensity[where], n)
    if intensity.shape[:-1] != shape:
        raise ValueError(
            f"intensity must have the shape of labels, {shape}, or that and a channel axis, got "
            f"{intensity.shape}."
        )
    channels = range(intensity.shape[-1])
    return np.stack([np.bincount(index, intensity[..., c][where], n) for c in channels], axis=1)
