"""Random transformations of training patches: sampled parameters, and a pure function of them.

All geometric transformations of a patch are composed into one map of coordinates, so that the image is
resampled once, however many there are.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F


@dataclass(frozen=True)
class Augmentation:
    """What may be done to a training patch, and how strongly.

    In three dimensions the geometry acts in the plane of the last two axes (the resolution along the
    first usually differs), and flips act along all axes.

    Parameters
    ----------
    dihedral : bool, default=True
        Flips and quarter turns.
    warp_probability : float, default=0.5
        Share of the patches that are rotated, scaled and deformed.
    rotation : float, default=45.0
        Largest angle, degrees.
    scale : tuple of float, default=(0.8, 1.25)
        Range of the magnification (drawn log-uniformly).
    elastic : float, default=4.0
        Standard deviation, pixels, of a smooth (cubic) displacement field.
    piecewise : float, default=2.0
        Standard deviation, pixels, of a piecewise affine displacement field.
    grid : int, default=5
        Control points along each side of the patch, of both fields.
    photometric_probability : float, default=0.5
        Share of the patches that each of the following is done to.
    gamma : float, default=0.3
        Standard deviation of the logarithm of the exponent.
    contrast, brightness : float, default=0.2
        Standard deviation of the logarithm of the gain, and of the offset (in units of the
        standard deviation of the images).
    noise : float, default=0.2
        Largest standard deviation of Gaussian noise (same units).
    blur : float, default=1.0
        Largest standard deviation, pixels, of a Gaussian blur.
    """

    dihedral: bool = True
    warp_probability: float = 0.5
    rotation: float = 45.0
    scale: tuple[float, float] = (0.8, 1.25)
    elastic: float = 4.0
    piecewise: float = 2.0
    grid: int = 5
    photometric_probability: float = 0.5
    gamma: float = 0.3
    contrast: float = 0.2
    brightness: float = 0.2
    noise: float = 0.2
    blur: float = 1.0


PRESETS = {
    "full": Augmentation(),
    "dihedral": Augmentation(warp_probability=0.0, photometric_probability=0.0),
    "none": Augmentation(dihedral=False, warp_probability=0.0, photometric_probability=0.0),
}


def check_augmentation(augmentation):
    """Turn a preset's name, a dict of changes to ``"full"``, or None into an `Augmentation`.

    Raises
    ------
    ValueError
        For an unknown name or field.
    """
    if isinstance(augmentation, Augmentation):
        return augmentation
    if augmentation is None:
        return PRESETS["none"]
    if isinstance(augmentation, dict):
        unknown = set(augmentation) - set(Augmentation.__dataclass_fields__)
        if unknown:
            raise ValueError(
                f"augmentation has unknown fields {sorted(unknown)}; known are "
                f"{sorted(Augmentation.__dataclass_fields__)}."
            )
        return Augmentation(**augmentation)
    if augmentation not in PRESETS:
        raise ValueError(
            f"augmentation must be one of {sorted(PRESETS)}, a dict, an Augmentation or None, "
            f"got {augmentation!r}."
        )
    return PRESETS[augmentation]


@dataclass(frozen=True)
class Geometry:
    """Sampled geometric parameters of a batch of patches.

    Attributes
    ----------
    matrix : ndarray of shape (batch, ndim, ndim)
        Maps offsets from the middle of the output patch to offsets from the middle in the image.
    smooth, piecewise : ndarray of shape (batch, grid, grid, 2)
        In-plane displacements (pixels, before `matrix`) of the control points.
    """

    matrix: np.ndarray
    smooth: np.ndarray
    piecewise: np.ndarray


@dataclass(frozen=True)
class Photometry:
    """Sampled photometric parameters of a batch; each an ndarray of shape (batch,)."""

    gamma: np.ndarray
    gain: np.ndarray
    offset: np.ndarray
    noise: np.ndarray
    blur: np.ndarray
    seed: int


def sample_geometry(augmentation, rng, n, patch_shape):
    """Sample geometric parameters for `n` patches with the generator `rng`."""
    ndim = len(patch_shape)
    warped = rng.random(n) < augmentation.warp_probability
    matrix = np.tile(np.eye(ndim), (n, 1, 1))
    angle = np.deg2rad(rng.uniform(-1, 1, n) * augmentation.rotation) * warped
    low, high = np.log(augmentation.scale)
    zoom = np.exp(rng.uniform(low, high, n) * warped)
    cos, sin = np.cos(angle) / zoom, np.sin(angle) / zoom
    matrix[:, -2:, -2:] = np.stack([cos, -sin, sin, cos], -1).reshape(n, 2, 2)
    if augmentation.dihedral:
        matrix = matrix @ _dihedral(rng, n, patch_shape)
    grid = (n, augmentation.grid, augmentation.grid, 2)
    gate = warped[:, None, None, None]
    smooth = rng.normal(0, 1, grid) * augmentation.elastic * gate
    piecewise = rng.normal(0, 1, grid) * augmentation.piecewise * gate
    # A triangle cannot flip while its corners move by less than a quarter of a cell.
    limit = 0.24 * np.array(patch_shape[-2:]) / (augmentation.grid - 1)
    return Geometry(matrix, smooth, np.clip(piecewise, -limit, limit))


def _dihedral(rng, n, patch_shape):
    """Random signed permutations: flips of every axis; transposition where the plane is square."""
    ndim = len(patch_shape)
    signs = rng.choice([-1.0, 1.0], (n, ndim))
    swap = rng.random(n) < 0.5
    matrix = np.eye(ndim) * signs[:, None, :]
    if patch_shape[-1] == patch_shape[-2]:
        order = [*range(ndim - 2), ndim - 1, ndim - 2]
        matrix[swap] = matrix[swap][:, order]
    return matrix


def sample_photometry(augmentation, rng, n):
    """Sample photometric parameters for `n` patches with the generator `rng`."""

    def gate():
        return rng.random(n) < augmentation.photometric_probability

    return Photometry(
        gamma=np.exp(rng.normal(0, augmentation.gamma, n) * gate()),
        gain=np.exp(rng.normal(0, augmentation.contrast, n) * gate()),
        offset=rng.normal(0, augmentation.brightness, n) * gate(),
        noise=rng.uniform(0, augmentation.noise, n) * gate(),
        blur=rng.uniform(0, augmentation.blur, n) * gate(),
        seed=int(rng.integers(2**62)),
    )


def coordinates(geometry, patch_shape):
    """Offsets from the middle, in the image, of the pixels of each patch.

    Returns
    -------
    Tensor of shape (batch, *patch_shape, ndim), float32
    """
    axes = [torch.arange(side, dtype=torch.float32) - (side - 1) / 2 for side in patch_shape]
    offsets = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    offsets = offsets.expand(len(geometry.matrix), *offsets.shape)
    shift = _field(geometry.smooth, patch_shape, _cubic_weights)
    shift = shift + _field(geometry.piecewise, patch_shape, _piecewise_weights)
    if len(patch_shape) == 3:
        shift = F.pad(shift, (1, 0)).unsqueeze(1)
    matrix = torch.from_numpy(geometry.matrix).float()
    return torch.einsum("b...j,bij->b...i", offsets + shift, matrix)


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


def adjust(images, photometry):
    """Gamma, contrast, brightness, blur and noise.

    Parameters
    ----------
    images : Tensor of shape (batch, channels, *spatial)
        Standardized (mean about 0, standard deviation about 1).
    photometry : Photometry

    Returns
    -------
    Tensor of the same shape
    """
    shape = (-1, *(1,) * (images.ndim - 1))

    def each(values):
        return torch.from_numpy(values).to(images).view(shape)

    changed = np.flatnonzero(photometry.gamma != 1)
    if changed.size:
        images = images.clone()
        images[changed] = _gamma(images[changed], each(photometry.gamma[changed]))
    images = images * each(photometry.gain) + each(photometry.offset)
    for i in np.flatnonzero(photometry.blur > 0.3):
        images[i] = _blur(images[i], float(photometry.blur[i]))
    noisy = np.flatnonzero(photometry.noise > 0)
    if noisy.size:
        generator = torch.Generator(images.device).manual_seed(photometry.seed)
        noise = torch.empty_like(images[noisy]).normal_(generator=generator)
        images[noisy] += noise * each(photometry.noise[noisy])
    return images


def _gamma(images, exponent):
    axes = tuple(range(1, images.ndim))
    low, high = images.amin(axes, keepdim=True), images.amax(axes, keepdim=True)
    span = (high - low).clamp_min(1e-6)
    return ((images - low) / span) ** exponent * span + low


def _blur(image, sigma):
    radius = int(3 * sigma + 0.5)
    at = torch.arange(-radius, radius + 1, dtype=image.dtype, device=image.device)
    kernel = torch.exp(-0.5 * (at / sigma) ** 2)
    kernel = kernel / kernel.sum()
    planes = image.flatten(0, -3).unsqueeze(1)
    planes = F.pad(planes, (radius,) * 4, mode="replicate")
    planes = F.conv2d(F.conv2d(planes, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
    return planes.view(image.shape)


def _field(nodes, patch_shape, weights):
    """Displacements (batch, height, width, 2) from those of the control points."""
    batch, grid = nodes.shape[:2]
    height, width = patch_shape[-2:]
    if not nodes.any():
        return torch.zeros(1, 1, 1, 2)
    matrix = weights(height, width, grid)
    nodes = torch.from_numpy(nodes).float().reshape(batch, grid * grid, 2)
    return (matrix @ nodes).view(batch, height, width, 2)


@lru_cache(maxsize=8)
def _cubic_weights(height, width, grid):
    """Weight of each control point at each pixel, of a bicubic surface."""
    basis = torch.eye(grid * grid).view(grid * grid, 1, grid, grid)
    surface = F.interpolate(basis, (height, width), mode="bicubic", align_corners=True)
    return surface.view(grid * grid, -1).T.contiguous()


@lru_cache(maxsize=8)
def _piecewise_weights(height, width, grid):
    """Weight of each control point at each pixel, linear over two triangles a cell."""
    y = torch.linspace(0, grid - 1, height).view(-1, 1).expand(height, width).reshape(-1)
    x = torch.linspace(0, grid - 1, width).view(1, -1).expand(height, width).reshape(-1)
    row, column = y.floor().clamp_max(grid - 2), x.floor().clamp_max(grid - 2)
    v, u = y - row, x - column
    upper = u + v <= 1
    corner = (row * grid + column).long()
    # Barycentric weights: corners (0,0), (0,1), (1,0) above the diagonal, (1,1), (1,0), (0,1) below.
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
