"""Arrays and tensors on devices; apart from `sskseg.images`, since it needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
import torch


@overload
def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor: ...
@overload
def to_device(tensor: None, device: torch.device) -> None: ...
def to_device(tensor, device):
    """Move a tensor to a device, without waiting for a GPU; None stays None.

    Parameters
    ----------
    tensor : Tensor or None
    device : torch.device

    Returns
    -------
    Tensor or None
        The tensor itself if it is there already.
    """
    if tensor is None:
        return None
    if device.type == "cuda" and tensor.device.type == "cpu":  # others cannot be pinned
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def array_to_device(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """Copy an array to a device, without waiting for a GPU.

    Parameters
    ----------
    array : ndarray
        On the CPU its memory is shared, if it is contiguous and writable.
    device : torch.device

    Returns
    -------
    Tensor
    """
    return to_device(torch.from_numpy(np.require(array, requirements=["C", "W"])), device)


def box_masks(
    starts: np.ndarray, stops: np.ndarray, shape: Sequence[int], device: torch.device
) -> torch.Tensor:
    """Make masks of boxes on a device.

    Parameters
    ----------
    starts, stops : ndarray of int, shape (..., ndim)
        First pixels of the boxes, and those after the last ones.
    shape : sequence of int
        Of a mask.
    device : torch.device

    Returns
    -------
    Tensor of bool, shape (..., *shape)
    """
    bounds = array_to_device(np.stack([starts, stops]), device)
    masks: Any = True
    for axis, side in enumerate(shape):
        start, stop = (each[..., axis, None] for each in bounds)
        pixel = torch.arange(side, device=device)
        inside = (pixel >= start) & (pixel < stop)
        sides = (side if k == axis else 1 for k in range(len(shape)))
        masks = masks & inside.view(*inside.shape[:-1], *sides)
    return masks
