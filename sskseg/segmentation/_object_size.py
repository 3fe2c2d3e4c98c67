"""Training data at one size of objects."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..images.augmentation import check_augmentation
from ..inference.object_size import (
    magnification,
    resample,
    resample_labels,
    resampled_shape,
    typical_diameter,
)
from ._training_data import TrainingData

if TYPE_CHECKING:
    from ._segmenter import SemiSupervisedSegmenter

_DIAMETER = 24.0  # pixels: "auto"
_MIN_SAMPLES = 5  # labeled, from which sizes are compared
_MIN_RATIO = 2.0  # of a large to a small typical diameter, from which images are resampled


def normalize_size(segmenter: SemiSupervisedSegmenter, data: TrainingData) -> TrainingData:
    """Resample training data to one size of objects if it is wanted.

    Sets `object_size_` of the segmenter: the diameter, pixels, or None. With "auto" it is 24 if the
    typical diameters of the objects in labeled images (at least 5) differ by a factor of 2, from
    their 10th to their 90th percentile. A warm start keeps that of the last fit.

    Parameters
    ----------
    segmenter : SemiSupervisedSegmenter
    data : TrainingData

    Returns
    -------
    TrainingData
    """
    if not (segmenter.warm_start and hasattr(segmenter, "object_size_")):
        planes = segmenter.spatial_ndim == 2 and segmenter.sections == "independent"
        setting = check_augmentation(segmenter.augmentation).object_size
        applies = planes and segmenter.target == "instances"
        segmenter.object_size_ = _chosen_size(setting, data) if applies else None
    size = segmenter.object_size_
    return data if size is None else resample_data(data, size)


def _chosen_size(setting, data):
    if setting != "auto":
        return setting
    diameters = [typical_diameter(data.labels[i]) for i in data.labeled]
    known = [diameter for diameter in diameters if np.isfinite(diameter)]
    if len(known) < _MIN_SAMPLES:
        return None
    small, large = np.percentile(known, (10, 90))
    return _DIAMETER if large / small >= _MIN_RATIO else None


def resample_data(data: TrainingData, object_size: float) -> TrainingData:
    """Resample images and labels to one size of objects.

    Images without labeled objects are resampled like the one with the median size.

    Parameters
    ----------
    data : TrainingData
    object_size : float

    Returns
    -------
    TrainingData
    """
    diameters = np.array([typical_diameter(label) for label in data.labels])
    typical = np.nanmedian(diameters) if np.isfinite(diameters).any() else object_size
    factors = magnification(np.where(np.isfinite(diameters), diameters, typical), object_size)
    images = list(data.images)
    for index, factor in zip(data.image_indices, factors, strict=True):
        images[index] = resample(images[index], resampled_shape(images[index].shape[:2], factor))
    labels = [
        resample_labels(label, images[index].shape[:2])
        for index, label in zip(data.image_indices, data.labels, strict=True)
    ]
    return replace(data, images=images, labels=labels)


def warn_of_scans(object_size: float | None) -> None:
    """Warn that a scan is predicted at its own magnification."""
    if object_size is not None:
        warnings.warn(
            "The images of fit had objects of unlike sizes, and were resampled so that their "
            f"diameter is {object_size:g} pixels. A scan is not resampled: its objects should have "
            "about this size. augmentation={'object_size': None} trains on images as they are.",
            stacklevel=4,
        )
