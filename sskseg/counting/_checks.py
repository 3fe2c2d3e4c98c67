"""Checks of the counter's parameters and input."""

from __future__ import annotations

import math
import warnings

import numpy as np

from ..images import check_images
from ..images.annotation_checks import looks_like_labels
from ..images.annotations import Annotations
from ..images.extents import check_extent, check_margin, check_sigma, largest_shape
from ..io.units import complete_size, ngff_unit
from ..morphology import label_components
from .methods import Watershed

_MAX_CLASSES = 8
_ONE_CLASS = "np.where(y < 0, -1, y == value)"  # -1 stays unlabeled
_MIN_PARTS = 3  # of an object, on average; fragmented junctions have fewer than two


def spacing_of(counter, X=None):
    """Spacing of a counter: as given, or as X (an `ImageStack`) or that of `fit` has it.

    Returns
    -------
    tuple of float, or None
        None is 1 along all axes.
    """
    given = counter.spacing
    if given is None:
        given = _of_images(counter, X)
    if given is None:
        given = getattr(counter, "spacing_", None)
    return None if given is None else tuple(float(step) for step in given)


def _of_images(counter, X):
    """Spacing of images; None if they have none.

    If consecutive sections have none along z, their distance is that of the images of `fit`.
    """
    given = getattr(X, "spacing", None)
    n_axes = counter.spatial_ndim_ + (counter.sections == "consecutive")
    if given is None or len(given) >= n_axes:
        return None if given is None else given[-n_axes:]
    unit = getattr(X, "unit", None)
    fitted = getattr(counter, "spacing_", None), getattr(counter, "unit_", None)
    spacing, _ = complete_size((tuple(given), unit), fitted)
    return None if spacing is fitted[0] else spacing


def unit_of(counter, X=None, unit=None):
    """Unit of `spacing_of`: as given, or that of the images, of X or `fit`, whose spacing it is.

    Units of length are under the names of NGFF, such as "micrometer".

    Raises
    ------
    ValueError
        If a unit is given, and there is no spacing.
    """
    if unit is not None and spacing_of(counter, X) is None:
        raise ValueError(
            f"unit is that of spacing, got unit={unit!r} and no spacing: give the counter a "
            "spacing, or X that of its images."
        )
    if unit is None and counter.spacing is None:
        is_of_x = _of_images(counter, X) is not None
        unit = getattr(X, "unit", None) if is_of_x else getattr(counter, "unit_", None)
    return unit and (ngff_unit(unit) or unit)


def check_plane(spatial_ndim, sections):
    """Raise unless images are two-dimensional and independent, as contours need them."""
    if spatial_ndim != 2 or sections != "independent":
        raise ValueError(
            "method='contours' detects objects in independent two-dimensional images, got "
            f"spatial_ndim={spatial_ndim} and sections={sections!r}."
        )


def check_no_probabilities(X):
    """Raise if X is what a segmenter returns: contours are detected in images."""
    if getattr(X, "in_sample", None) is not None:
        raise ValueError(
            "method='contours' detects objects in images, got the probabilities of a segmenter: "
            "leave the segmenter out of the pipeline."
        )


def check_no_classes(X, y):
    """Raise if y is the classes that a segmenter learned, as in a pipeline: not the objects.

    Where each value is one component, classes and objects are the same labels.
    """
    classes = getattr(X, "classes", None)
    if classes is None or y is None or Annotations(y).is_mask:
        return
    given = [np.asarray(label) for label in Annotations(y).y if label is not None]
    if not all(looks_like_labels(label) and _holds(label, classes) for label in given):
        return
    if any(label_components(label).max() > len(np.unique(label[label > 0])) for label in given):
        raise ValueError(
            f"y holds the classes {list(classes)} of a segmenter with target='classes', and a "
            "counter would take each of them for one object. Count the objects of one class: "
            f"{_ONE_CLASS}, in a pipeline whose segmenter has target='instances'. Or fit a counter "
            "apart, on one class of segmenter.predict_proba(X) and label images of its objects."
        )


def _holds(label, classes):
    """Whether all labels of pixels are among the classes."""
    return np.isin(label[label >= 0], classes).all()


def warn_of_classes(parts):
    """Warn of labels whose few values in each image are many separate parts.

    Parameters
    ----------
    parts : list of ndarray of int
        Connected components of the labeled objects of each sample.
    """
    known = [each for each in parts if each.size]
    most = max(map(len, known), default=0)
    n_parts = float(np.concatenate(known).mean()) if known else 0.0
    if most <= _MAX_CLASSES and n_parts >= _MIN_PARTS:
        warnings.warn(
            f"y has at most {most} objects in an image, of {n_parts:.1f} "
            "separate parts on average. If its values are classes, each is taken for one object: "
            f"give a mask of one class, {_ONE_CLASS}, whose components are the objects.",
            UserWarning,
            stacklevel=4,
        )


def check_probabilities(X, spatial_ndim, consecutive):
    """Return the probabilities of foreground, and perhaps of cores, in the last axis."""
    probabilities = check_images(X, spatial_ndim)
    n_channels = probabilities[0].shape[-1]
    if n_channels > 2:
        raise ValueError(
            "X must be the probabilities of the foreground, or of foreground and cores in the last "
            f"axis, got {n_channels} channels. Images go through a segmenter first."
            + (" For volumes, set spatial_ndim=3 in each step." if spatial_ndim == 2 else "")
        )
    if n_channels == 2 and all(_are_classes(p) for p in probabilities):
        raise ValueError(
            "X must be the probabilities of the foreground, or of foreground and cores, got two "
            "channels whose sum is 1: classes? Give that of the foreground alone."
        )
    low, high = min(p.min() for p in probabilities), max(p.max() for p in probabilities)
    if low < -1e-3 or high > 1 + 1e-3:
        raise ValueError(
            f"X must be probabilities between 0 and 1, got values from {low:g} to {high:g}. "
            "Images go through a segmenter first."
        )
    shapes = {p.shape[:-1] for p in probabilities}
    if consecutive and (spatial_ndim != 2 or len(shapes) > 1):
        raise ValueError(
            f"Consecutive sections must be 2-D and of one shape, got {sorted(shapes)}."
        )
    return probabilities


def _are_classes(probabilities):
    """Whether two probabilities of each pixel are those of background and foreground."""
    return np.allclose(probabilities.sum(axis=-1, dtype=np.float64), 1, atol=1e-3)


def check_margins(counter, shapes):
    """Raise if the margin of the counter covers an image: no object would be left."""
    for i, shape in enumerate(shapes):
        check_margin(counter.margin, shape, f"X[{i}]")


def check_extents(counter, shapes):
    """Raise if a parameter of the counter is larger than the images of `fit`.

    Later images may be small crops, which hold no object of `min_size`.
    """
    largest = largest_shape(shapes)
    if counter.min_size != "auto":
        check_extent("min_size", counter.min_size, math.prod(largest), largest)
    if counter.merge_distance != "auto":
        diagonal = _diagonal(largest, spacing_of(counter))
        check_extent(
            "merge_distance (in units of spacing)", counter.merge_distance, diagonal, largest
        )
    method = counter._method()
    if isinstance(method, Watershed):
        check_sigma("smoothing", method.smoothing, shapes)


def _diagonal(shape, spacing):
    steps = np.ones(len(shape)) if spacing is None else np.array(spacing[-len(shape) :])
    return float(np.linalg.norm(steps * shape))


def check_intensity(intensity, images, spatial_ndim):
    """Return an image for each of `images`, without an axis of one channel; None for None."""
    if intensity is None:
        return [None] * len(images)
    given = check_images(intensity, spatial_ndim, name="intensity")
    if [i.shape[:-1] for i in given] != [x.shape[:-1] for x in images]:
        raise ValueError(
            "intensity must have as many images as X, of their shapes "
            f"{sorted({x.shape[:-1] for x in images})}, got {len(given)} of "
            f"{sorted({i.shape[:-1] for i in given})}."
        )
    return [i[..., 0] if i.shape[-1] == 1 else i for i in given]


def pixels_of(image):
    """Return the number of pixels of an image with a channel axis."""
    return int(np.prod(image.shape[:-1]))
