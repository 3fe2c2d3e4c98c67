"""Batches of augmented patches."""

from functools import lru_cache

import numpy as np
import torch

from ..images import read_region
from ..images.augment import adjust, coordinates, resample, sample_geometry, sample_photometry

_MOST_PIXELS = 2**22


def channel_statistics(images):
    """Mean and standard deviation of each channel over all images.

    Taken over a fixed stride of at most about 4 million pixels.

    Parameters
    ----------
    images : list of ndarray of shape (*spatial, n_channels)

    Returns
    -------
    mean, std : ndarray of shape (n_channels,), float32
        A constant channel has standard deviation 1.
    """
    total = sum(image[..., 0].size for image in images)
    step = max(1, total // _MOST_PIXELS)
    channels = images[0].shape[-1]
    sampled = [image.reshape(-1, channels)[::step].astype(np.float64) for image in images]
    values = np.concatenate(sampled)
    mean, std = values.mean(axis=0), values.std(axis=0)
    return mean.astype(np.float32), np.where(std > 0, std, 1).astype(np.float32)


def stack_sections(images, rows, read=lambda image: image):
    """Join a section and its neighbors along the channel axis.

    Parameters
    ----------
    images : sequence of ndarray of shape (*spatial, n_channels)
    rows : sequence of int
        The sections, in the order of the channels.
    read : callable, optional
        Takes the part that is wanted out of each.

    Returns
    -------
    ndarray of shape (len(rows) * n_channels, *spatial)
    """
    parts = [np.moveaxis(read(images[row]), -1, 0) for row in rows]
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


class PatchBatches:
    """Endless iterator of augmented batches.

    Parameters
    ----------
    images : list of ndarray of shape (*spatial, n_channels)
    labels : list of ndarray of shape (*spatial)
        -1 unlabelled.
    maps : list of ndarray of shape (*spatial), or None
        A real-valued target that is resampled linearly with the labels; NaN is unknown.
    rows : ndarray of shape (n_samples, n_sections)
        For each sample the sections that are its input channels.
    sampler : PatchSampler
    augmentation : Augmentation
    mean, std : ndarray of shape (n_channels,)
    batch_size : int
    rng : numpy.random.Generator
    device : torch.device
    """

    def __init__(
        self, images, labels, maps, *, rows, sampler, augmentation, mean, std, batch_size, rng,
        device,
    ):  # fmt: skip
        self.images, self.labels, self.maps, self.rows = images, labels, maps, rows
        self.sampler, self.augmentation = sampler, augmentation
        sections = rows.shape[1]
        ndim = len(sampler.patch_shape)
        view = (1, -1, *(1,) * ndim)
        self.mean = torch.from_numpy(np.tile(mean, sections)).to(device).view(view)
        self.std = torch.from_numpy(np.tile(std, sections)).to(device).view(view)
        self.batch_size, self.rng, self.device = batch_size, rng, device

    def __iter__(self):
        return self

    def __next__(self):
        """Return (images, labels, maps): float (batch, channels, *patch), integer (batch, *patch) and
        float (batch, *patch) or None."""
        shape = self.sampler.patch_shape
        patches = self.sampler.draw(self.rng, self.batch_size)
        geometry = sample_geometry(self.augmentation, self.rng, len(patches), shape)
        photometry = sample_photometry(self.augmentation, self.rng, len(patches))
        at = coordinates(geometry, shape)
        images, labels, maps = self._read(patches, _margins(at, shape))
        at = at.to(self.device)
        images = (images.to(self.device).float() - self.mean) / self.std
        images = adjust(resample(images, at, order=1), photometry)
        labels = resample(labels.to(self.device), at, order=0)[:, 0]
        if maps is not None:
            maps = resample(maps.to(self.device).float(), at, order=1)[:, 0]
        return images, labels, maps

    def _read(self, patches, margins):
        shape = self.sampler.patch_shape
        size = [side + 2 * margin for side, margin in zip(shape, margins, strict=True)]
        images, labels, maps = [], [], []
        for patch in patches:
            start = [
                center - side // 2 - margin
                for center, side, margin in zip(patch.center, shape, margins, strict=True)
            ]
            images.append(self._stack(patch.sample, start, size))
            label = self.labels[patch.sample]
            labels.append(read_region(label, start, size, outside=-1).astype(np.int64))
            if self.maps is not None:
                target = self.maps[patch.sample]
                maps.append(read_region(target, start, size, outside=np.nan))
        maps = torch.from_numpy(np.stack(maps)[:, None]) if self.maps is not None else None
        return torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(labels)[:, None]), maps

    def _stack(self, sample, start, size):
        rows = self.rows[sample]
        if self.augmentation.dihedral and self.rng.random() < 0.5:
            rows = rows[::-1]  # a flip along z
        image = stack_sections(self.images, rows, lambda x: read_region(x, start, size))
        # torch lacks arithmetic on the wider unsigned integers that microscopes write
        return image.astype(np.float32) if image.dtype != np.uint8 else image


def _margins(at, shape):
    """How far (pixels, each axis) the coordinates reach beyond an unmoved patch."""
    reach = at.abs().flatten(0, -2).amax(0)
    return [max(0, int(np.ceil(float(r) - (side - 1) / 2 - 1e-3))) for r, side in
            zip(reach, shape, strict=True)]  # fmt: skip


def standardized_sections(images, rows, mean, std, dtype):
    """Network inputs of whole samples, one after the other.

    Each section is standardized once, however many samples it is a neighbor of.

    Parameters
    ----------
    images : sequence of ndarray of shape (*spatial, n_channels)
    rows : ndarray of shape (n_samples, n_sections)
    mean, std : ndarray of shape (n_channels,)
    dtype : torch.dtype

    Yields
    ------
    Tensor of shape (n_sections * n_channels, *spatial)
    """

    @lru_cache(maxsize=rows.shape[1] + 1)
    def section(row):
        image = np.moveaxis(images[row], -1, 0)
        view = (-1, *(1,) * (image.ndim - 1))
        scaled = torch.from_numpy(image.astype(np.float32))
        scaled -= torch.from_numpy(mean).view(view)
        scaled /= torch.from_numpy(std).view(view)
        return scaled.to(dtype)

    for sample in rows:
        yield torch.cat([section(int(row)) for row in sample])
