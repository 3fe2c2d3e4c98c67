"""The trained network that a fit starts from."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..inference import ChannelNormalization, Compute, DensePredictor, tile_settings
from ..io.models import read_model, split_steps
from ..io.trained import TRAINED
from ..metrics import dice
from ..model_selection.reference import object_parts
from ..morphology import complete_objects
from ..training import channel_statistics, check_backbone, starts_warm
from ._object_size import normalize_size
from ._training_data import TrainingData

if TYPE_CHECKING:
    from ..nn import Backbone
    from ._segmenter import SemiSupervisedSegmenter

_LOGGER = logging.getLogger("sskseg")
# By number of channels. They learned from simulated images alone: a network that learned from real
# ones may know the images on which somebody evaluates the fit.
_MODELS = {1: "cells-simulated", 2: "junctions-simulated", 3: "cells-simulated"}
_MIN_DICE = 0.7  # of the foreground; false objects in a large background make it small
_FRAGMENTED = 0.1  # share of the objects that have several components
_MARGIN = 0.05  # of Dice, by which an inverted network must be better
_MAX_PIXELS = 2**21  # that are predicted to decide; one image at least


def choose_backbone(
    segmenter: SemiSupervisedSegmenter, data: TrainingData, given: Backbone | None
) -> Backbone | None:
    """Choose the network that a fit starts from; sets `trained_model_` of the segmenter.

    Parameters
    ----------
    segmenter : SemiSupervisedSegmenter
    data : TrainingData
    given : Backbone or None
        Of the `ImageStack` that is fitted on.

    Returns
    -------
    Backbone or None
        `given`, or with ``network="auto"`` that of the trained model for this number of channels,
        if it predicts the foreground of the labels with a Dice coefficient of 0.7. Both are
        inverted if they then predict it better, by 0.05 and with 0.7 at least. If no real image is
        labeled, labels are those of simulated ones. None is a start from random weights, or from
        the last fit: for networks of another size, sections, volumes, classes, losses with other
        terms, and labels without a complete object, whose size is unknown. Fragmented objects do
        not start from a network that predicts cores, either: each fragment would have one.
    """
    if given is not None:
        check_backbone(given)
    if starts_warm(segmenter):
        return given
    segmenter.trained_model_ = None
    if not _predicts_planes(segmenter):
        return given
    if given is None:
        return _trained_backbone(segmenter, data)
    can_be_inverted = given.ndim == 2 and isinstance(given.network, str)
    knows_task = can_be_inverted and given.outputs[:1] == ("foreground",)
    some = _some_labeled(data) if knows_task else None
    return given if some is None else _with_polarity(segmenter, some, given)[0]


def _trained_backbone(segmenter, data):
    """The backbone of a trained model, or None."""
    name = _MODELS.get(data.images[0].shape[-1])
    some = _some_labeled(data) if name is not None and _is_default(segmenter) else None
    if some is None:
        return None
    backbone = _read_backbone(segmenter, name)
    if "core" in backbone.outputs and _are_fragmented(some.labels):
        return None
    backbone, score = _with_polarity(segmenter, some, backbone)
    is_good = score >= _MIN_DICE
    start = name if is_good else "random weights"
    _LOGGER.info("The network starts from %s: the Dice of %s is %.2f.", start, name, score)
    segmenter.trained_model_ = name if is_good else None
    return backbone if is_good else None


def _with_polarity(segmenter, data, backbone):
    """The backbone, for bright or for dark objects, and the Dice of the foreground."""
    backbone = backbone.with_channels(data.images[0].shape[-1])
    inverted = backbone.inverted()
    data = normalize_size(segmenter, data, backbone)
    scores = [_score(segmenter, data, each.module) for each in (backbone, inverted)]
    if scores[1] < max(scores[0] + _MARGIN, _MIN_DICE):
        return backbone, scores[0]
    _LOGGER.info(
        "Labeled objects have the opposite brightness of those that the network was trained on: "
        "its first layer is inverted (Dice %.2f instead of %.2f).", scores[1], scores[0],
    )  # fmt: skip
    return inverted, scores[1]


def _are_fragmented(labels):
    parts = np.concatenate([object_parts(label) for label in labels])
    return np.mean(parts > 1) >= _FRAGMENTED


def _read_backbone(segmenter, name):
    _, values, tensors = read_model(TRAINED / f"{name}.sskseg")
    steps = split_steps(values["steps"], tensors)
    (state,) = (state for step, _, *state in steps if step == "segmenter")
    return type(segmenter)._from_state(*state).backbone()


def _predicts_planes(segmenter):
    planes = segmenter.spatial_ndim_ == 2 and segmenter.sections == "independent"
    return planes and segmenter.target == "instances"


def _is_default(segmenter):
    loss = segmenter.loss
    is_auto = (segmenter.network, segmenter.width, segmenter.depth) == ("auto", None, None)
    return is_auto and (isinstance(loss, str) or loss.terms == "auto")


def _some_labeled(data):
    """Labeled samples, real ones if there are any, as many as are predicted in a moment.

    They are drawn from all, and those with a complete object come first; None without such.
    """
    real = data.labeled[data.labeled < data.n_real]
    drawn = np.random.default_rng(0).permutation(real if real.size else data.labeled)
    has_object = np.array([complete_objects(data.labels[i]).any() for i in drawn])
    if not has_object.any():
        return None
    chosen, n_pixels = [], 0
    for index in drawn[np.argsort(~has_object, kind="stable")]:
        if n_pixels < _MAX_PIXELS:
            chosen.append(index)
            n_pixels += data.labels[index].size
    return replace(
        data, images=[data.sample_images[i] for i in chosen],
        labels=[data.labels[i] for i in chosen], section_indices=np.arange(len(chosen))[:, None],
        weight=data.weight[chosen], n_real=len(chosen),
    )  # fmt: skip


def _score(segmenter, data, network):
    """Dice of a network, with the statistics of these images."""
    predictor = DensePredictor(
        network, segmenter._objective().activate,
        ChannelNormalization(*channel_statistics(data.images)), tile_settings(network, 2),
        Compute(segmenter.device, segmenter.precision),
    )  # fmt: skip
    outputs = predictor.predict(data.images)
    return dice(data.labels, [probability > 0.5 for (probability,) in outputs])
