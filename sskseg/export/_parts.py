"""Parts of a fitted model, and which models can be exported."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

from sklearn.utils.validation import check_is_fitted

from ..counting import Contours, InstanceCounter, make_instance_method
from ..model_selection import CrossFitted
from ..preprocessing import PercentileScaler
from ..pretraining import ProxyPretrainer
from ..refinement import SimulatedRefiner
from ..segmentation import SemiSupervisedSegmenter

_UNCHANGED = (ProxyPretrainer, SimulatedRefiner)  # steps that hand images on as they are


class Parts(NamedTuple):
    """Parts of a model: scaler of intensities, segmenter, counter; None where there is none."""

    scaler: PercentileScaler | None
    segmenter: SemiSupervisedSegmenter
    counter: InstanceCounter | None


class NotExportable(TypeError):
    """A model with steps that no other program can run."""


def split_model(model: Any) -> Parts:
    """Split a fitted model into its parts.

    Parameters
    ----------
    model : SemiSupervisedSegmenter, CrossFitted, or Pipeline
        A pipeline consists of a `PercentileScaler` or none, a segmenter, and an `InstanceCounter`
        or none.

    Returns
    -------
    Parts

    Raises
    ------
    TypeError
        For another model, or a pipeline with other steps.
    ValueError
        For a segmenter of which one graph cannot hold the predictions.
    sklearn.exceptions.NotFittedError
    """
    steps = [step for _, step in getattr(model, "steps", [("", model)])]
    steps = [step for step in steps if step not in (None, "passthrough")]
    steps = [step for step in steps if not isinstance(step, _UNCHANGED)]
    counter = steps.pop() if len(steps) > 1 and isinstance(steps[-1], InstanceCounter) else None
    segmenter = steps.pop() if steps else None
    if isinstance(segmenter, CrossFitted):
        check_is_fitted(segmenter)
        segmenter = segmenter.segmenter_
    if not isinstance(segmenter, SemiSupervisedSegmenter):
        raise NotExportable(
            "model must be a fitted SemiSupervisedSegmenter, or a pipeline that ends with one or "
            f"with one and an InstanceCounter, got {segmenter!r} as the segmenter."
        )
    scaler = _scaler(steps)
    for part in (scaler, segmenter, counter):
        if part is not None:
            check_is_fitted(part)
    _check_segmenter(segmenter)
    if counter is not None and isinstance(make_instance_method(counter.method), Contours):
        raise ValueError("model must count by probabilities, got method='contours'.")
    return Parts(scaler, segmenter, counter)


def _scaler(steps):
    if not steps:
        return None
    if len(steps) > 1 or not isinstance(steps[0], PercentileScaler):
        raise NotExportable(
            "The only step that may change images before the segmenter is one PercentileScaler, "
            f"got {steps!r}. Export the segmenter alone, and apply these steps in the other "
            "program."
        )
    return steps[0]


def _check_segmenter(segmenter):
    """Raise where a graph of one network would predict something else."""
    if segmenter.continuity_ is not None:
        raise ValueError(
            "The segmenter corrects each section by the predictions of its neighbors (continuity_),"
            " which a graph of one section cannot hold. Fit one with semi_supervision="
            "'self-training' or None."
        )
    if segmenter.test_time_augmentation:
        raise ValueError(
            "The segmenter averages over flips and turns, for which a graph holds the network too "
            "often. Export it after set_params(test_time_augmentation=False); its probabilities "
            "are then those without."
        )
    if not hasattr(segmenter.network_, "stride"):
        raise ValueError(
            f"{type(segmenter.network_).__name__}, the network of the segmenter, has no stride: "
            "which sizes of images it takes is unknown. Give the module the attribute `stride` "
            "(see sskseg.nn.protocol)."
        )
    if segmenter.object_size_ is not None:
        warnings.warn(
            "The segmenter resamples images so that their objects have a diameter of "
            f"{segmenter.object_size_:g} pixels. The exported model does not: its images should "
            "have objects of about this size. augmentation={'object_size': None} trains on images "
            "as they are.",
            stacklevel=4,
        )


def plain_segmenter(segmenter: SemiSupervisedSegmenter) -> SemiSupervisedSegmenter:
    """Return a segmenter that predicts as its network does: on the CPU, at one magnification."""
    plain = type(segmenter).__new__(type(segmenter))  # a copy would copy the networks, too
    plain.__dict__.update(vars(segmenter))
    plain.device, plain.precision, plain.object_size_ = "cpu", "float32", None
    return plain
