"""Filters of a batch, each image by one of its own: products with matrices along axes.

It needs torch, so that `sskseg.images` does not import it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from .tensors import array_to_device


def filter_axes(
    images: torch.Tensor, matrices: Sequence[torch.Tensor], first_axis: int
) -> torch.Tensor:
    """Multiply successive axes of images by matrices, in float32.

    Parameters
    ----------
    images : Tensor of shape (batch, ..., *sides)
    matrices : sequence of Tensor of shape (batch, new_side, side)
        For successive axes.
    first_axis : int
        Of these axes; negative, so that the last is -1.

    Returns
    -------
    Tensor of shape (batch, ..., *new_sides)
    """
    with torch.autocast(images.device.type, enabled=False):
        for axis, matrix in enumerate(matrices, start=first_axis):
            lines = images.float().movedim(axis, -1)
            filtered = lines.flatten(1, -2) @ matrix.mT
            images = filtered.unflatten(1, lines.shape[1:-1]).movedim(-1, axis)
    return images


def blur_matrices(
    sigma: np.ndarray, side: int, device: torch.device, *, truncate: float
) -> torch.Tensor:
    """Make the matrices of Gaussian blurs, with the frame repeated outside of the image.

    Parameters
    ----------
    sigma : ndarray of shape (n,)
        Standard deviations, pixels; at 0 nothing is blurred.
    side : int
        Pixels of the image along the axis.
    device : torch.device
    truncate : float
        Standard deviations at which the kernels end.

    Returns
    -------
    Tensor of shape (n, side, side), float32
    """
    n = torch.full((len(sigma), 1), side, device=device)
    return _blur(sigma, n, side, truncate)


def resampling_matrices(coarse: np.ndarray, side: int, device: torch.device) -> torch.Tensor:
    """Make the matrices that average over a coarser grid and interpolate back, linearly.

    Parameters
    ----------
    coarse : ndarray of int, shape (n,)
        Pixels of the coarser grids; at `side` nothing changes.
    side : int
        Pixels of the image along the axis.
    device : torch.device

    Returns
    -------
    Tensor of shape (n, side, side), float32
        As "area" and "linear" of `torch.nn.functional.interpolate`.
    """
    n, most = _column(coarse, device), int(coarse.max())
    cell = torch.arange(most, device=device)
    means = _means(cell * side // n, -(-(cell + 1) * side // n), side)
    return _interpolation(n / side, n, side, most) @ means


def coarse_blur_matrices(
    sigma: np.ndarray, factor: np.ndarray, side: int, device: torch.device, *, truncate: float
) -> torch.Tensor:
    """Make the matrices of wide Gaussian blurs, at a coarse resolution.

    Parameters
    ----------
    sigma : ndarray of shape (n,)
        Standard deviations, pixels.
    factor : ndarray of int, shape (n,)
        Pixels of the image along the side of a coarse one.
    side : int
        Pixels of the image along the axis.
    device : torch.device
    truncate : float
        Standard deviations at which the kernels end.

    Returns
    -------
    Tensor of shape (n, side, side), float32
    """
    cells = -(-side // factor)
    width, n, most = _column(factor, device), _column(cells, device), int(cells.max())
    start = torch.arange(most, device=device) * width
    means = _means(start, (start + width).clamp_max(side), side)
    blur = _blur(sigma / factor, n, most, truncate)
    return _interpolation(1 / width, n, side, most) @ (blur @ means)


def _column(values, device):
    return array_to_device(values.astype(np.int64), device)[:, None]


def _means(start, stop, side):
    """Matrices (n, n_cells, side) that average over the pixels of cells from start to stop."""
    pixel, size = torch.arange(side, device=start.device), (stop - start).clamp_min(1)
    inside = (pixel >= start[..., None]) & (pixel < stop[..., None])
    return inside.float() / size[..., None]


def _interpolation(scale, n, side, most):
    """Matrices (n, side, most) that interpolate linearly between the first `n` of `most` cells."""
    source = ((torch.arange(side, device=n.device) + 0.5) * scale - 0.5).clamp_min(0)
    before = source.long()
    share = (source - before)[..., None]
    cell = torch.arange(most, device=n.device)
    is_before = cell == before[..., None]
    is_after = cell == torch.minimum(before + 1, n - 1)[..., None]
    return (1 - share) * is_before + share * is_after


def _blur(sigma, n, most, truncate):
    """Matrices (n, most, most) that blur the first `n` of `most` pixels."""
    radius = (truncate * sigma + 0.5).astype(int)
    steps = np.arange(-radius.max(), radius.max() + 1)
    kernels = np.exp(-0.5 * (steps / np.maximum(sigma, 1e-6)[:, None]) ** 2)
    kernels *= np.abs(steps) <= radius[:, None]
    kernels /= kernels.sum(1, keepdims=True)
    weights = array_to_device(kernels.astype(np.float32), n.device)
    pixel = torch.arange(most, device=n.device)[:, None]
    at = pixel + torch.arange(int(steps[0]), int(steps[-1]) + 1, device=n.device)
    at = torch.minimum(at.clamp_min(0), n[..., None] - 1)
    matrices = torch.zeros(len(sigma), most, most, device=n.device)
    return matrices.scatter_add_(2, at, weights[:, None].expand(at.shape))
