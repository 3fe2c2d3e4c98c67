"""Damages of all patches of a batch at once, on a device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from ..images.tensors import array_to_device, box_masks


class Painting(NamedTuple):
    """What of a patch is painted over.

    Parameters
    ----------
    background : float in [0, 1), or None
        Of the range of intensities: what all but the boxes is painted with; None: nothing is.
    boxes : list of tuple of slice
    values : list of float or None
        What the boxes are painted with, one after the other; None: they stay as they were.
    """

    background: float | None
    boxes: list[tuple[slice, ...]]
    values: list[float | None]


def bend_batch(images: torch.Tensor, curves: Sequence[np.ndarray | None]) -> torch.Tensor:
    """Map intensities by piecewise linear curves.

    Parameters
    ----------
    images : Tensor of shape (batch, 1, *spatial)
    curves : sequence of ndarray of shape (4,), or None for an image that stays
        Shares of the range of intensities, at equal distances.

    Returns
    -------
    Tensor of the same shape
    """
    identity = np.linspace(0, 1, 4)
    filled = np.stack([identity if curve is None else curve for curve in curves])
    knots = array_to_device(filled.astype(np.float32), images.device)
    low, high = _range(images)
    at = 3 * (images - low) / (high - low).clamp_min(1e-30)
    before = at.long().clamp(0, 2)
    flat = before.flatten(1)
    start, stop = (knots.gather(1, flat + k).view_as(images) for k in (0, 1))
    bent = low + (high - low) * torch.lerp(start, stop, at - before)
    is_bent = array_to_device(np.array([curve is not None for curve in curves]), images.device)
    return torch.where(_each(is_bent, images), bent, images)


def rearrange_batch(images: torch.Tensor, sources: np.ndarray) -> torch.Tensor:
    """Move pixels.

    Parameters
    ----------
    images : Tensor of shape (batch, 1, *spatial)
    sources : ndarray of int, shape (batch, *spatial)
        Flat index of the pixel that comes to each place.

    Returns
    -------
    Tensor of the same shape
    """
    index = array_to_device(sources, images.device).flatten(1).long()
    return images.flatten(1).gather(1, index).view_as(images)


def paint_batch(images: torch.Tensor, paintings: Sequence[Painting]) -> torch.Tensor:
    """Paint over parts of images.

    Parameters
    ----------
    images : Tensor of shape (batch, 1, *spatial)
    paintings : sequence of Painting

    Returns
    -------
    Tensor of the same shape
    """
    shape, device = images.shape[2:], images.device
    most = max(1, *(len(painting.boxes) for painting in paintings))
    corners = np.zeros((2, len(paintings), most, len(shape)), np.int64)  # no pixel is in the rest
    shades = np.zeros((len(paintings), 1 + most), np.float32)  # of the background, of boxes
    for row, (background, boxes, values) in enumerate(paintings):
        shades[row, 0] = background or 0
        for k, (box, value) in enumerate(zip(boxes, values, strict=True)):
            corners[:, row, k] = [side.start for side in box], [side.stop for side in box]
            shades[row, 1 + k] = value or 0
    order = torch.arange(1, most + 1, device=device).view(1, -1, *(1,) * len(shape))
    last = (box_masks(corners[0], corners[1], shape, device) * order).amax(
        1, keepdim=True
    )  # 0: in no box
    shade = array_to_device(shades, device).gather(1, last.flatten(1)).view_as(images)
    is_outer = np.array([painting.background is not None for painting in paintings])
    is_painted = _each(array_to_device(is_outer, device), images) ^ (last > 0)
    low, high = _range(images)
    return torch.where(is_painted, low + (high - low) * shade, images)


def _range(images):
    axes = tuple(range(1, images.ndim))
    return images.amin(axes, keepdim=True), images.amax(axes, keepdim=True)


def _each(values, images):
    return values.view(-1, *(1,) * (images.ndim - 1))
