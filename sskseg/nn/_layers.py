"""Layers by number of dimensions, and padding."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn


class _Conv3d(nn.Conv3d):
    """A convolution trained in float32 if the input has fewer planes than the kernel.

    On CPUs, torch (2.13, oneDNN) computes the gradients of bfloat16 weights from uninitialized
    memory if there are at least two planes but fewer than in the kernel.
    """

    def forward(self, x):
        # The size last: an export, which computes no gradients, must not depend on it.
        is_training = x.device.type == "cpu" and torch.is_grad_enabled()
        if is_training and 1 < x.shape[2] < self.kernel_size[0]:
            with torch.autocast("cpu", enabled=False):
                return super().forward(x.to(self.weight.dtype))
        return super().forward(x)


CONV = {2: nn.Conv2d, 3: _Conv3d}
UPCONV = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
POOL = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
NORM = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
DROPOUT = {2: nn.Dropout2d, 3: nn.Dropout3d}


def conv_relu(
    in_channels: int, out_channels: int, ndim: int, *, padding: int = 1, batch_norm: bool = False
) -> list[nn.Module]:
    """List a 3x3 convolution and ReLU; with batch normalization there is no bias.

    Batch (not instance) normalization: its statistics are fixed at prediction, so that tiles give
    the result of the whole image, and it folds into the convolution at no cost.
    """
    conv = CONV[ndim](in_channels, out_channels, 3, padding=padding, bias=not batch_norm)
    norm = [NORM[ndim](out_channels)] if batch_norm else []
    return [conv, *norm, nn.ReLU(inplace=True)]


def pad_to_multiple(x: torch.Tensor, multiple: Sequence[int]) -> torch.Tensor:
    """Pad each spatial axis to the next multiple of `multiple` by repeating its last pixel.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, *spatial)
    multiple : sequence of int
        One for each spatial axis.

    Returns
    -------
    Tensor
    """
    pad = [-size % step for size, step in zip(x.shape[2:], multiple, strict=True)]
    if not any(pad):
        return x
    amounts = [amount for last in reversed(pad) for amount in (0, last)]
    return F.pad(x, amounts, mode="replicate")


def crop_center(x: Any, spatial: Sequence[int]) -> Any:
    """Crop the last axes of a tensor or array to the sizes `spatial`, around the middle.

    Parameters
    ----------
    x : Tensor or ndarray of shape (..., *larger)
    spatial : sequence of int

    Returns
    -------
    Tensor or ndarray
        A view.
    """
    first = [(size - new) // 2 for size, new in zip(x.shape[-len(spatial) :], spatial, strict=True)]
    return x[(..., *(slice(a, a + new) for a, new in zip(first, spatial, strict=True)))]
