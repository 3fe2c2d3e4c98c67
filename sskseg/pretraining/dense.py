"""What a pretrained network gives for each pixel, as networks that `DensePredictor` can run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from ..nn import pad_to_multiple

_MODES = {2: "bilinear", 3: "trilinear"}


class DenseFeatures(nn.Module):
    """Features of the last level of the decoder, at the resolution of the image.

    Parameters
    ----------
    network : ProxyNetwork
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.backbone: Any = network.backbone

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, 1, *spatial) to (batch, n_features, *spatial)."""
        padded = pad_to_multiple(x, self.backbone.stride)
        size = padded.shape[2:]
        features = F.interpolate(self.backbone.features(padded), size=size, mode=_MODES[len(size)])
        return features[(slice(None), slice(None), *map(slice, x.shape[2:]))]


class ClassScores(nn.Module):
    """Log-probabilities of all classes of an image, the same in each of its pixels.

    Parameters
    ----------
    network : ProxyNetwork
    proxies : sequence of str
        Names of the proxies, whose classes follow each other.
    """

    def __init__(self, network: nn.Module, proxies: Sequence[str]):
        super().__init__()
        self.network: Any = network
        self.proxies = tuple(proxies)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, 1, *spatial) to (batch, n_classes of all proxies, *spatial)."""
        logits, _ = self.network(pad_to_multiple(x, self.network.backbone.stride))
        scores = torch.cat([logits[name].log_softmax(1) for name in self.proxies], dim=1)
        return scores[(..., *(None,) * (x.ndim - 2))].expand(-1, -1, *x.shape[2:])
