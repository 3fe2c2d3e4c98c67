"""Parts of a fitted model, and which models can be exported."""

from __future__ import annotations

from typing import Any, NamedTuple

from sklearn.utils.validation import check_is_fitted

from ..counting import Contours, InstanceCounter
from ..model_selection import CrossFitted
from ..nn.resampled import ResampledNetwork
from ..preprocessing import DomainCheck, PercentileScaler
from ..pretraining import ProxyPretrainer
from ..refinement import SimulatedRefiner
from ..segmentation import SemiSupervisedSegmenter
from ..segmentation._object_size import fixed_magnification
from ..training import as_fitted

_UNCHANGED = (DomainCheck, ProxyPretrainer, SimulatedRefiner)  # hand images on as they are


class Parts(NamedTuple):
    """Parts of a model: scaler of intensities, segmenter, counter; None where there is none.

    If images are resampled to one size of objects, the network of the segmenter does it.
    """

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
    segmenter = as_fitted(segmenter)
    _check_segmenter(segmenter)
    if counter is not None and isinstance(counter._method(), Contours):
        raise ValueError("model must count by probabilities, got method='contours'.")
    return Parts(scaler, _resampling(segmenter), counter)


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


def _resampling(segmenter):
    """A segmenter whose network resamples images, so that a graph can hold it.

    The objects of all images then have the diameter of those of training. If this is unknown, a
    warning says so, and the network stays as it is.
    """
    factor = fixed_magnification(segmenter, "An image of the exported model", stacklevel=5)
    if factor == 1:
        return segmenter
    resampling = _shallow_copy(segmenter)
    resampling.network_ = ResampledNetwork(segmenter.network_, factor)
    resampling.object_size_ = segmenter.object_diameter_
    return resampling


def plain_segmenter(segmenter: SemiSupervisedSegmenter) -> SemiSupervisedSegmenter:
    """Return a segmenter that predicts as its network does: on the CPU, at one magnification."""
    plain = _shallow_copy(segmenter)
    plain.device, plain.precision, plain.object_size_ = "cpu", "float32", None
    return plain


def _shallow_copy(segmenter: SemiSupervisedSegmenter) -> SemiSupervisedSegmenter:
    other = type(segmenter).__new__(type(segmenter))  # `copy` would copy the networks, too
    other.__dict__.update(vars(segmenter))
    return other
