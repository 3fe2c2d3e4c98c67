"""Batches of augmented patches."""

import math
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple

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


class Batch(NamedTuple):
    """Augmented patches and their targets.

    Parameters
    ----------
    images : Tensor of shape (batch, channels, *patch)
    labels : integer Tensor of shape (batch, *patch)
        -1 unlabelled.
    maps, weights : Tensor of shape (batch, *patch), or None
    """

    images: torch.Tensor
    labels: torch.Tensor
    maps: torch.Tensor | None = None
    weights: torch.Tensor | None = None

    def replace_targets(self, function):
        """The batch with `function` applied to each of its targets."""
        targets = (None if target is None else function(target) for target in self[1:])
        return Batch(self.images, *targets)


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
        Its `warm_up` counts the batches of this iterator, in which weights rise from 1, too.
    mean, std : ndarray of shape (n_channels,)
    batch_size : int
    rng : numpy.random.Generator
    device : torch.device
    margin : tuple of int, default=None
        Pixels that patches reach beyond those of the sampler on each side; None is 0.
    weigh : callable, default=None
        ``weigh(labels) -> weights``, a label image to the weights of its pixels in the loss; must
        not depend on how the image is flipped or turned. Warped patches are weighed after the warp.
    """

    def __init__(
        self, images, labels, maps, *, rows, sampler, augmentation, mean, std, batch_size, rng,
        device, margin=None, weigh=None,
    ):  # fmt: skip
        self.images, self.labels, self.maps, self.rows = images, labels, maps, rows
        self.sampler, self.augmentation = sampler, augmentation
        sections = rows.shape[1]
        ndim = len(sampler.patch_shape)
        margin = (0,) * ndim if margin is None else margin
        self.shape = tuple(s + 2 * m for s, m in zip(sampler.patch_shape, margin, strict=True))
        view = (1, -1, *(1,) * ndim)
        self.mean = torch.from_numpy(np.tile(mean, sections)).to(device).view(view)
        self.std = torch.from_numpy(np.tile(std, sections)).to(device).view(view)
        self.batch_size, self.rng, self.device = batch_size, rng, device
        self.weigh, self._weights = weigh, {}
        self._n_drawn, self._now, self._risen = 0, augmentation, 1.0

    def __iter__(self):
        return self

    def __next__(self):
        """Return a `Batch`."""
        return self._read(*self._draw())

    def _draw(self):
        """Patches, and how each is seen."""
        self._now = self.augmentation.after(self._n_drawn)
        self._risen = self.augmentation.risen(self._n_drawn)
        self._n_drawn += 1
        patches = self.sampler.draw(self.rng, self.batch_size)
        return patches, sample_geometry(self._now, self.rng, len(patches), self.shape)

    def _read(self, patches, geometry):
        photometry = sample_photometry(self._now, self.rng, len(patches))
        parts = [self._patch(*each) for each in zip(patches, geometry, strict=True)]
        images, *targets = zip(*parts, strict=True)
        joined = [None if target[0] is None else torch.cat(target) for target in targets]
        batch = Batch(adjust(torch.cat(images), photometry), *joined)
        if self._risen == 1 or batch.weights is None:
            return batch
        weights = batch.weights
        return batch._replace(weights=weights.where(weights == 0, 1 + self._risen * (weights - 1)))

    def _patch(self, patch, geometry):
        """Image, labels, map and weights of one patch, each with a batch axis of one."""
        if geometry.is_rigid:
            return self._turned(patch, geometry)
        at = coordinates(geometry, self.shape)
        start, size = self._box(patch, _margins(at, self.shape))
        at = at.to(self.device)
        image = resample(self._image(patch, start, size), at, order=1)
        label = resample(self._tensor(self._label(patch, start, size)), at, order=0)
        target, weights = None, None
        if self.maps is not None:
            target = resample(self._tensor(self._map(patch, start, size)), at, order=1)[:, 0]
        if self.weigh is not None:
            weights = torch.from_numpy(self.weigh(label[0, 0].cpu().numpy())[None])
            weights = weights.to(self.device)
        return image, label[:, 0].long(), target, weights

    def _turned(self, patch, geometry):
        """A patch that is flipped and turned only: nothing is interpolated or computed anew."""
        start, size = self._box(patch, [0] * len(self.shape))
        image = turn(self._image(patch, start, size), geometry)
        label = turn(self._tensor(self._label(patch, start, size)), geometry)
        target, weights = None, None
        if self.maps is not None:
            target = turn(self._tensor(self._map(patch, start, size)), geometry)[:, 0]
        if self.weigh is not None:
            whole = self._weights_of(patch.sample)
            weights = read_region(whole, start, size, outside=0)
            weights = turn(self._tensor(weights.astype(np.float32)), geometry)[:, 0]
        return image, label[:, 0].long(), target, weights

    def _box(self, patch, margins):
        start = [
            center - side // 2 - margin
            for center, side, margin in zip(patch.center, self.shape, margins, strict=True)
        ]
        return start, [side + 2 * more for side, more in zip(self.shape, margins, strict=True)]

    def _image(self, patch, start, size):
        rows = self.rows[patch.sample]
        if self.augmentation.dihedral and self.rng.random() < 0.5:
            rows = rows[::-1]  # a flip along z
        parts = [np.moveaxis(read_region(self.images[row], start, size), -1, 0) for row in rows]
        image = torch.from_numpy(np.concatenate(parts).astype(np.float32))[None]
        return (image.to(self.device) - self.mean) / self.std

    def _label(self, patch, start, size):
        label = read_region(self.labels[patch.sample], start, size, outside=-1)
        return label.astype(np.int32)

    def _map(self, patch, start, size):
        target = read_region(self.maps[patch.sample], start, size, outside=np.nan)
        return target.astype(np.float32)

    def _weights_of(self, sample):
        if sample not in self._weights:
            self._weights[sample] = self.weigh(self.labels[sample]).astype(np.float16)
        return self._weights[sample]

    def _tensor(self, array):
        return torch.from_numpy(array)[None, None].to(self.device)


class MixedBatches:
    """Endless iterator of batches that are joined from those of several sources.

    Parameters
    ----------
    *sources : iterator of Batch
        May be replaced between two batches. Where only some have maps, those of the others are NaN;
        where only some have weights, those of the others are 1.
    """

    def __init__(self, *sources):
        self.sources = sources

    def __iter__(self):
        return self

    def __next__(self):
        """Return a `Batch`."""
        batches = [next(source) for source in self.sources]
        if len(batches) == 1:
            return batches[0]
        images, labels, maps, weights = zip(*batches, strict=True)
        return Batch(
            torch.cat(images), torch.cat(labels), _filled(maps, labels, torch.nan),
            _filled(weights, labels, 1.0),
        )  # fmt: skip


def _filled(targets, labels, value):
    """Join targets; a constant stands for those that are missing."""
    given = [target for target in targets if target is not None]
    if not given:
        return None
    filled = (
        torch.full(label.shape, value, dtype=given[0].dtype, device=label.device)
        if target is None
        else target
        for target, label in zip(targets, labels, strict=True)
    )
    return torch.cat(list(filled))


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
