"""Statistics of channels, and standardized network inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import torch

from ..images.displacement import displace

_MAX_PIXELS = 2**22
_MAX_SHIFT = 1e-3  # of the mean by rounding, in standard deviations


def channel_statistics(images: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Compute the mean and standard deviation of each channel over all images.

    Of large images, a regular grid of about 4 million pixels is used.

    Parameters
    ----------
    images : list of ndarray of shape (*spatial, n_channels)

    Returns
    -------
    mean, std : ndarray of shape (n_channels,), float32
        A constant channel has standard deviation 1. The mean is float64 if it is so large, compared
        with the standard deviation, that float32 cannot hold it.
    """
    total = sum(image[..., 0].size for image in images)
    step = max(1, total // _MAX_PIXELS)
    channels = images[0].shape[-1]
    sampled = [image.reshape(-1, channels)[::step].astype(np.float64) for image in images]
    values = np.concatenate(sampled)
    mean, std = values.mean(axis=0), values.std(axis=0)
    is_constant = values.min(axis=0) == values.max(axis=0)  # the deviation is not 0 by rounding
    std = np.where(is_constant, 1, std).astype(np.float32)
    rounded = mean.astype(np.float32)
    is_exact = (np.abs(rounded - mean) <= _MAX_SHIFT * std).all()
    return rounded if is_exact else mean, std


def standardized_sections(
    images: Sequence[np.ndarray],
    section_indices: np.ndarray,
    mean: np.ndarray,
    std: np.ndarray,
    dtype: torch.dtype,
    offset: np.ndarray | None = None,
) -> Iterator[torch.Tensor]:
    """Yield the network inputs of whole samples.

    Each section is standardized once, however many samples it is a neighbor of.

    Parameters
    ----------
    images : sequence of ndarray of shape (*spatial, n_channels)
    section_indices : ndarray of int, shape (n_samples, n_sections)
        Of the sections that are the input channels of each sample.
    mean, std : ndarray of shape (n_channels,)
    dtype : torch.dtype
    offset : ndarray of shape (ndim,), default=None
        By which images are displaced, pixels along each axis.

    Yields
    ------
    Tensor of shape (n_sections * n_channels, *spatial)
    """

    @lru_cache(maxsize=section_indices.shape[1] + 1)
    def section(index):
        image = np.moveaxis(images[index], -1, 0)
        shape = (-1, *(1,) * (image.ndim - 1))
        centered = np.subtract(image, mean.reshape(shape), dtype=mean.dtype).astype(
            np.float32, copy=False
        )
        standardized = torch.from_numpy(centered).div_(torch.from_numpy(std).view(shape))
        if offset is not None:
            standardized = displace(standardized, offset)
        return standardized.to(dtype)

    for indices in section_indices:
        sections = [section(int(index)) for index in indices]
        yield torch.cat(sections) if len(sections) > 1 else sections[0]
