"""Random flips, rotations, scales and deformations of patches.

All geometric transformations of a patch are composed into one map of coordinates, so that the image
is resampled once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage as ndi

from ..tensors import array_to_device
from .deformation import displacement
from .parameters import Augmentation

_FULL_SIDE = 256  # pixels; smaller patches are deformed less
FIXED_POINT_STEPS = 15  # displacements differ by less than half between neighboring pixels


@dataclass(frozen=True)
class Geometry:
    """Sampled geometric transformation of one patch.

    Attributes
    ----------
    matrix : ndarray of shape (ndim, ndim)
        Maps offsets from the center of the output patch to offsets from the center in the image.
    smooth, piecewise : ndarray of shape (grid, grid, 2)
        In-plane displacements (pixels, before `matrix`) of the control points.
    is_rigid : bool
        Whether there are flips and quarter turns only: see `turn`.
    """

    matrix: np.ndarray
    smooth: np.ndarray
    piecewise: np.ndarray
    is_rigid: bool


def sample_geometry(
    augmentation: Augmentation, rng: np.random.Generator, n: int, patch_shape: Sequence[int]
) -> list[Geometry]:
    """Sample geometric transformations of `n` patches."""
    warped = rng.random(n) < augmentation.warp_probability
    return [_sample_one(augmentation, rng, bool(w), patch_shape) for w in warped]


def _sample_one(augmentation, rng, warped, patch_shape):
    grid = (augmentation.grid, augmentation.grid, 2)
    matrix = _dihedral(rng, patch_shape) if augmentation.dihedral else np.eye(len(patch_shape))
    if not warped:
        return Geometry(matrix, np.zeros(grid), np.zeros(grid), is_rigid=True)
    angle = np.deg2rad(rng.uniform(-1, 1) * augmentation.rotation)
    zoom = np.exp(rng.uniform(*np.log(augmentation.scale)))
    turn_and_zoom = np.eye(len(patch_shape))
    turn_and_zoom[-2:, -2:] = [
        [np.cos(angle) / zoom, -np.sin(angle) / zoom],
        [np.sin(angle) / zoom, np.cos(angle) / zoom],
    ]
    share = min(1.0, min(patch_shape[-2:]) / _FULL_SIDE)
    smooth = rng.normal(0, share, grid) * augmentation.elastic
    piecewise = rng.normal(0, share, grid) * augmentation.piecewise
    # A triangle cannot flip while its corners move by less than a quarter of a cell.
    limit = 0.24 * np.array(patch_shape[-2:]) / (augmentation.grid - 1)
    piecewise = np.clip(piecewise, -limit, limit)
    return Geometry(turn_and_zoom @ matrix, smooth, piecewise, is_rigid=False)


def _dihedral(rng, patch_shape):
    """Draw a signed permutation: flips of every axis, and transposition if the plane is square."""
    matrix = np.diag(rng.choice([-1.0, 1.0], len(patch_shape)))
    if rng.random() < 0.5 and patch_shape[-1] == patch_shape[-2]:
        matrix[-2:] = matrix[-2:][::-1].copy()
    return matrix


def turn(images: torch.Tensor, geometry: Geometry) -> torch.Tensor:
    """Flip and turn images, without resampling.

    Parameters
    ----------
    images : Tensor of shape (batch, channels, *patch_shape)
    geometry : Geometry
        With `is_rigid`.

    Returns
    -------
    Tensor of the same shape
    """
    flips = [2 + axis for axis, sign in enumerate(geometry.matrix.sum(axis=1)) if sign < 0]
    images = images.flip(flips) if flips else images
    return images if geometry.matrix[-1, -1] else images.transpose(-1, -2)


def coordinates(geometry: Geometry, patch_shape: Sequence[int]) -> torch.Tensor:
    """Compute where in the image the pixels of a patch are, as offsets from the center.

    Parameters
    ----------
    geometry : Geometry
    patch_shape : tuple of int

    Returns
    -------
    Tensor of shape (1, *patch_shape, ndim), float32
    """
    shift = displacement(geometry.smooth, geometry.piecewise, patch_shape)
    if len(patch_shape) == 3:
        shift = F.pad(shift, (1, 0))
    matrix = torch.from_numpy(geometry.matrix).float()
    return ((pixel_offsets(patch_shape) + shift) @ matrix.T).unsqueeze(0)


def pixel_offsets(patch_shape: Sequence[int]) -> torch.Tensor:
    """Return the offsets of pixels from the center, (*patch_shape, ndim), float32."""
    axes = [torch.arange(side, dtype=torch.float32) - (side - 1) / 2 for side in patch_shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)


def locate(points: np.ndarray, geometry: Geometry, patch_shape: Sequence[int]) -> np.ndarray:
    """Locate points of an image in a patch: the inverse of `coordinates`.

    Parameters
    ----------
    points : ndarray of shape (..., 2)
        Offsets from the center, in the image.
    geometry : Geometry
        In two dimensions.
    patch_shape : tuple of 2 ints

    Returns
    -------
    ndarray of shape (..., 2)
        Offsets from the center of the patch; outside of it the displacement at its border is
        used. Approximate if the deformation folds, as with an `elastic` that is large for the size
        of the patch.
    """
    unmoved = points @ np.linalg.inv(geometry.matrix).T
    if geometry.is_rigid:
        return unmoved
    field = displacement(geometry.smooth, geometry.piecewise, patch_shape).numpy()
    center = (np.array(patch_shape) - 1) / 2
    located = unmoved
    for _ in range(FIXED_POINT_STEPS):
        at = np.moveaxis(located + center, -1, 0)
        moved = [
            ndi.map_coordinates(f, at, order=1, mode="nearest") for f in np.moveaxis(field, -1, 0)
        ]
        located = unmoved - np.stack(moved, axis=-1)
    return located


def resample(images: torch.Tensor, coordinates: torch.Tensor, *, order: int) -> torch.Tensor:
    """Interpolate a batch of images at coordinates.

    Parameters
    ----------
    images : Tensor of shape (batch, channels, *spatial)
    coordinates : Tensor of shape (batch, *patch_shape, ndim)
        Offsets in pixels from the center of `images`; inside of the images, up to rounding.
    order : {0, 1}
        0 nearest (exact for label images of any integer dtype), 1 linear.

    Returns
    -------
    Tensor of shape (batch, channels, *patch_shape)
    """
    sides = images.shape[2:]  # as numbers: a tensor of them would have to be moved to the device
    if order == 1:
        normalized = [2 * coordinates[..., axis] / side for axis, side in enumerate(sides)]
        grid = torch.stack(normalized[::-1], dim=-1)
        return F.grid_sample(
            images, grid, mode="bilinear", padding_mode="border", align_corners=False
        )
    flat: Any = 0
    for axis, side in enumerate(sides):
        index = torch.round(coordinates[..., axis] + (side - 1) / 2).long()
        flat = flat * side + index.clamp(0, side - 1)
    flat = flat.flatten(1).unsqueeze(1).expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, flat).unflatten(2, coordinates.shape[1:-1])


def turn_batch(images: torch.Tensor, quarter_turns: np.ndarray, flips: np.ndarray) -> torch.Tensor:
    """Turn each image of a batch by quarter turns of the plane, then flip it.

    Parameters
    ----------
    images : Tensor of shape (batch, channels, *spatial)
        The last two sides are equal where anything is turned.
    quarter_turns : ndarray of int, shape (batch,)
        From the second last axis to the last one, as `numpy.rot90` with ``axes=(-2, -1)``.
    flips : ndarray of bool, shape (batch, ndim)
        Along each spatial axis.

    Returns
    -------
    Tensor of the same shape
    """
    shape = (-1, *(1,) * (images.ndim - 1))
    changes = np.column_stack([*(quarter_turns % 4 == k for k in (1, 2, 3)), flips])
    masks = [mask.view(shape) for mask in array_to_device(changes, images.device).unbind(1)]
    turned = images
    for k in np.unique(quarter_turns % 4):
        if k:
            turned = torch.where(masks[k - 1], torch.rot90(images, int(k), (-2, -1)), turned)
    for axis, mask in enumerate(masks[3:], start=2):
        if flips[:, axis - 2].any():
            turned = torch.where(mask, turned.flip(axis), turned)
    return turned
