"""Crops of a batch, and guards of all its patches at once, on a device."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..images.filters import blur_matrices, filter_axes, resampling_matrices
from ..images.tensors import array_to_device
from ._base import middle_of
from ._guards import BLUR, GAMMA, NOISE, OF_UNIT_NOISE, PERCENTILES, RESAMPLING

_TRUNCATE = 4.0  # standard deviations at which `scipy.ndimage.gaussian_filter` ends


@dataclass(frozen=True)
class CropBatch:
    """Regions of images, of one channel each, that proxies turn into patches at once.

    Parameters
    ----------
    images : Tensor of shape (batch, 1, *spatial), float32
        At least as large as the patch; more where a proxy has a wide `field`.
    shape : tuple of int
        Size of the patch in pixels.
    channels : ndarray of int, shape (batch,)
        Channels of the images that the regions show.
    magnifications : ndarray of shape (batch,), default=None
        Magnifications of the scans, if they are known.
    guards : bool, default=True
        Whether shortcuts to the class, which are not content, are removed.
    """

    images: torch.Tensor
    shape: tuple[int, ...]
    channels: np.ndarray
    magnifications: np.ndarray | None = None
    guards: bool = True

    def middle(self, factor: float = 1.0) -> torch.Tensor:
        """Return the middle of the images, `factor` times as wide as the patch."""
        inside = middle_of(self.images.shape[2:], self.shape, factor)
        return self.images[(slice(None), slice(None), *inside)]

    def with_images(self, images: torch.Tensor) -> CropBatch:
        """Return the crops with other images."""
        return replace(self, images=images)


def per_image(values: np.ndarray, images: torch.Tensor) -> torch.Tensor:
    """Move a number for each image to where the images are, in their dtype.

    Parameters
    ----------
    values : ndarray of shape (batch,)
    images : Tensor of shape (batch, channels, *spatial)

    Returns
    -------
    Tensor of shape (batch, 1, ...)
    """
    moved = array_to_device(np.asarray(values, np.float32), images.device)
    return moved.to(images.dtype).view(-1, *(1,) * (images.ndim - 1))


def normal_like(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Draw standard normal numbers on the device of images, in their shape."""
    generator = torch.Generator(images.device).manual_seed(int(rng.integers(2**62)))
    return torch.empty_like(images).normal_(generator=generator)


def guard_batch(
    patches: torch.Tensor, rng: np.random.Generator, *, matches_scans: bool = False
) -> torch.Tensor:
    """Remove from patches what distinguishes their classes without their content.

    Parameters
    ----------
    patches : Tensor of shape (batch, 1, *spatial)
    rng : numpy.random.Generator
    matches_scans : bool, default=False

    Returns
    -------
    Tensor of that shape, float32
        As `sskseg.proxies.guard`, with numbers that are drawn for each patch.
    """
    n = len(patches)
    if matches_scans:
        sigma, factor = rng.uniform(*BLUR, n), RESAMPLING ** rng.random(n)
        patches = soften(patches, sigma, factor)
    return level(patches, np.exp(rng.uniform(-GAMMA, GAMMA, n)))


def soften(patches: torch.Tensor, sigma: np.ndarray, factor: np.ndarray) -> torch.Tensor:
    """Blur patches, and resample them to a coarser grid and back.

    Parameters
    ----------
    patches : Tensor of shape (batch, 1, *spatial)
    sigma : ndarray of shape (batch,)
        Standard deviations of the blurs, pixels.
    factor : ndarray of shape (batch,)
        Pixels along the side of one of the coarser grid.

    Returns
    -------
    Tensor of that shape, float32
    """
    matrices = []
    for side in patches.shape[2:]:
        coarse = np.maximum(1, np.round(side / factor)).astype(int)
        blur = blur_matrices(sigma, side, patches.device, truncate=_TRUNCATE)
        matrices.append(resampling_matrices(coarse, side, patches.device) @ blur)
    return filter_axes(patches, matrices, 2)


def level(patches: torch.Tensor, gamma: np.ndarray) -> torch.Tensor:
    """Scale patches from their lowest to their highest percent, apply a gamma, and standardize.

    Parameters
    ----------
    patches : Tensor of shape (batch, 1, *spatial)
    gamma : ndarray of shape (batch,)

    Returns
    -------
    Tensor of that shape
    """
    ordered = patches.flatten(1).sort(dim=1).values
    lowest, highest = ordered[:, :1], ordered[:, -1:]
    low, high = (_quantile(ordered, percent / 100) for percent in PERCENTILES)
    is_flat = low == high  # a few bright pixels on a background of one value
    low, high = torch.where(is_flat, lowest, low), torch.where(is_flat, highest, high)
    shape = (-1, *(1,) * (patches.ndim - 1))
    low, high = low.view(shape), high.view(shape)
    # 0 where a patch is constant
    scaled = (torch.minimum(patches, high) - low).clamp_min(0) / (high - low).clamp_min(1e-30)
    return standardize_batch(scaled ** per_image(gamma, patches))


def _quantile(ordered, q):
    """Quantile (batch, 1) of each row of sorted values: `torch.quantile` takes 16 million only."""
    at = q * (ordered.shape[1] - 1)
    before = int(at)
    after = min(before + 1, ordered.shape[1] - 1)
    return torch.lerp(ordered[:, before, None], ordered[:, after, None], at - before)


def disturb_batch(patches: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Add noise to patches of unit variance, and standardize them again.

    Parameters
    ----------
    patches : Tensor of shape (batch, 1, *spatial)
    rng : numpy.random.Generator

    Returns
    -------
    Tensor of that shape
        As `sskseg.proxies.disturb`, with numbers that are drawn for each patch.
    """
    amount = per_image(rng.uniform(*NOISE, len(patches)), patches)
    return standardize_batch(patches + amount * normal_like(patches, rng))


def standardize_batch(patches: torch.Tensor) -> torch.Tensor:
    """Scale each patch to zero mean and unit variance; a constant one becomes 0.

    Parameters
    ----------
    patches : Tensor of shape (batch, 1, *spatial)

    Returns
    -------
    Tensor of that shape
    """
    axes = tuple(range(1, patches.ndim))
    centered = patches - patches.mean(axes, keepdim=True)
    deviation = centered.square().mean(axes, keepdim=True).sqrt()
    return torch.where(deviation > 1e-8, centered / deviation.clamp_min(1e-8), 0)


def restore_noise_batch(
    shrunk: torch.Tensor, images: torch.Tensor, rng: np.random.Generator
) -> torch.Tensor:
    """Restore in each image (batch, 1, *spatial) the noise that downsampling averaged away."""
    missing = noise_variance(images) - noise_variance(shrunk)
    return shrunk + missing.clamp_min(0).sqrt() * normal_like(shrunk, rng)


def noise_variance(images: torch.Tensor) -> torch.Tensor:
    """Estimate the variance (batch, 1, ...) of white noise as `_guards.noise_level` does."""
    detail = images
    for axis in range(2, images.ndim):
        detail = detail.diff(dim=axis)
    size = detail.abs().flatten(1).median(dim=1).values
    noise = size / (OF_UNIT_NOISE * 2 ** ((images.ndim - 2) / 2))
    return noise.square().view(-1, *(1,) * (images.ndim - 1))
