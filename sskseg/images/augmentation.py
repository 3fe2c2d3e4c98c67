"""Random transformations of training patches: sampled parameters, and a pure function of them.

All geometric transformations of a patch are composed into one map of coordinates, so that the image
is resampled once, however many there are.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from numbers import Integral, Real

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage as ndi

_WHOLE = 256  # side, pixels, from which on patches are deformed as much as is told
_FIXED_POINT_STEPS = 15  # displacements differ by less than half between neighboring pixels


def _check_field(augmentation, name, low, high):
    value = getattr(augmentation, name)
    if not isinstance(value, Real) or not np.isfinite(value) or not low <= value <= high:
        raise ValueError(
            f"{name} of an augmentation must be a number from {low} to {high}, got {value!r}."
        )


def _is_range(value):
    return (
        isinstance(value, (tuple, list, np.ndarray))
        and len(value) == 2
        and all(isinstance(side, Real) for side in value)
        and 0 < value[0] <= value[1] < np.inf
    )


@dataclass(frozen=True)
class Augmentation:
    """What may be done to a training patch, and how strongly.

    In three dimensions the geometry acts in the plane of the last two axes (the resolution along
    the first usually differs), and flips act along all axes.

    Parameters
    ----------
    dihedral : bool, default=True
        Flips and quarter turns.
    warp_probability : float, default=0.8
        Share of the patches that are rotated, scaled and deformed.
    rotation : float, default=45.0
        Largest angle, degrees.
    scale : tuple of float, default=(0.8, 1.25)
        Range of the magnification (drawn log-uniformly).
    elastic : float, default=4.0
        Standard deviation, pixels, of a smooth (cubic) displacement field; in patches with sides
        below 256 as much less as these are shorter, so that each part is deformed alike.
    piecewise : float, default=2.0
        The same of a piecewise affine displacement field.
    grid : int, default=5
        Control points along each side of the patch, of both fields.
    photometric_probability : float, default=0.25
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
    warm_up : int, default=1000
        Batches in which the two probabilities rise from 0, linearly, and with them the weight of
        borders: a network that has learned little yet learns faster without. Where training goes on
        from the last fit, and where labels are the network's own, they do not rise but are as told.
    """

    dihedral: bool = True
    warp_probability: float = 0.8
    rotation: float = 45.0
    scale: tuple[float, float] = (0.8, 1.25)
    elastic: float = 4.0
    piecewise: float = 2.0
    grid: int = 5
    photometric_probability: float = 0.25
    gamma: float = 0.3
    contrast: float = 0.2
    brightness: float = 0.2
    noise: float = 0.2
    blur: float = 1.0
    warm_up: int = 1000

    def __post_init__(self):
        for name in ("warp_probability", "photometric_probability"):
            _check_field(self, name, 0, 1)
        for name in ("rotation", "elastic", "piecewise", "gamma", "contrast", "brightness",
                     "noise", "blur"):  # fmt: skip
            _check_field(self, name, 0, np.inf)
        for name, least in (("grid", 2), ("warm_up", 0)):
            value = getattr(self, name)
            if not isinstance(value, Integral) or value < least:
                raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}.")
        if not isinstance(self.dihedral, (bool, np.bool_)):
            raise ValueError(f"dihedral must be True or False, got {self.dihedral!r}.")
        if not _is_range(self.scale):
            raise ValueError(f"scale must be two rising positive numbers, got {self.scale!r}.")

    def risen(self, n_batches):
        """How much of the warm-up is over after so many batches, from 0 to 1."""
        return min(1.0, n_batches / self.warm_up) if self.warm_up else 1.0

    def after(self, n_batches):
        """The augmentation of the next batch.

        Parameters
        ----------
        n_batches : int
            Drawn so far.

        Returns
        -------
        Augmentation
        """
        share = self.risen(n_batches)
        if share == 1:
            return self
        return replace(
            self,
            warp_probability=share * self.warp_probability,
            photometric_probability=share * self.photometric_probability,
        )


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
    share = min(1.0, min(patch_shape[-2:]) / _WHOLE)
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
    shift = _displacement(geometry, patch_shape)
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
    field = _displacement(geometry, patch_shape).numpy()
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
    """Gaussian blur of planes; sums of shifted images, faster than a convolution of one channel."""
    radius = int(3 * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    planes = image.flatten(0, -3)
    height, width = planes.shape[-2:]
    padded = F.pad(planes, (radius,) * 4, mode="replicate")
    rows = sum(w * padded[:, i : i + height] for i, w in enumerate(kernel.tolist()))
    planes = sum(w * rows[:, :, i : i + width] for i, w in enumerate(kernel.tolist()))
    return planes.view(image.shape)


def _displacement(geometry, patch_shape):
    """In-plane displacements (height, width, 2), before `matrix`."""
    smooth = _field(geometry.smooth, patch_shape, _cubic_weights)
    return smooth + _field(geometry.piecewise, patch_shape, _piecewise_weights)


def _field(nodes, patch_shape, weights):
    """Displacements (height, width, 2) from those of the control points."""
    height, width = patch_shape[-2:]
    nodes = torch.from_numpy(nodes).float().reshape(-1, 2)
    grid = round(len(nodes) ** 0.5)
    return (weights(height, width, grid) @ nodes).view(height, width, 2)


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
