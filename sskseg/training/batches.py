"""Batches of augmented patches."""

import math
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from threading import Lock
from typing import NamedTuple

import numpy as np
import torch

from ..images import read_region
from ..images.augmentation import (
    Photometry,
    adjust,
    coordinates,
    resample,
    sample_geometry,
    sample_photometry,
    turn,
)

_MAX_PIXELS = 2**22
_READERS = 4  # threads that make batches while a GPU trains


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
    step = max(1, total // _MAX_PIXELS)
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
        -1 unlabeled.
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


class Drawn(NamedTuple):
    """All that is random about a batch.

    Parameters
    ----------
    patches : list of Patch
    geometry : list of Geometry
    photometry : Photometry
    flips : ndarray of shape (batch,)
        Which are flipped along z.
    risen : float
        Share of the warm-up that is over.
    """

    patches: list
    geometry: list
    photometry: Photometry
    flips: np.ndarray
    risen: float


class PatchBatches:
    """Endless iterator of augmented batches.

    Batches are made on the CPU, the same for every device.

    Parameters
    ----------
    images : list of ndarray of shape (*spatial, n_channels)
    labels : list of ndarray of shape (*spatial)
        -1 unlabeled.
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
        self.mean = torch.from_numpy(np.tile(mean, sections)).view(view)
        self.std = torch.from_numpy(np.tile(std, sections)).view(view)
        self.batch_size, self.rng, self.device = batch_size, rng, device
        self.weigh, self._weights, self._weighing = weigh, {}, Lock()
        self._n_drawn = 0

    def __iter__(self):
        return self

    def __next__(self):
        """Return a `Batch`."""
        return self.draw()()

    def draw(self):
        """Draw the next batch; returns a function that makes it, in any thread."""
        return partial(self._make, self._draw())

    def _draw(self):
        now = self.augmentation.after(self._n_drawn)
        risen = self.augmentation.warm_up_share(self._n_drawn)
        self._n_drawn += 1
        patches = self.sampler.draw(self.rng, self.batch_size)
        geometry = sample_geometry(now, self.rng, len(patches), self.shape)
        photometry = sample_photometry(now, self.rng, len(patches))
        flips = np.zeros(len(patches), bool)
        if now.dihedral:
            flips = self.rng.random(len(patches)) < 0.5
        return Drawn(patches, geometry, photometry, flips, risen)

    def _make(self, drawn):
        batch = self._patches(drawn)
        if drawn.risen < 1 and batch.weights is not None:
            weights = batch.weights
            weights = weights.where(weights == 0, 1 + drawn.risen * (weights - 1))
            batch = batch._replace(weights=weights)
        return self._adjusted(batch, drawn.photometry)

    def _patches(self, drawn):
        """A `Batch` as it is before intensities are changed, on the CPU."""
        each = zip(drawn.patches, drawn.geometry, drawn.flips, strict=True)
        images, *targets = zip(*(self._patch(*one) for one in each), strict=True)
        joined = [None if target[0] is None else torch.cat(target) for target in targets]
        return Batch(torch.cat(images), *joined)

    def _adjusted(self, batch, photometry):
        """A `Batch`, or another tuple of tensors, with its images adjusted, on the device."""
        batch = batch._replace(images=adjust(batch.images, photometry))
        return type(batch)(*(_to_device(tensor, self.device) for tensor in batch))

    def _patch(self, patch, geometry, flip):
        """Image, labels, map and weights of one patch, each with a batch axis of one."""
        if geometry.is_rigid:
            return self._turned(patch, geometry, flip)
        at = coordinates(geometry, self.shape)
        start, size = self._box(patch, _margins(at, self.shape))
        image = resample(self._image(patch, start, size, flip), at, order=1)
        label = resample(_tensor(self._label(patch, start, size)), at, order=0)
        target, weights = None, None
        if self.maps is not None:
            target = resample(_tensor(self._map(patch, start, size)), at, order=1)[:, 0]
        if self.weigh is not None:
            weights = torch.from_numpy(self.weigh(label[0, 0].numpy())[None])
        return image, label[:, 0].long(), target, weights

    def _turned(self, patch, geometry, flip):
        """A patch that is flipped and turned only: nothing is interpolated or computed anew."""
        start, size = self._box(patch, [0] * len(self.shape))
        image = turn(self._image(patch, start, size, flip), geometry)
        label = turn(_tensor(self._label(patch, start, size)), geometry)
        target, weights = None, None
        if self.maps is not None:
            target = turn(_tensor(self._map(patch, start, size)), geometry)[:, 0]
        if self.weigh is not None:
            whole = self._weights_of(patch.sample)
            weights = read_region(whole, start, size, outside=0)
            weights = turn(_tensor(weights.astype(np.float32)), geometry)[:, 0]
        return image, label[:, 0].long(), target, weights

    def _box(self, patch, margins):
        start = [
            center - side // 2 - margin
            for center, side, margin in zip(patch.center, self.shape, margins, strict=True)
        ]
        return start, [side + 2 * more for side, more in zip(self.shape, margins, strict=True)]

    def _image(self, patch, start, size, flip):
        rows = self.rows[patch.sample]
        rows = rows[::-1] if flip else rows
        parts = [np.moveaxis(read_region(self.images[row], start, size), -1, 0) for row in rows]
        image = torch.from_numpy(np.concatenate(parts).astype(np.float32))[None]
        return (image - self.mean) / self.std

    def _label(self, patch, start, size):
        label = read_region(self.labels[patch.sample], start, size, outside=-1)
        return label.astype(np.int32)

    def _map(self, patch, start, size):
        target = read_region(self.maps[patch.sample], start, size, outside=np.nan)
        return target.astype(np.float32)

    def _weights_of(self, sample):
        with self._weighing:
            if sample not in self._weights:
                self._weights[sample] = self.weigh(self.labels[sample]).astype(np.float16)
            return self._weights[sample]


def _tensor(array):
    return torch.from_numpy(array)[None, None]


def _to_device(tensor, device):
    """A tensor of the CPU on `device`, without waiting for what a GPU is at; None stays None."""
    if tensor is None:
        return None
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


class MixedBatches:
    """Endless iterator of batches that are joined from those of several sources.

    Parameters
    ----------
    *sources : PatchBatches
        May be replaced between two batches, which holds for those that are drawn from then on.
        Where only some have maps, those of the others are NaN; where only some have weights, those
        of the others are 1.
    """

    def __init__(self, *sources):
        self.sources = sources

    def __iter__(self):
        return self

    def __next__(self):
        """Return a `Batch`."""
        return _joined([next(source) for source in self.sources])

    def draw(self):
        """Draw the next batch; returns a function that makes it, in any thread."""
        makers = [source.draw() for source in self.sources]
        return lambda: _joined([make() for make in makers])


def _joined(batches):
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
    """Make the items of an endless iterator in threads, some ahead.

    They are the same items in the same order. An error in making one is raised where it would be
    given.

    Parameters
    ----------
    iterator : iterator
        Where it has a method `draw`, like `PatchBatches`, four items are made at once; of others
        one is made ahead.
    """
    draw, readers = partial(partial, next, iterator), 1
    if hasattr(iterator, "draw"):
        draw, readers = iterator.draw, _READERS
    with ThreadPoolExecutor(readers) as pool:
        coming = deque(pool.submit(draw()) for _ in range(readers))
        while True:
            item = coming.popleft().result()
            coming.append(pool.submit(draw()))
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
