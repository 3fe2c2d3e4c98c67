"""What happens to images before the network, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from ..images import intensity_range, rescale
from ..images.displacement import displacement_kernel
from ..segmentation import SemiSupervisedSegmenter
from ._modules import Clip, Displace, Standardize
from ._parts import Parts

_LARGEST = float(np.finfo(np.float32).max)


class ImagePercentiles(nn.Module):
    """Scale each channel of each image by its own percentiles, as ``scope="image"`` does.

    It needs the whole image without padding, so that it is in no graph.

    Parameters
    ----------
    percentiles : sequence of two floats
    """

    def __init__(self, percentiles: Sequence[float]):
        super().__init__()
        self.percentiles = [float(value) for value in percentiles]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map images (batch, channels, *spatial) to images of the same shape."""
        images = np.moveaxis(x.numpy(), 1, -1)
        limits = [intensity_range([image], np.array(self.percentiles)) for image in images]
        scaled = [rescale(image, *limit) for image, limit in zip(images, limits, strict=True)]
        return torch.from_numpy(np.moveaxis(np.stack(scaled), -1, 1).copy())


def preprocessing_steps(parts: Parts) -> list[nn.Module]:
    """List everything that happens to images before the network.

    This is the one place that knows: graphs, packages and checks are made of this list.

    Parameters
    ----------
    parts : Parts

    Returns
    -------
    list of torch.nn.Module
        Each maps (batch, channels, *spatial) to the same shape; of consecutive sections the
        channels are those of all sections that the network reads.
    """
    n_sections = n_input_sections(parts.segmenter)
    steps = [] if parts.scaler is None else _scaling(parts.scaler, n_sections)
    mean, std = parts.segmenter.channel_mean_, parts.segmenter.channel_std_
    offset = parts.segmenter.label_offset_
    moved = (
        []
        if offset is None
        else [Displace([list(displacement_kernel(-x)) for x in offset.tolist()])]
    )
    return [*steps, _standardize(mean, std, n_sections), *moved]


def n_input_sections(segmenter: SemiSupervisedSegmenter) -> int:
    """Return how many sections the network reads at once."""
    is_stack = segmenter.sections == "consecutive"
    return 2 * segmenter.section_context + 1 if is_stack else 1


def _scaling(scaler, n_sections):
    clip = [Clip()] if scaler.clip else []
    if scaler.scope == "image":
        return [ImagePercentiles(scaler.percentiles), *clip]
    span = (scaler.high_ - scaler.low_).astype(np.float32)
    # A constant channel becomes 0 (below 1e-20 at least), whatever its values.
    span = np.where(span > 0, span, np.float32(_LARGEST))
    return [_standardize(scaler.low_.astype(np.float32), span, n_sections), *clip]


def _standardize(mean, std, n_sections):
    double = mean.dtype == np.float64
    return Standardize(mean.tolist() * n_sections, std.tolist() * n_sections, double)


def n_outside_of_graphs(steps: Sequence[nn.Module]) -> int:
    """Return how many steps must be done before an ONNX graph: those up to the last that cannot."""
    outside = [i for i, step in enumerate(steps) if isinstance(step, ImagePercentiles)]
    return outside[-1] + 1 if outside else 0


def described_steps(steps: Sequence[nn.Module], axes: str) -> list[dict[str, Any]]:
    """Describe the first steps in words of bioimage.io, up to the first that it has no word for.

    Parameters
    ----------
    steps : sequence of torch.nn.Module
    axes : str
        Spatial axes, such as "yx".

    Returns
    -------
    list of dict
        One for each step that is described.
    """
    found = []
    for step in steps:
        description = _described(step, axes)
        if description is None:
            break
        found.append(description)
    return found


def _described(step, axes):
    if isinstance(step, ImagePercentiles):
        low, high = step.percentiles
        percentiles = {"min_percentile": low, "max_percentile": high}
        return {"id": "scale_range", "kwargs": {"axes": list(axes), **percentiles}}
    if isinstance(step, Clip):
        return {"id": "clip", "kwargs": {"min": 0.0, "max": 1.0}}
    # Programs compute in float32, which does not hold a mean of 64 bits.
    if isinstance(step, Standardize) and step.mean.dtype == torch.float32:
        kwargs = {"axis": "channel", "mean": step.mean.tolist(), "std": step.std.tolist()}
        return {"id": "fixed_zero_mean_unit_variance", "kwargs": kwargs}
    return None
