"""Compare an exported graph with the model, before a file appears."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from ..images import section_indices
from ._graph import INPUT
from ._parts import Parts, plain_segmenter
from ._preprocessing import n_input_sections
from ._sizes import InputSizes

_TOLERANCE = 1e-4  # rounding is below 1e-5, see the tests
# Strides of the images, along each axis of planes and volumes: small ones, and larger ones, since
# torch may drop what a network computes of the size of its input.
_SIZES = {2: ((2, 3), (9, 7)), 3: ((2, 3, 2), (4, 2, 3))}


def verify_graph(graph: Any, parts: Parts, outside: Sequence[nn.Module], sizes: InputSizes) -> None:
    """Raise if a graph and the model give different probabilities of images of noise.

    Parameters
    ----------
    graph : onnx.ModelProto
    parts : Parts
    outside : sequence of torch.nn.Module
        Preprocessing before the graph.
    sizes : InputSizes

    Raises
    ------
    RuntimeError
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    rng = np.random.default_rng(0)
    for counts in _SIZES[len(sizes.stride)]:
        axes = zip(sizes.minimum, sizes.margin, sizes.stride, counts, strict=True)
        shape = [least - 2 * margin + n * step for least, margin, step, n in axes]
        images = _noise(parts, rng, shape)
        inputs = sizes.pad(prepare(channels_of(parts, images), outside))
        (found,) = session.run(None, {INPUT: inputs})
        expected = expected_probabilities(parts, images)
        same = found.shape == expected.shape
        difference = np.abs(found - expected).max() if same else np.inf
        if not difference <= _TOLERANCE:
            raise RuntimeError(
                f"The graph does not compute what the model predicts for images of {shape} pixels: "
                f"shape {found.shape} instead of {expected.shape}, differences of up to "
                f"{difference:.2g}. Nothing was written. This is a defect of the export, or the "
                "network computes with the size of its input."
            )


def prepare(inputs: np.ndarray, steps: Sequence[nn.Module]) -> np.ndarray:
    """Apply preprocessing steps to (batch, channels, *spatial)."""
    with torch.no_grad():
        return nn.Sequential(*steps)(torch.from_numpy(inputs)).numpy()


def channels_of(parts: Parts, images: np.ndarray) -> np.ndarray:
    """Return the input channels (batch, channels, *spatial) of images with channels last.

    Of consecutive sections, the channels of all sections that the network reads for each.
    """
    first = np.moveaxis(images.astype(np.float32), -1, 1)
    context = n_input_sections(parts.segmenter) // 2
    windows = first[section_indices(np.arange(len(first)), context)]
    return np.ascontiguousarray(windows.reshape(len(first), -1, *first.shape[2:]))


def expected_probabilities(parts: Parts, images: np.ndarray) -> np.ndarray:
    """Predict images with the model: probabilities (batch, n_outputs, *spatial), float32."""
    if parts.scaler is not None:
        images = parts.scaler.transform(images)
    segmenter = plain_segmenter(parts.segmenter)
    is_classes = segmenter.target == "classes"
    predicted = segmenter.predict_proba(images) if is_classes else segmenter.transform(images)
    has_channels = predicted.ndim == images.ndim
    return np.moveaxis(predicted, -1, 1) if has_channels else predicted[:, None]


def _noise(parts, rng, shape):
    """Images (3, *shape, n_channels) of about the intensities of the training images."""
    mean, std = parts.segmenter.channel_mean_, parts.segmenter.channel_std_
    images = rng.normal(mean, 2 * std, (3, *shape, len(mean)))
    if parts.scaler is not None and parts.scaler.scope == "dataset":
        images = images * (parts.scaler.high_ - parts.scaler.low_) + parts.scaler.low_
    return images.astype(np.float32)
