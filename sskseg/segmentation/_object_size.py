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
from ..morphology import complete_objects
from ..training import starts_warm
from ._training_data import TrainingData

if TYPE_CHECKING:
    from ..nn import Backbone
    from ._segmenter import SemiSupervisedSegmenter

_DIAMETER = 24.0  # pixels: "auto"
_MIN_SAMPLES = 5  # labeled, from which sizes are compared
_MAX_RATIO = 1.5  # of the measured diameter in a scan to that of training, without a warning
_MIN_RATIO = 2.0  # of a large to a small typical diameter, from which images are resampled


def normalize_size(
    segmenter: SemiSupervisedSegmenter, data: TrainingData, backbone: Backbone | None = None
) -> TrainingData:
    """Resample training data to one size of objects if it is wanted.

    Sets `object_size_` of the segmenter, the diameter in pixels or None, and `object_diameter_`.
    With "auto" it is that of the backbone if this has one, which knows objects of that size only.
    Else it is 24 if the typical diameters of the objects in labeled images (at least 5, or
    simulated ones count, too) differ by a factor of 2, from their 10th to their 90th percentile. A
    warm start keeps that of the last fit.

    Parameters
    ----------
    segmenter : SemiSupervisedSegmenter
    data : TrainingData
    backbone : Backbone, default=None

    Returns
    -------
    TrainingData
    """
    setting, diameters = check_augmentation(segmenter.augmentation).object_size, None
    _check_setting(segmenter, setting)
    if not starts_warm(segmenter):
        segmenter.object_size_ = segmenter.object_diameter_ = None
        if _applies(segmenter) and setting is not None:
            diameters = _diameters(data)
            known = getattr(backbone, "object_size", None) if setting == "auto" else None
            segmenter.object_size_ = known or _chosen_size(setting, diameters, data.n_real)
    if segmenter.object_size_ is None:
        return data
    diameters = _diameters(data) if diameters is None else diameters
    real = diameters[: data.n_real]
    segmenter.object_diameter_ = _common_diameter(real if np.isfinite(real).any() else diameters)
    return resample_data(data, segmenter.object_size_, diameters)


def _applies(segmenter):
    planes = segmenter.spatial_ndim_ == 2 and segmenter.sections == "independent"
    return planes and segmenter.target == "instances"


def _check_setting(segmenter, setting):
    """Refuse a size that cannot be used."""
    if setting is None or isinstance(setting, str):
        return
    if not _applies(segmenter):
        raise ValueError(
            f"object_size={setting!r} of the augmentation needs independent planes and "
            f"target='instances', got spatial_ndim={segmenter.spatial_ndim_}, "
            f"sections={segmenter.sections!r} and target={segmenter.target!r}."
        )
    if segmenter.warm_start and getattr(segmenter, "object_size_", setting) != setting:
        raise ValueError(
            f"object_size must be that of the last fit, {segmenter.object_size_}, with "
            f"warm_start=True, got {setting!r}."
        )


def _diameters(data):
    """Typical diameter of the labeled objects of each sample; NaN without any."""
    diameters = np.full(len(data.labels), np.nan)
    for i in data.labeled:
        diameters[i] = typical_diameter(complete_objects(data.labels[i]))
    return diameters


def _chosen_size(setting, diameters, n_real):
    if setting != "auto":
        return setting
    is_known = np.isfinite(diameters)
    if is_known[:n_real].sum() >= _MIN_SAMPLES:  # simulated images only stand in for them
        is_known[n_real:] = False
    known = diameters[is_known]
    if len(known) < _MIN_SAMPLES:
        return None
    return _DIAMETER if _common_diameter(known) is None else None


def _common_diameter(diameters):
    """Typical diameter in all images; None if it is unknown or differs by a factor of 2."""
    known = diameters[np.isfinite(diameters)]
    if not known.size:
        return None
    small, large = np.percentile(known, (10, 90))
    return float(np.median(known)) if large / small < _MIN_RATIO else None


def resample_data(data: TrainingData, object_size: float, diameters: np.ndarray) -> TrainingData:
    """Resample images and labels to one size of objects.

    Images without labeled objects are resampled like the one with the median size.

    Parameters
    ----------
    data : TrainingData
    object_size : float
    diameters : ndarray of shape (n_samples,)
        Of the objects of each sample; NaN is unknown.

    Returns
    -------
    TrainingData
    """
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


def fixed_magnification(
    segmenter: SemiSupervisedSegmenter,
    what: str,
    object_diameter: float | None = None,
    stacklevel: int = 4,
) -> float:
    """Return one magnification for images whose objects have a known diameter.

    Warns if the diameter is unknown. Images are then predicted as they are.

    Parameters
    ----------
    segmenter : SemiSupervisedSegmenter
        With `object_size_` and `object_diameter_`.
    what : str
        What is predicted, for the warning.
    object_diameter : float, default=None
        Diameter of the objects in pixels. None is that of the images of `fit`.
    stacklevel : int, default=4
        Stack level of the warning.

    Returns
    -------
    float
    """
    object_size = segmenter.object_size_
    diameter = segmenter.object_diameter_ if object_diameter is None else object_diameter
    if object_size is not None and diameter is None:
        warnings.warn(
            "The segmenter resamples images so that their objects have a diameter of "
            f"{object_size:g} pixels. The sizes of objects in its training images differ or are "
            f"unknown. {what} is therefore not resampled: its objects should have about this "
            "size. augmentation={'object_size': None} trains on images as they are.",
            stacklevel=stacklevel,
        )
    if object_size is None or diameter is None:
        return 1.0
    return float(magnification(diameter, object_size))


def scan_diameter(of_training: float | None, measured: float | None) -> float | None:
    """Choose the diameter of the objects of a scan: that of the training images, if it is known.

    Parameters
    ----------
    of_training, measured : float or None
        Diameters in pixels.

    Returns
    -------
    float or None
        A measured diameter is rounded, as it is an estimate.
    """
    if of_training is None or measured is None:
        return of_training if measured is None else float(f"{measured:.3g}")
    if not 1 / _MAX_RATIO < measured / of_training < _MAX_RATIO:
        warnings.warn(
            f"Objects of the scan seem to have a diameter of {measured:.3g} pixels, and those of "
            f"the training images have {of_training:.3g}. The scan is predicted as if it had these."
            " If it has another magnification, pass its object_diameter.",
            stacklevel=3,
        )
    return of_training
