"""Modules of an exported model.

Only torch is imported here: the text of this file becomes a part of the architecture file in a
package.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

_MIN_PROBABILITY = 1e-6


class Standardize(nn.Module):
    """Subtract the mean of each channel and divide by its standard deviation.

    Parameters
    ----------
    mean, std : sequence of float
    double : bool, default=False
        Whether the mean needs 64 bits.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float], double: bool = False):
        super().__init__()
        dtype = torch.float64 if double else torch.float32
        self.register_buffer("mean", torch.tensor(mean, dtype=dtype))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map images (batch, channels, *spatial) to float32 of the same shape."""
        shape = (-1, *(1,) * (x.ndim - 2))
        centered = x.to(self.mean.dtype) - self.mean.view(shape)
        return centered.float() / self.std.view(shape)

    def options(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        double = self.mean.dtype == torch.float64
        return {"mean": self.mean.tolist(), "std": self.std.tolist(), "double": double}


class Displace(nn.Module):
    """Move the content of images by fractions of a pixel; the frame is repeated beyond them.

    Parameters
    ----------
    kernels : sequence of (steps, weights)
        For each spatial axis: pixels that are read around each, and their weights.
    """

    def __init__(self, kernels: Sequence[Any]):
        super().__init__()
        self.kernels = kernels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map images to images of the same shape."""
        ndim = len(self.kernels)
        for axis, (steps, weights) in enumerate(self.kernels):
            before, after = max(0, -min(steps)), max(0, max(steps))
            pads = [0] * (2 * ndim)
            pads[2 * (ndim - 1 - axis) : 2 * (ndim - axis)] = [before, after]
            padded, size = nn.functional.pad(x, pads, mode="replicate"), x.shape[2 + axis]
            x = torch.zeros_like(x)
            for step, weight in zip(steps, weights):
                x = x + padded.narrow(2 + axis, before + step, size) * weight
        return x

    def options(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {"kernels": self.kernels}


class Clip(nn.Module):
    """Limit intensities to [0, 1]."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map images to images of the same shape."""
        return x.clamp(0, 1)

    def options(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {}


class Probabilities(nn.Module):
    """Turn the outputs of a network into calibrated probabilities.

    Parameters
    ----------
    network : torch.nn.Module
    calibration : sequence of float
        Slope and offsets of logits.
    is_classes : bool
        Whether the outputs are classes; otherwise the first is the foreground.
    has_cores : bool
        Whether the last output is the core of an object.
    """

    offsets: torch.Tensor

    def __init__(
        self, network: nn.Module, calibration: Sequence[float], is_classes: bool, has_cores: bool
    ):
        super().__init__()
        self.network, self.is_classes, self.has_cores = network, is_classes, has_cores
        self.calibration = [float(value) for value in calibration]
        self.slope = self.calibration[0]
        self.is_calibrated = self.slope != 1 or any(self.calibration[1:])
        offsets = torch.tensor(calibration[1:], dtype=torch.float32)
        self.register_buffer("offsets", offsets, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, channels, *spatial) to probabilities (batch, n_outputs, *spatial)."""
        logits = self.network(x).float()
        if self.is_classes:
            return self._calibrate(logits.softmax(1))
        foreground = self._calibrate(logits[:, :1].sigmoid())
        if not self.has_cores:
            return foreground
        return torch.cat([foreground, logits[:, -1:].sigmoid()], dim=1)

    def options(self) -> dict[str, Any]:
        """Return the arguments of the constructor, but for the network."""
        return {
            "calibration": self.calibration,
            "is_classes": self.is_classes,
            "has_cores": self.has_cores,
        }

    def _calibrate(self, probabilities: torch.Tensor) -> torch.Tensor:
        if not self.is_calibrated:
            return probabilities
        # Of probabilities and not of the outputs: as in predictions, to the last bit but one.
        inside = probabilities.clamp(_MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
        logits = inside.log() if self.is_classes else (inside / (1 - inside)).log()
        logits = logits * self.slope + self.offsets.view(-1, *(1,) * (logits.ndim - 2))
        return logits.softmax(1) if self.is_classes else logits.sigmoid()
