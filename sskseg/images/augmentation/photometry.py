"""Random intensities of patches: gamma, contrast, brightness, haze, blur and noise."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from .parameters import Augmentation

MIN_BLUR = 0.3  # standard deviation, pixels; less is left out
_HAZE_WIDTHS = (8.0, 40.0)  # standard deviations of out-of-focus light, pixels


@dataclass(frozen=True)
class Photometry:
    """Sampled photometric transformations of a batch; arrays of shape (batch,)."""

    gamma: np.ndarray
    gain: np.ndarray
    offset: np.ndarray
    noise: np.ndarray
    blur: np.ndarray
    haze: np.ndarray
    haze_width: np.ndarray
    seed: int


def sample_photometry(augmentation: Augmentation, rng: np.random.Generator, n: int) -> Photometry:
    """Sample photometric transformations of `n` patches."""

    low, high = _HAZE_WIDTHS

    def gate():
        return rng.random(n) < augmentation.photometric_probability

    return Photometry(
        gamma=np.exp(rng.normal(0, augmentation.gamma, n) * gate()),
        gain=np.exp(rng.normal(0, augmentation.contrast, n) * gate()),
        offset=rng.normal(0, augmentation.brightness, n) * gate(),
        noise=rng.uniform(0, augmentation.noise, n) * gate(),
        blur=rng.uniform(0, augmentation.blur, n) * gate(),
        haze=rng.uniform(0, augmentation.haze, n) * gate(),
        haze_width=np.exp(rng.uniform(np.log(low), np.log(high), n)),
        seed=int(rng.integers(2**62)),
    )


def adjust(images: torch.Tensor, photometry: Photometry) -> torch.Tensor:
    """Change gamma, contrast and brightness, add haze, blur, and add noise.

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
        images[changed] = adjust_gamma(images[changed], each(photometry.gamma[changed]))
    images = images * each(photometry.gain) + each(photometry.offset)
    for i in np.flatnonzero(photometry.haze > 0):
        haze, width = float(photometry.haze[i]), float(photometry.haze_width[i])
        images[i] = _add_haze(images[i], haze, width)
    for i in np.flatnonzero(photometry.blur > MIN_BLUR):
        images[i] = _blur(images[i], float(photometry.blur[i]))
    noisy = np.flatnonzero(photometry.noise > 0)
    if noisy.size:
        generator = torch.Generator(images.device).manual_seed(photometry.seed)
        noise = torch.empty_like(images[noisy]).normal_(generator=generator)
        images[noisy] += noise * each(photometry.noise[noisy])
    return images


def adjust_gamma(images: torch.Tensor, exponent: torch.Tensor) -> torch.Tensor:
    """Raise intensities (batch, channels, *spatial), from 0 to 1 in each image, to powers.

    Parameters
    ----------
    images : Tensor of shape (batch, channels, *spatial)
    exponent : Tensor of shape (batch, 1, ...)

    Returns
    -------
    Tensor of the shape of `images`
        Lowest and highest intensity of each image stay.
    """
    axes = tuple(range(1, images.ndim))
    low, high = images.amin(axes, keepdim=True), images.amax(axes, keepdim=True)
    span = (high - low).clamp_min(1e-6)
    return ((images - low) / span) ** exponent * span + low


def _blur(image, sigma):
    """Blur planes by sums of shifted images: faster than a convolution of one channel."""
    radius = int(3 * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    planes = image.flatten(0, -3)
    height, width = planes.shape[-2:]
    padded = F.pad(planes, (radius,) * 4, mode="replicate")
    rows = sum(w * padded[:, i : i + height] for i, w in enumerate(kernel.tolist()))
    planes = sum(w * rows[:, :, i : i + width] for i, w in enumerate(kernel.tolist()))
    return planes.view(image.shape)


def _add_haze(image, haze, sigma):
    """Add out-of-focus light, in planes, and scale intensities back to their range."""
    planes = image.flatten(0, -3)
    low, high = planes.amin((1, 2), keepdim=True), planes.amax((1, 2), keepdim=True)
    hazy = planes + haze * _wide_blur(planes - low, sigma)
    lowest, highest = hazy.amin((1, 2), keepdim=True), hazy.amax((1, 2), keepdim=True)
    scale = (high - low) / (highest - lowest).clamp_min(1e-6)
    return ((hazy - lowest) * scale + low).view(image.shape)


def _wide_blur(planes, sigma):
    """Blur planes (n, height, width) at a coarse resolution."""
    height, width = planes.shape[-2:]
    factor = coarsening(sigma, height, width)
    coarse = F.avg_pool2d(planes[:, None], factor, ceil_mode=True, count_include_pad=False)
    coarse = _blur(coarse, sigma / factor)
    sides = [factor * side for side in coarse.shape[-2:]]  # the last coarse pixel may reach beyond
    fine = F.interpolate(coarse, sides, mode="bilinear", align_corners=False)
    return fine[:, 0, :height, :width]


def coarsening(sigma: float, height: int, width: int) -> int:
    """Return how many pixels wide those are at which an image is blurred by a wide Gaussian."""
    return max(1, min(int(sigma / 2), height, width))
