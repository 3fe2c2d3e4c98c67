"""Random intensities of patches, of a whole batch at once: what `adjust` does, on a GPU."""

import numpy as np
import torch

from ..filters import blur_matrices, coarse_blur_matrices, filter_axes
from ..tensors import array_to_device
from .photometry import MIN_BLUR, Photometry, adjust_gamma, coarsening

_TRUNCATE = 3.0  # standard deviations at which blurs end


def adjust_batch(images: torch.Tensor, photometry: Photometry) -> torch.Tensor:
    """Change intensities as `adjust` does, up to rounding, without waiting for the device.

    Patches are filtered together, each by a matrix of its own along each axis.

    Parameters
    ----------
    images : Tensor of shape (batch, channels, *spatial)
        Standardized (mean about 0, standard deviation about 1).
    photometry : Photometry

    Returns
    -------
    Tensor of the same shape, float32
    """
    with torch.autocast(images.device.type, enabled=False):
        return _adjust(images.float(), photometry)


def _adjust(images, photometry):
    p, shape = photometry, (-1, *(1,) * (images.ndim - 1))
    values = np.stack([p.gamma, p.gain, p.offset, p.haze, p.noise]).astype(np.float32)
    moved = array_to_device(values, images.device)
    gamma, gain, offset, haze, noise = (each.view(shape) for each in moved)
    if (p.gamma != 1).any():
        images = adjust_gamma(images, gamma)
    images = images * gain + offset
    if p.haze.any():
        images = _add_haze(images, haze, p.haze_width)
    if (p.blur > MIN_BLUR).any():
        sigma = np.where(p.blur > MIN_BLUR, p.blur, 0)
        matrices = [
            blur_matrices(sigma, side, images.device, truncate=_TRUNCATE)
            for side in images.shape[-2:]
        ]
        images = filter_axes(images, matrices, -2)
    noisy = np.flatnonzero(p.noise > 0)
    if noisy.size:
        generator = torch.Generator(images.device).manual_seed(p.seed)
        drawn = images.new_empty((len(noisy), *images.shape[1:])).normal_(generator=generator)
        index = array_to_device(noisy, images.device)
        images = images.index_add(0, index, drawn * noise.index_select(0, index))
    return images


def _add_haze(images, haze, sigma):
    """Add out-of-focus light, in planes, and scale intensities back to their range."""
    low, high = images.amin((-2, -1), keepdim=True), images.amax((-2, -1), keepdim=True)
    factor = np.array([coarsening(each, *images.shape[-2:]) for each in sigma])
    matrices = [
        coarse_blur_matrices(sigma, factor, side, images.device, truncate=_TRUNCATE)
        for side in images.shape[-2:]
    ]
    hazy = images + haze * filter_axes(images - low, matrices, -2)
    lowest, highest = hazy.amin((-2, -1), keepdim=True), hazy.amax((-2, -1), keepdim=True)
    scale = (high - low) / (highest - lowest).clamp_min(1e-6)
    return (hazy - lowest) * scale + low
