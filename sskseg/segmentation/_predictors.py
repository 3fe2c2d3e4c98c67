"""What predicts with the networks of a segmenter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ..images.augmentation import check_augmentation
from ..images.displacement import displacement_margin
from ..inference import (
    ChannelNormalization,
    Compute,
    DensePredictor,
    SectionPredictor,
    Sections,
    tile_settings,
)
from ..inference.object_size import SizedPredictor, magnification
from ..nn.resampled import ResampledNetwork
from ..training import as_fitted

if TYPE_CHECKING:
    from ._segmenter import SemiSupervisedSegmenter


def dense_predictor(
    segmenter: SemiSupervisedSegmenter,
    network: torch.nn.Module,
    block_shape: tuple[int, ...] | None = None,
    *,
    with_cores: bool = False,
) -> DensePredictor:
    """Return what predicts probabilities of samples with `network`.

    Parameters
    ----------
    segmenter : SemiSupervisedSegmenter
    network : torch.nn.Module
    block_shape : tuple of int, default=None
        Of the blocks of a scan.
    with_cores : bool, default=False
        Whether the probability of the core of an object follows, if the network predicts it.
    """
    objective, offset = segmenter._objective(), segmenter.label_offset_
    return DensePredictor(
        network,
        objective.activate_with_cores if with_cores else objective.activate,
        ChannelNormalization(segmenter.channel_mean_, segmenter.channel_std_, offset),
        tile_settings(
            network, segmenter.spatial_ndim_, block_shape, margin=displacement_margin(offset)
        ),
        Compute(segmenter.device, segmenter.precision),
    )


def section_predictor(
    segmenter: SemiSupervisedSegmenter,
    block_shape: tuple[int, ...] | None = None,
    *,
    with_cores: bool = False,
    factor: float = 1.0,
) -> SectionPredictor:
    """Return what predicts probabilities with all fitted networks, at a magnification.

    See `dense_predictor`.
    """
    objective, correction, network = segmenter._objective(), None, segmenter.network_
    if factor != 1:
        network = ResampledNetwork(network, factor)
    if segmenter.continuity_ is not None:
        tiling = tile_settings(segmenter.continuity_, segmenter.spatial_ndim_, block_shape)
        compute = Compute(segmenter.device, segmenter.precision)
        correction = DensePredictor(
            segmenter.continuity_, objective.activate, None, tiling, compute, torch.float32
        )
    return SectionPredictor(
        dense_predictor(segmenter, network, block_shape, with_cores=with_cores),
        objective.n_probabilities,
        sections_of(segmenter),
        correction,
        segmenter.test_time_augmentation,
        check_augmentation(segmenter.augmentation).dihedral,
        int(with_cores and objective.has_cores),
    )


def image_predictor(
    segmenter: SemiSupervisedSegmenter, *, with_cores: bool = False
) -> SectionPredictor | SizedPredictor:
    """Return what predicts images: at one size of objects, if the segmenter learned so.

    If the objects of the training images have a common diameter, those of others are expected to
    have it, too.
    """
    object_size, diameter = segmenter.object_size_, segmenter.object_diameter_
    if object_size is None:
        return section_predictor(segmenter, with_cores=with_cores)
    predictor = section_predictor(segmenter, with_cores=True)
    n_outputs = predictor.n_outputs + with_cores * predictor.n_further
    first_factor = 1.0 if diameter is None else float(magnification(diameter, object_size))
    return SizedPredictor(predictor, object_size, n_outputs, first_factor)


def sections_of(segmenter: SemiSupervisedSegmenter) -> Sections:
    """Return how the samples of a segmenter depend on each other."""
    fitted = as_fitted(segmenter)
    context = getattr(segmenter, "continuity_context_", 0)
    return Sections(fitted.sections == "consecutive", fitted.section_context, context)
