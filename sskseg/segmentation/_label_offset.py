"""Labels that lie beside what they label."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING

import numpy as np

from ..morphology import estimate_label_offset
from ..training import starts_warm
from ._training_data import TrainingData

if TYPE_CHECKING:
    from ._segmenter import SemiSupervisedSegmenter

_LOGGER = logging.getLogger("sskseg")
_MAX_SAMPLES = 32  # that are measured
_MAX_PIXELS = 2**24
_MAX_P_VALUE = 0.01
_MIN_OFFSET = 0.25  # pixels: smaller ones cost nothing
_MAX_GIVEN = 16.0
_MAX_OFFSET = 1.5  # pixels: larger ones are no matter of how pixels are counted


def choose_label_offset(
    segmenter: SemiSupervisedSegmenter, data: TrainingData
) -> np.ndarray | None:
    """Return the offset between labels and images that training and prediction account for.

    Parameters
    ----------
    segmenter : SemiSupervisedSegmenter
        With `object_size_`.
    data : TrainingData

    Returns
    -------
    ndarray of shape (2,), or None
        Position of labels less that of what they label, pixels along each axis; None is none. With
        "auto": of planes without simulated images and at their own magnification, an offset of 0.25
        to 1.5 pixels that is significant (p < 0.01).
    """
    setting = "auto" if isinstance(segmenter.loss, str) else segmenter.loss.label_offset
    applies = segmenter.spatial_ndim_ == 2 and segmenter.object_size_ is None
    if setting is None or isinstance(setting, str):
        if starts_warm(segmenter):
            return segmenter.label_offset_
        is_measured = setting is not None and applies and data.n_real == len(data.labels)
        return _measured(data) if is_measured else None
    offset = _given(setting)
    if not applies:
        raise ValueError(
            f"label_offset={setting!r} of the loss is for planes at their own magnification, got "
            f"spatial_ndim={segmenter.spatial_ndim_} and object_size_={segmenter.object_size_}."
        )
    return offset


def _measured(data):
    chosen = data.labeled[:: -(-len(data.labeled) // _MAX_SAMPLES)]
    sizes = np.cumsum([data.labels[i].size for i in chosen])
    chosen = chosen[(sizes <= _MAX_PIXELS) | (np.arange(len(chosen)) == 0)]
    images, labels = data.sample_images, data.labels
    found = estimate_label_offset([images[i] for i in chosen], [labels[i] for i in chosen])
    if found is None:
        return None
    length = float(np.linalg.norm(found.offset))
    text = " and ".join(
        f"{value:.2f} ± {error:.2f}"
        for value, error in zip(found.offset, found.standard_error, strict=True)
    )
    text = f"Labels lie {text} pixels (y, x) beside the image (p = {found.p_value:.1g})"
    _LOGGER.info(text)
    if found.p_value > _MAX_P_VALUE or length < _MIN_OFFSET:
        return None
    if length > _MAX_OFFSET:
        warnings.warn(
            f"{text}, which is too much to be corrected. Look whether labels and images fit; light "
            "from one side has the same effect.",
            stacklevel=4,
        )
        return None
    return found.offset


def _given(setting):
    """Check an offset that was given as a parameter."""
    values = np.asarray(setting)
    if values.shape != (2,) or values.dtype.kind not in "iuf" or not _is_small(values):
        raise ValueError(
            "label_offset of the loss must be 'auto', None or an offset along y and x of at most "
            f"{_MAX_GIVEN:g} pixels, got {setting!r}."
        )
    return values.astype(float)


def check_fitted_offset(offset: np.ndarray | None) -> None:
    """Refuse an offset of a model file that no fit gives."""
    if offset is not None and (offset.shape != (2,) or not _is_small(offset)):
        raise ValueError(
            f"label_offset_ must be two numbers of at most {_MAX_GIVEN:g}, got {offset}."
        )


def _is_small(offset):
    return bool((np.abs(offset) <= _MAX_GIVEN).all())
