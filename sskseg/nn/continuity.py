"""Networks that map the probabilities of neighboring sections to those of the middle one."""

import torch
from torch import nn

from .unet import UNet

_EPSILON = 1e-4


class SectionMeanNet(nn.Module):
    """Average the probabilities of neighboring sections.

    Parameters
    ----------
    n_sections : int
        Odd number; the middle section is predicted.
    n_outputs : int
        1 for the foreground probability, or the number of classes.
    ndim : {2, 3}, default=2

    Attributes
    ----------
    stride, reach : tuple of int
        As in `UNet`.
    """

    def __init__(self, n_sections: int, n_outputs: int, *, ndim: int = 2):
        super().__init__()
        self.n_outputs = n_outputs
        self.register_buffer("weights", torch.full((n_sections,), 1 / n_sections))
        self.stride, self.reach = (1,) * ndim, (0,) * ndim

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, n_sections * n_outputs, *spatial) to logits (batch, n_outputs, *spatial)."""
        return _mean_logit(x.unflatten(1, (-1, self.n_outputs)).float().mean(1))


class ContinuityNet(nn.Module):
    """Map the probabilities of neighboring sections to those of the middle section.

    The logit of a learned weighted mean of the sections, corrected by a small U-Net. The correction
    starts at zero: before training the network computes the plain mean.

    Parameters
    ----------
    n_sections : int
        Odd number; the middle section is corrected.
    n_outputs : int
        1 for the foreground probability, or the number of classes.
    width : int, default=8
    depth : int, default=2
        Number of poolings of the U-Net.
    ndim : {2, 3}, default=2

    Attributes
    ----------
    stride, reach : tuple of int
        As in `UNet`.

    References
    ----------
    .. [1] Xiao, Zhao, Yang. Semi-supervised segmentation of mitochondria from electron microscopy
       images using spatial continuity. ISBI 2022. :doi:`10.1109/ISBI52829.2022.9761519`
    """

    def __init__(
        self, n_sections: int, n_outputs: int, width: int = 8, depth: int = 2, *, ndim: int = 2
    ):
        super().__init__()
        self.n_sections, self.n_outputs = n_sections, n_outputs
        self.weights = nn.Parameter(torch.zeros(n_sections))
        self.correction = UNet(
            n_sections * n_outputs, n_outputs, width=width, depth=depth, ndim=ndim, shuffle=True
        )
        for parameter in self.correction.head.parameters():
            nn.init.zeros_(parameter)
        self.stride, self.reach = self.correction.stride, self.correction.reach

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, n_sections * n_outputs, *spatial) to logits (batch, n_outputs, *spatial).

        Probabilities are float32, whatever the weights: bfloat16 has none between 0.998 and 1.
        """
        sections = x.unflatten(1, (self.n_sections, self.n_outputs)).float()
        weights = self.weights.float().softmax(0).view(-1, *(1,) * (sections.ndim - 2))
        logit = _mean_logit((sections * weights).sum(1))
        return logit + self.correction((2 * x - 1).to(self.weights.dtype)).float()


def _mean_logit(mean):
    mean = mean.clamp(_EPSILON, 1 - _EPSILON)
    return mean.logit() if mean.shape[1] == 1 else mean.log()
