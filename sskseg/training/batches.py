"""Batches of augmented patches."""

import math
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import torch

from ..images import read_region
from ..images.augment import (
    adjust,
    coordinates,
    resample,
    sample_geometry,
    sample_photometry,
    turn,
)

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
        """Return (images, labels, maps): float (batch, channels, *patch), integer (batch, *patch)
        and
        float (batch, *patch) or None."""
        shape = self.sampler.patch_shape
        patches = self.sampler.draw(self.rng, self.batch_size)
        geometry = sample_geometry(self.augmentation, self.rng, len(patches), shape)
        photometry = sample_photometry(self.augmentation, self.rng, len(patches))
        parts = [self._patch(*each) for each in zip(patches, geometry, strict=True)]
        images, labels, maps = zip(*parts, strict=True)
        images = adjust(torch.cat(images), photometry)
        return images, torch.cat(labels), None if self.maps is None else torch.cat(maps)

    def _patch(self, patch, geometry):
        """Image, labels and map of one patch, each with a batch axis of one."""
        shape = self.sampler.patch_shape
        if geometry.is_rigid:
            margins = [0] * len(shape)
        else:
            at = coordinates(geometry, shape)
            margins = _margins(at, shape)
            at = at.to(self.device)
        image, label, target = self._read(patch, margins)
        image = (image.to(self.device).float() - self.mean) / self.std
        if geometry.is_rigid:
            image = turn(image, geometry)
            label = turn(label.to(self.device), geometry)
            target = None if target is None else turn(target.to(self.device).float(), geometry)
        else:
            image = resample(image, at, order=1)
            label = resample(label.to(self.device), at, order=0)
            if target is not None:
                target = resample(target.to(self.device).float(), at, order=1)
        return image, label[:, 0].long(), None if target is None else target[:, 0]

    def _read(self, patch, margins):
        shape = self.sampler.patch_shape
        start = [
            center - side // 2 - margin
            for center, side, margin in zip(patch.center, shape, margins, strict=True)
        ]
        size = [side + 2 * margin for side, margin in zip(shape, margins, strict=True)]
        rows = self.rows[patch.sample]
        if self.augmentation.dihedral and self.rng.random() < 0.5:
            rows = rows[::-1]  # a flip along z
        parts = [np.moveaxis(read_region(self.images[row], start, size), -1, 0) for row in rows]
        label = read_region(self.labels[patch.sample], start, size, outside=-1)
        label = torch.from_numpy(label.astype(np.int32))[None, None]
        image = torch.from_numpy(np.concatenate(parts).astype(np.float32))[None]
        if self.maps is None:
            return image, label, None
        target = read_region(self.maps[patch.sample], start, size, outside=np.nan)
        return image, label, torch.from_numpy(target.astype(np.float32))[None, None]


def _margins(at, shape):
    """How far (pixels, each axis) the coordinates reach beyond an unmoved patch."""
    reach = at.abs().flatten(0, -2).amax(0).tolist()
    return [
        max(0, math.ceil(r - (side - 1) / 2 - 1e-3)) for r, side in zip(reach, shape, strict=True)
    ]


def prefetch(iterator):
    """Draw from an endless iterator in a thread, one item ahead.

    The order of the items is that of the iterator; an error in it is raised at the item that it
    belongs to.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        coming = pool.submit(next, iterator)
        while True:
            item = coming.result()
            coming = pool.submit(next, iterator)
            yield item


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
        centered = np.subtract(image, mean.reshape(view), dtype=np.float32)
        return torch.from_numpy(centered).div_(torch.from_numpy(std).view(view)).to(dtype)

    for sample in rows:
        sections = [section(int(row)) for row in sample]
        yield torch.cat(sections) if len(sections) > 1 else sections[0]
