"""Batches of augmented patches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from threading import Lock
from typing import NamedTuple

import numpy as np
import torch

from ..images import Patch, PatchSampler, read_region
from ..images.augmentation import (
    Augmentation,
    Geometry,
    Photometry,
    adjust,
    coordinates,
    resample,
    sample_geometry,
    sample_photometry,
    turn,
)
from ..images.displacement import displace, displacement_margin
from ..images.tensors import to_device
from ..nn import crop_center


class Batch(NamedTuple):
    """Augmented patches and their targets.

    Parameters
    ----------
    images : Tensor of shape (batch, channels, *patch)
    labels : integer Tensor of shape (batch, *patch)
        -1 unlabeled.
    targets : Tensor of shape (batch, *patch), or None
        Real-valued; NaN is unknown.
    weights : Tensor of shape (batch, *patch), or None
        Of pixels in the loss; with mean 1 over the background of all patches of one source.
    """

    images: torch.Tensor
    labels: torch.Tensor
    targets: torch.Tensor | None = None
    weights: torch.Tensor | None = None

    def crop(self, shape: Sequence[int]) -> Batch:
        """Crop all but the images to the middle, for which a network with a margin has outputs."""
        targets, weights = (
            None if each is None else crop_center(each, shape)
            for each in (self.targets, self.weights)
        )
        return Batch(self.images, crop_center(self.labels, shape), targets, weights)


class Drawn(NamedTuple):
    """The random choices of a batch.

    Parameters
    ----------
    patches : list of Patch
    geometry : list of Geometry
    photometry : Photometry
    flips : ndarray of shape (batch,)
        Whether the order of the sections is reversed.
    risen : float
        Share of the warm-up that is over.
    """

    patches: list[Patch]
    geometry: list[Geometry]
    photometry: Photometry
    flips: np.ndarray
    risen: float


class PatchBatches:
    """Endless iterator of augmented batches.

    Patches are cut and warped on the CPU. Their intensities are augmented on the device, so that
    noise is not the same on every device.

    Parameters
    ----------
    images : list of ndarray of shape (*spatial, n_channels)
    labels : list of ndarray of shape (*spatial)
        -1 unlabeled.
    targets : list of ndarray of shape (*spatial), or None
        Real-valued targets, interpolated linearly; NaN is unknown, and is not interpolated.
    section_indices : ndarray of int, shape (n_samples, n_sections)
        Of the sections that are the input channels of each sample.
    sampler : PatchSampler
    augmentation : Augmentation
        Its `warm_up` counts the batches of this iterator, in which also weights rise from 1.
    mean, std : ndarray of shape (n_channels,)
    batch_size : int
    rng : numpy.random.Generator
    device : torch.device
    margin : tuple of int, default=None
        Pixels by which patches exceed those of the sampler on each side; None is 0.
    weigh : callable, default=None
        ``weigh(labels) -> weights`` maps a label image to the weights of its pixels in the loss. It
        must not depend on orientation. Warped patches are weighted after the warp. Weights of the
        background are then divided by their mean, in each batch of this iterator: it keeps its
        share of the loss, so that probabilities stay calibrated.
    offset : sequence of float or ndarray, default=None
        By which images are displaced to where their labels lie, pixels along each axis.
    """

    adjust = staticmethod(adjust)

    def __init__(
        self,
        images: Sequence[np.ndarray],
        labels: Sequence[np.ndarray],
        targets: Sequence[np.ndarray | None] | None = None,
        *,
        section_indices: np.ndarray,
        sampler: PatchSampler,
        augmentation: Augmentation,
        mean: np.ndarray,
        std: np.ndarray,
        batch_size: int,
        rng: np.random.Generator,
        device: torch.device,
        margin: Sequence[int] | None = None,
        weigh: Callable[[np.ndarray], np.ndarray] | None = None,
        offset: Sequence[float] | np.ndarray | None = None,
    ):
        self.images, self.labels, self.targets = images, labels, targets
        self.section_indices = section_indices
        self.sampler, self.augmentation = sampler, augmentation
        sections = section_indices.shape[1]
        ndim = len(sampler.patch_shape)
        margin = (0,) * ndim if margin is None else margin
        self.shape = tuple(s + 2 * m for s, m in zip(sampler.patch_shape, margin, strict=True))
        shape = (1, -1, *(1,) * ndim)
        self.mean = torch.from_numpy(np.tile(mean, sections)).view(shape)
        self.std = torch.from_numpy(np.tile(std, sections)).view(shape)
        self.batch_size, self.rng, self.device = batch_size, rng, device
        self.weigh, self.offset = weigh, offset
        self._whole_weights = None if weigh is None else WholeWeights(labels, weigh)
        self._n_drawn = 0

    @staticmethod
    def hold(
        images: Sequence[np.ndarray], mean: np.ndarray, device: torch.device
    ) -> Sequence[np.ndarray]:
        """Return images as several iterators can share them, which are themselves."""
        return images

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        """Return a `Batch`."""
        return self.draw()()

    def draw(self) -> Callable[[], Batch]:
        """Draw the next batch; return a function that makes it in any thread."""
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
        if batch.weights is not None:
            weights = batch.weights
            if drawn.risen < 1:
                weights = weights.where(weights == 0, 1 + drawn.risen * (weights - 1))
            batch = self._normalized(batch._replace(weights=weights))
        return self._adjusted(batch, drawn.photometry)

    def _normalized(self, batch):
        """Scale weights so that their mean over the background in the middle of patches is 1."""
        middle = batch.crop(self.sampler.patch_shape)
        background = middle.labels == 0
        if not background.any():
            return batch
        mean = middle.weights[background].mean()
        weights = batch.weights.where(batch.labels != 0, batch.weights / mean)
        return batch._replace(weights=weights)

    def _patches(self, drawn):
        """Make a `Batch` before the augmentation of intensities, on the CPU."""
        each = zip(drawn.patches, drawn.geometry, drawn.flips, strict=True)
        parts = zip(*(self._patch(*one) for one in each), strict=True)
        images, labels, targets, weights = parts
        return Batch(torch.cat(images), torch.cat(labels), _joined(targets), _joined(weights))

    def _adjusted(self, batch, photometry):
        """Move a `Batch`, or another tuple of tensors, to the device; augment its intensities
        there."""
        batch = type(batch)(*(to_device(tensor, self.device) for tensor in batch))
        return batch._replace(images=self.adjust(batch.images, photometry))

    def _patch(self, patch, geometry, flip):
        """Return image, labels, targets and weights of a patch, with a batch axis of one."""
        if geometry.is_rigid:
            return self._turned(patch, geometry, flip)
        at = coordinates(geometry, self.shape)
        image = self._warped_image(patch, at, flip)
        start, size = self._box(patch, _margins(at, self.shape))
        label = resample(_region(self.labels[patch.sample], start, size, -1, np.int32), at, order=0)
        target, weights = None, None
        if self.targets is not None:
            target = _region(self.targets[patch.sample], start, size, np.nan, np.float32)
            target = interpolate_known(target, at)[:, 0]
        if self.weigh is not None:
            weights = torch.from_numpy(self.weigh(label[0, 0].numpy())[None])
        return image, label[:, 0].long(), target, weights

    def _turned(self, patch, geometry, flip):
        """Flip and turn a patch, which needs no interpolation and no new weights."""
        image = turn(self._plain_image(patch, flip), geometry)
        start, size = self._box(patch, [0] * len(self.shape))
        label = turn(_region(self.labels[patch.sample], start, size, -1, np.int32), geometry)
        target, weights = None, None
        if self.targets is not None:
            target = _region(self.targets[patch.sample], start, size, np.nan, np.float32)
            target = turn(target, geometry)[:, 0]
        if self._whole_weights is not None:
            weights = self._whole_weights[patch.sample]
            weights = turn(_region(weights, start, size, 0, np.float32), geometry)[:, 0]
        return image, label[:, 0].long(), target, weights

    def _warped_image(self, patch, at, flip):
        if self.offset is not None:
            at = at - torch.as_tensor(self.offset, dtype=at.dtype)
        start, size = self._box(patch, _margins(at, self.shape))
        return resample(self._image(patch, start, size, flip), at, order=1)

    def _plain_image(self, patch, flip):
        if self.offset is None:
            start, size = self._box(patch, [0] * len(self.shape))
            return self._image(patch, start, size, flip)
        margin = displacement_margin(self.offset)
        start, size = self._box(patch, [margin] * len(self.shape))
        image = displace(self._image(patch, start, size, flip), self.offset)
        return crop_center(image, self.shape)

    def _box(self, patch, margins):
        start = [
            center - side // 2 - margin
            for center, side, margin in zip(patch.center, self.shape, margins, strict=True)
        ]
        return start, [side + 2 * more for side, more in zip(self.shape, margins, strict=True)]

    def _sections(self, patch, start, size, flip):
        """Read the sections of a patch, channels first, as they are stored."""
        indices = self.section_indices[patch.sample]
        indices = indices[::-1] if flip else indices
        sections = [read_region(self.images[index], start, size) for index in indices]
        return np.concatenate([np.moveaxis(section, -1, 0) for section in sections])

    def _image(self, patch, start, size, flip):
        dtype = np.float64 if self.mean.dtype == torch.float64 else np.float32
        image = torch.from_numpy(self._sections(patch, start, size, flip).astype(dtype))[None]
        return (image - self.mean).float() / self.std


class WholeWeights(Sequence):
    """Weights of the pixels of whole samples, computed when they are first read.

    Parameters
    ----------
    labels : list of ndarray of int, shape (*spatial)
    weigh : callable
        ``weigh(labels) -> weights`` of one sample.
    """

    def __init__(self, labels: Sequence[np.ndarray], weigh: Callable[[np.ndarray], np.ndarray]):
        self._labels, self._weigh, self._lock = labels, weigh, Lock()
        self._computed: dict[int, np.ndarray] = {}

    def __len__(self):
        return len(self._labels)

    def __getitem__(self, sample):
        """Return weights of shape (*spatial), float16."""
        with self._lock:
            if sample not in self._computed:
                self._computed[sample] = self._weigh(self._labels[sample]).astype(np.float16)
            return self._computed[sample]


def _joined(tensors):
    """Concatenate the tensors of all patches; None if there are none."""
    return None if tensors[0] is None else torch.cat(tensors)


def _region(array, start, size, outside, dtype):
    """Read a region as a tensor with axes for batch and channel."""
    region = read_region(array, start, size, outside=outside).astype(dtype)
    return torch.from_numpy(region)[None, None]


def interpolate_known(values, at):
    """Interpolate values at coordinates, between known ones only.

    Those whose nearest pixel is unknown (NaN) stay unknown.
    """
    if values.isnan().any():
        return interpolate_between_known(values, at)
    return resample(values, at, order=1)


def interpolate_between_known(values, at):
    """Do what `interpolate_known` does, without reading whether all values are known."""
    known = ~values.isnan()
    both = torch.cat([values.nan_to_num(0.0), known.float()], dim=1)
    total, share = resample(both, at, order=1).chunk(2, dim=1)
    return (total / share).masked_fill(~resample(known, at, order=0), torch.nan)


class MixedBatches:
    """Endless iterator of batches that are concatenated from those of several sources.

    Parameters
    ----------
    *sources : PatchBatches
        May be replaced between two batches. If only some have targets, those of the others are NaN;
        if only some have weights, those of the others are 1.
    """

    def __init__(self, *sources: PatchBatches):
        self.sources = sources

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        """Return a `Batch`."""
        return _concatenated([next(source) for source in self.sources])

    def draw(self) -> Callable[[], Batch]:
        """Draw the next batch; return a function that makes it in any thread."""
        makers = [source.draw() for source in self.sources]
        return lambda: _concatenated([make() for make in makers])


def _concatenated(batches):
    if len(batches) == 1:
        return batches[0]
    images, labels, targets, weights = zip(*batches, strict=True)
    return Batch(
        torch.cat(images), torch.cat(labels), _filled(targets, labels, torch.nan),
        _filled(weights, labels, 1.0),
    )  # fmt: skip


def _filled(tensors, labels, value):
    """Concatenate tensors, with a constant for missing ones; None if all are missing."""
    given = [tensor for tensor in tensors if tensor is not None]
    if not given:
        return None
    filled = [
        torch.full(label.shape, value, dtype=given[0].dtype, device=label.device)
        if tensor is None
        else tensor
        for tensor, label in zip(tensors, labels, strict=True)
    ]
    return torch.cat(filled)


def _margins(at, shape):
    """Return by how many pixels coordinates exceed those of an unmoved patch, along each axis."""
    reach = at.abs().flatten(0, -2).amax(0).tolist()
    return [
        max(0, math.ceil(r - (side - 1) / 2 - 1e-3)) for r, side in zip(reach, shape, strict=True)
    ]
