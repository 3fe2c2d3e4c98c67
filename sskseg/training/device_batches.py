"""Batches of patches that are warped on the device."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ..images.augmentation import Geometry, adjust_batch, resample
from ..images.augmentation.deformation import field_weights
from ..images.augmentation.geometry import pixel_offsets
from ..images.tensors import array_to_device, to_device
from .batches import Batch, PatchBatches, interpolate_between_known
from .device_arrays import HostArrays, hold_arrays

_OVERSHOOT = 1.6  # of a bicubic surface over its control points, at most
# Dtypes of images that are moved as they are
_SMALL = (np.bool_, np.uint8, np.int8, np.uint16, np.int16, np.float16)


class DeviceBatches(PatchBatches):
    """`PatchBatches` whose patches are cut, warped and adjusted on the device, all at once.

    Where a GPU trains, these on the CPU would let it wait; nothing waits for the GPU here. Images
    that do not fit are cut on the CPU (`hold_arrays`). The random choices are those of
    `PatchBatches`, and patches are the same up to rounding, but for two shortcuts: the weights of
    warped patches are those of the whole sample, warped with the labels, and not computed anew; and
    patches that are flipped and turned only are displaced by `offset` linearly.

    Parameters
    ----------
    images, labels, targets, **options
        As for `PatchBatches`.
    """

    adjust = staticmethod(adjust_batch)
    images: Any  # those of `hold`

    def __init__(self, images: Any, labels: Any, targets: Any = None, **options: Any):
        super().__init__(images, labels, targets, **options)
        self.images = self.hold(images, options["mean"], self.device)
        shapes = [label.shape for label in labels]
        types = {label.dtype for label in labels}
        signed = [np.int32 if dtype.itemsize > 4 else dtype for dtype in types]
        self._labels = hold_arrays(labels, self.device, np.result_type(np.int8, *signed))
        self._held_targets = self._weights = None
        if targets is not None:
            types = {target.dtype for target in targets if target is not None}
            self._held_targets = hold_arrays(targets, self.device, np.result_type(*types))
        if self._whole_weights is not None:
            self._weights = hold_arrays(
                self._whole_weights, self.device, np.float16, shapes=shapes
            )  # fmt: skip
        self._mean, self._std = (to_device(each, self.device) for each in (self.mean, self.std))
        if self.offset is not None:
            offset = np.asarray(self.offset, np.float32)
            self._offset = array_to_device(offset, self.device)

    @staticmethod
    def hold(images: Sequence[np.ndarray], mean: np.ndarray, device: torch.device) -> HostArrays:
        """Return images as several iterators can share them, on the device if they fit.

        Parameters
        ----------
        images : list of ndarray of shape (*spatial, n_channels)
        mean : ndarray of shape (n_channels,)
            Where it is float64, images need its digits.
        device : torch.device

        Returns
        -------
        HostArrays
        """
        if isinstance(images, HostArrays):
            return images
        dtype = np.result_type(*{image.dtype for image in images})
        return hold_arrays(images, device, dtype if dtype in _SMALL else mean.dtype)

    def _patches(self, drawn):
        margins = self._margins(drawn.geometry)
        boxes = [self._box(patch, margins) for patch in drawn.patches]
        starts, shape = np.array([start for start, _ in boxes]), boxes[0][1]
        samples = np.array([patch.sample for patch in drawn.patches])
        at = batched_coordinates(drawn.geometry, self.shape, self.device)
        labels = self._labels.cut(samples, starts, shape, outside=-1)
        targets = weights = None
        if self._held_targets is not None:
            cut = self._held_targets.cut(samples, starts, shape, outside=np.nan).float()
            targets = interpolate_between_known(cut, at)[:, 0]
        if self._weights is not None:
            cut = self._weights.cut(samples, starts, shape, outside=0)
            weights = resample(cut, at, order=0)[:, 0].float()
        images = self._cut_images(samples, starts, shape, drawn.flips)
        if self.offset is not None:
            at = at - self._offset
        return Batch(
            resample(images, at, order=1), resample(labels, at, order=0)[:, 0].long(), targets,
            weights,
        )  # fmt: skip

    def _cut_images(self, samples, starts, shape, flips):
        """Cut the sections of patches, as channels, and standardize them."""
        indices = self.section_indices[samples]
        indices = np.where(flips[:, None], indices[:, ::-1], indices)
        starts = np.repeat(starts, indices.shape[1], axis=0)
        sections = self.images.cut(indices.ravel(), starts, shape)
        images = sections.unflatten(0, indices.shape).flatten(1, 2)
        return (images.to(self._mean.dtype) - self._mean).float() / self._std

    def _normalized(self, batch):
        middle = batch.crop(self.sampler.patch_shape)
        background = middle.labels == 0
        n = background.sum()
        mean = torch.where(n > 0, (middle.weights * background).sum() / n.clamp_min(1), 1)
        weights = batch.weights.where(batch.labels != 0, batch.weights / mean)
        return batch._replace(weights=weights)

    def _margins(self, geometry):
        """Pixels by which any patch of a batch exceeds an unmoved one, along each axis, at most.

        A bound, since to compute it from coordinates would synchronize the device.
        """
        half = (np.array(self.shape) - 1) / 2
        reach = np.zeros(len(half))
        for one in geometry:
            moved = _OVERSHOOT * np.abs(one.smooth).max() + np.abs(one.piecewise).max()
            shift = np.full(len(half), moved)
            if len(half) == 3:
                shift[0] = 0  # deformations are in the plane
            reach = np.maximum(reach, np.abs(one.matrix) @ (half + shift))
        offset = 0 if self.offset is None else np.abs(np.asarray(self.offset)) + 1
        return np.ceil(np.maximum(reach - half, 0) + offset - 1e-3).astype(int).tolist()


def batched_coordinates(
    geometry: list[Geometry], patch_shape: tuple[int, ...], device: torch.device
) -> torch.Tensor:
    """Compute where in the images the pixels of patches are, as offsets from the center.

    Parameters
    ----------
    geometry : list of Geometry
    patch_shape : tuple of int
    device : torch.device

    Returns
    -------
    Tensor of shape (batch, *patch_shape, ndim), float32
        As `sskseg.images.augmentation.coordinates` of each patch.
    """
    matrix = np.stack([g.matrix.T for g in geometry]).astype(np.float32)
    shift = batched_displacement(geometry, patch_shape, device)
    if len(patch_shape) == 3:
        shift = F.pad(shift, (1, 0)).unsqueeze(1)
    moved = _offsets(patch_shape, str(device)) + shift
    flat = moved.flatten(1, -2) @ array_to_device(matrix, device)
    return flat.view(len(geometry), *patch_shape, len(patch_shape))


def batched_displacement(
    geometry: list[Geometry], patch_shape: tuple[int, ...], device: torch.device
) -> torch.Tensor:
    """Compute the displacements of patches, in their planes.

    Parameters
    ----------
    geometry : list of Geometry
    patch_shape : tuple of int
    device : torch.device

    Returns
    -------
    Tensor of shape (batch, height, width, 2), float32
        As `sskseg.images.augmentation.deformation.displacement` of each patch.
    """
    grid = geometry[0].smooth.shape[0]
    nodes = np.stack([np.concatenate([g.smooth, g.piecewise]).reshape(-1, 2) for g in geometry])
    weights = _node_weights(patch_shape[-2:], grid, str(device))
    shift = weights @ array_to_device(nodes.astype(np.float32), device)
    return shift.view(-1, *patch_shape[-2:], 2)


@lru_cache(maxsize=8)
def _offsets(patch_shape, device):
    """Offsets of pixels from the center, on a device."""
    return pixel_offsets(patch_shape).to(device)


@lru_cache(maxsize=8)
def _node_weights(plane, grid, device):
    """Weights of the control points at each pixel, on a device."""
    height, width = plane
    return field_weights(height, width, grid).to(device)


def prepares_batches(device: torch.device) -> bool:
    """Return whether batches are made on a device.

    Parameters
    ----------
    device : torch.device

    Returns
    -------
    bool
        True for GPUs of CUDA: other accelerators lack some dtypes.
    """
    return device.type == "cuda"


def batches_on(device: torch.device) -> type[PatchBatches]:
    """Return the class of batches for a device."""
    return DeviceBatches if prepares_batches(device) else PatchBatches
