"""Displacement fields from those of control points."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F


def displacement(
    smooth: np.ndarray, piecewise: np.ndarray, patch_shape: Sequence[int]
) -> torch.Tensor:
    """Interpolate the displacements of control points.

    Parameters
    ----------
    smooth, piecewise : ndarray of shape (grid, grid, 2)
        Displacements, pixels, of a bicubic and of a piecewise affine field.
    patch_shape : tuple of int
        The last two are height and width.

    Returns
    -------
    Tensor of shape (height, width, 2), float32
        The sum of both fields.
    """
    fields = _field(smooth, patch_shape, _cubic_weights)
    return fields + _field(piecewise, patch_shape, _piecewise_weights)


def field_weights(height: int, width: int, grid: int) -> torch.Tensor:
    """Return the weights of the control points of both fields at each pixel.

    Parameters
    ----------
    height, width, grid : int

    Returns
    -------
    Tensor of shape (height * width, 2 * grid**2), float32
        Of the bicubic field, then of the piecewise affine one.
    """
    both = _cubic_weights(height, width, grid), _piecewise_weights(height, width, grid)
    return torch.cat(both, dim=1)


def _field(nodes, patch_shape, weights):
    """Interpolate displacements of control points to (height, width, 2)."""
    height, width = patch_shape[-2:]
    nodes = torch.from_numpy(nodes).float().reshape(-1, 2)
    grid = round(len(nodes) ** 0.5)
    return (weights(height, width, grid) @ nodes).view(height, width, 2)


@lru_cache(maxsize=8)
def _cubic_weights(height, width, grid):
    """Compute the weight of each control point at each pixel of a bicubic surface."""
    basis = torch.eye(grid * grid).view(grid * grid, 1, grid, grid)
    surface = F.interpolate(basis, (height, width), mode="bicubic", align_corners=True)
    return surface.view(grid * grid, -1).T.contiguous()


@lru_cache(maxsize=8)
def _piecewise_weights(height, width, grid):
    """Compute the weight of each control point at each pixel, linear over two triangles a cell."""
    y = torch.linspace(0, grid - 1, height).view(-1, 1).expand(height, width).reshape(-1)
    x = torch.linspace(0, grid - 1, width).view(1, -1).expand(height, width).reshape(-1)
    row, column = y.floor().clamp_max(grid - 2), x.floor().clamp_max(grid - 2)
    v, u = y - row, x - column
    upper = u + v <= 1
    corner = (row * grid + column).long()
    # Barycentric weights: corners (0,0), (0,1), (1,0) above the diagonal, (1,1), (1,0), (0,1)
    # below.
    zero = torch.zeros_like(u)
    weights = torch.zeros(height * width, grid * grid)
    for step, value in (
        (0, torch.where(upper, 1 - u - v, zero)),
        (1, torch.where(upper, u, 1 - v)),
        (grid, torch.where(upper, v, 1 - u)),
        (grid + 1, torch.where(upper, zero, u + v - 1)),
    ):
        weights.scatter_add_(1, (corner + step).unsqueeze(1), value.unsqueeze(1))
    return weights
