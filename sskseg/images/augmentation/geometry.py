"""Random flips, rotations, scales and deformations of patches.

All geometric transformations of a patch are composed into one map of coordinates, so that the image
is resampled once.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage as ndi

from .deformation import displacement

_FULL_SIDE = 256  # pixels, from which on patches are deformed with full strength
_FIXED_POINT_STEPS = 15  # displacements differ by less than half between neighboring pixels


@dataclass(frozen=True)
class Geometry:
    """Sampled geometric parameters of one patch.

    Attributes
    ----------
    matrix : ndarray of shape (ndim, ndim)
        Maps offsets from the middle of the output patch to offsets from the middle in the image.
    smooth, piecewise : ndarray of shape (grid, grid, 2)
        In-plane displacements (pixels, before `matrix`) of the control points.
    is_rigid : bool
        Flips and quarter turns only: see `turn`.
    """

    matrix: np.ndarray
    smooth: np.ndarray
    piecewise: np.ndarray
    is_rigid: bool


def sample_geometry(augmentation, rng, n, patch_shape):
    """Sample geometric parameters for `n` patches with the generator `rng`; a list of
    `Geometry`."""
    warped = rng.random(n) < augmentation.warp_probability
    return [_one_geometry(augmentation, rng, bool(w), patch_shape) for w in warped]


def _one_geometry(augmentation, rng, warped, patch_shape):
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
    """Random signed permutation: flips of every axis; transposition where the plane is square."""
    matrix = np.diag(rng.choice([-1.0, 1.0], len(patch_shape)))
    if rng.random() < 0.5 and patch_shape[-1] == patch_shape[-2]:
        matrix[-2:] = matrix[-2:][::-1].copy()
    return matrix


def turn(images, geometry):
    """Flip and turn images by a rigid `Geometry`, which moves pixels without resampling them.

    Parameters
    ----------
    images : Tensor of shape (batch, channels, *patch_shape)

    Returns
    -------
    Tensor of the same shape
    """
    flips = [2 + axis for axis, sign in enumerate(geometry.matrix.sum(axis=1)) if sign < 0]
    images = images.flip(flips) if flips else images
    return images if geometry.matrix[-1, -1] else images.transpose(-1, -2)


def coordinates(geometry, patch_shape):
    """Offsets from the middle, in the image, of the pixels of a patch.

    Returns
    -------
    Tensor of shape (1, *patch_shape, ndim), float32
    """
    axes = [torch.arange(side, dtype=torch.float32) - (side - 1) / 2 for side in patch_shape]
    offsets = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    shift = displacement(geometry.smooth, geometry.piecewise, patch_shape)
    if len(patch_shape) == 3:
        shift = F.pad(shift, (1, 0))
    matrix = torch.from_numpy(geometry.matrix).float()
    return ((offsets + shift) @ matrix.T).unsqueeze(0)


def locate(points, geometry, patch_shape):
    """Where points of an image lie in a patch: the inverse of `coordinates`.

    Parameters
    ----------
    points : ndarray of shape (..., 2)
        Offsets from the middle, in the image.
    geometry : Geometry
        Of two dimensions.
    patch_shape : tuple of 2 ints

    Returns
    -------
    ndarray of shape (..., 2)
        Offsets from the middle of the patch; of points outside of it as if the displacement at its
        border went on. Approximate where the deformation folds, which it does where `elastic` is
        large for the size of the patch.
    """
    unmoved = points @ np.linalg.inv(geometry.matrix).T
    if geometry.is_rigid:
        return unmoved
    field = displacement(geometry.smooth, geometry.piecewise, patch_shape).numpy()
    middle = (np.array(patch_shape) - 1) / 2
    found = unmoved
    for _ in range(_FIXED_POINT_STEPS):
        at = np.moveaxis(found + middle, -1, 0)
        moved = [
            ndi.map_coordinates(f, at, order=1, mode="nearest") for f in np.moveaxis(field, -1, 0)
        ]
        found = unmoved - np.stack(moved, axis=-1)
    return found


def resample(images, coordinates, *, order):
    """Read a batch of images at coordinates.

    Parameters
    ----------
    images : Tensor of shape (batch, channels, *spatial)
    coordinates : Tensor of shape (batch, *patch_shape, ndim)
        Offsets in pixels from the middle of `images`; nothing may lie outside by more than
        rounding.
    order : {0, 1}
        0 nearest (label images, of any integer dtype, exactly), 1 linear.

    Returns
    -------
    Tensor of shape (batch, channels, *patch_shape)
    """
    spatial = torch.tensor(images.shape[2:], dtype=torch.float32, device=images.device)
    if order == 1:
        normalized = (2 * coordinates / spatial).flip(-1)
        return F.grid_sample(
            images, normalized, mode="bilinear", padding_mode="border", align_corners=False
        )
    index = torch.round(coordinates + (spatial - 1) / 2).long()
    flat = torch.zeros(index.shape[:-1], dtype=torch.long, device=images.device)
    for axis, size in enumerate(images.shape[2:]):
        flat = flat * size + index[..., axis].clamp(0, size - 1)
    flat = flat.flatten(1).unsqueeze(1).expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, flat).unflatten(2, coordinates.shape[1:-1])
