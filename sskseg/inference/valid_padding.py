"""Output of the size of the image from networks with valid padding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch


def pad_to_valid(
    forward: Callable[[torch.Tensor], torch.Tensor], network: Any
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Wrap a network with valid padding so that its output has the size of its input.

    The image is extended by reflection, the overlap-tile strategy of [1]_.

    Parameters
    ----------
    forward : callable
        Maps (batch, n_channels, *size) to an output that lacks ``network.margin`` on each side.
    network : DenseNetwork
        Its ``margin`` and ``valid_input_size`` are used.

    Returns
    -------
    callable
        Maps (batch, n_channels, *spatial) to (batch, n_outputs, *spatial), for any size.

    References
    ----------
    .. [1] Ronneberger, Fischer, Brox. U-Net: Convolutional networks for biomedical image
       segmentation. MICCAI 2015. :doi:`10.1007/978-3-319-24574-4_28`
    """

    def padded(x):
        spatial = x.shape[2:]
        axes = list(zip(spatial, network.margin, strict=True))
        sizes = [network.valid_input_size(size + 2 * margin) for size, margin in axes]
        after = [total - size - margin for total, (size, margin) in zip(sizes, axes, strict=True)]
        result = forward(reflect(x, network.margin, after))
        return result[(slice(None), slice(None), *map(slice, spatial))]

    return padded


def reflect(x: torch.Tensor, before: Sequence[int], after: Sequence[int]) -> torch.Tensor:
    """Extend (batch, channels, *spatial) by its mirror image, by any number of pixels."""
    for axis, (first, last) in enumerate(zip(before, after, strict=True), start=2):
        index = np.pad(np.arange(x.shape[axis]), (first, last), mode="reflect")
        x = x.index_select(axis, torch.from_numpy(index).to(x.device))
    return x
