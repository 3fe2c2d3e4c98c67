"""Displacement of images by fractions of a pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

_LOBES = 3  # of the Lanczos kernel, on each side


def displacement_margin(offset: Sequence[float] | np.ndarray | None) -> int:
    """Return how far around a pixel `displace` reads, at most; 0 for None, no displacement."""
    return 0 if offset is None else math.ceil(max(map(abs, offset))) + _LOBES


def displace(images: torch.Tensor, offset: Sequence[float] | np.ndarray) -> torch.Tensor:
    """Move the content of images: ``result(x) = images(x - offset)``.

    Interpolated by a Lanczos kernel of six pixels [1]_, which keeps fine detail; the frame is
    repeated beyond the image. Each pixel is the same sum, to the bit, in a part of an image too,
    `displacement_margin` away from where the part ends.

    Parameters
    ----------
    images : Tensor of shape (..., *spatial), floating
    offset : sequence of float or ndarray
        Pixels along each of the last axes.

    Returns
    -------
    Tensor of the same shape

    References
    ----------
    .. [1] Duchon. Lanczos filtering in one and two dimensions. Journal of Applied Meteorology,
       1979. :doi:`10.1175/1520-0450(1979)018<1016:LFIOAT>2.0.CO;2`

    Examples
    --------
    >>> import torch
    >>> from sskseg.images.displacement import displace
    >>> displace(torch.tensor([[0.0, 0.0, 1.0, 0.0]]), (0, 1))
    tensor([[0., 0., 0., 1.]])
    """
    for axis, value in enumerate(offset, start=-len(offset)):
        images = _displace_axis(images, axis, float(value))
    return images


def _displace_axis(images, axis, offset):
    steps, weights = displacement_kernel(-offset)
    size = images.shape[axis]
    total = torch.zeros_like(images)
    for step, weight in zip(steps, weights, strict=True):
        at = torch.from_numpy(np.clip(np.arange(size) + step, 0, size - 1)).to(images.device)
        # In two operations: fused ones round otherwise at the ends of vectors.
        part = images.index_select(axis, at) * weight
        total += part
    return total


def displacement_kernel(position: float) -> tuple[list[int], list[float]]:
    """Return the steps to pixels around a position, and their weights, which add up to 1."""
    whole = math.floor(position)
    if whole == position:
        return [whole], [1.0]
    steps = np.arange(whole - _LOBES + 1, whole + _LOBES + 1)
    away = steps - position
    weights = np.sinc(away) * np.sinc(away / _LOBES)
    return steps.tolist(), (weights / weights.sum()).tolist()
