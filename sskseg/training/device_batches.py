"""Batches of patches that are warped on the device."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from ..images import read_region
from ..images.augmentation import Geometry, resample
from ..images.augmentation.deformation import field_weights
from .batches import Batch, PatchBatches, interpolate_known, to_device

_OVERSHOOT = 1.6  # of a bicubic surface over its control points, at most
_SMALL = (np.bool_, np.uint8, np.int8, np.uint16, np.int16)  # dtypes that are moved as they are


class DeviceBatches(PatchBatches):
    """`PatchBatches` whose patches are cut on the CPU and warped on the device, all at once.

    Where a GPU trains, warps on the CPU would let it wait. The random choices are those of
    `PatchBatches`, and patches are the same up to rounding, but for two shortcuts: the weights of
    warped patches are those of the whole sample, warped with the labels, and not computed anew; and
    patches that are flipped and turned only are displaced by `offset` linearly.
    """

    def _patches(self, drawn):
        margins = self._margins(drawn.geometry)
        boxes = [self._box(patch, margins) for patch in drawn.patches]
        samples = [patch.sample for patch in drawn.patches]
        at = batched_coordinates(drawn.geometry, self.shape, self.device)
        labels = self._cut(self.labels, samples, boxes, -1, np.int32)
        targets = weights = None
        if self.targets is not None:
            cut = self._cut(self.targets, samples, boxes, np.nan, np.float32)
            targets = interpolate_known(cut, at)[:, 0]
        if self.weigh is not None:
            whole = {sample: self._weights_of(sample, self.weigh) for sample in {*samples}}
            weights = resample(self._cut(whole, samples, boxes, 0, np.float32), at, order=0)[:, 0]
        images = self._cut_images(drawn, boxes)
        if self.offset is not None:
            at = at - torch.as_tensor(self.offset, dtype=at.dtype, device=at.device)
        return Batch(
            resample(images, at, order=1), resample(labels, at, order=0)[:, 0].long(), targets,
            weights,
        )  # fmt: skip

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

    def _cut(self, arrays, samples, boxes, outside, dtype):
        regions = [
            read_region(arrays[sample], *box, outside=outside).astype(dtype)
            for sample, box in zip(samples, boxes, strict=True)
        ]
        return to_device(torch.from_numpy(np.stack(regions)[:, None]), self.device)

    def _cut_images(self, drawn, boxes):
        """Images of a batch, standardized on the device."""
        if any(image.dtype not in _SMALL for image in self.images):
            each = zip(drawn.patches, boxes, drawn.flips, strict=True)
            parts = [self._image(patch, start, size, flip) for patch, (start, size), flip in each]
            return to_device(torch.cat(parts), self.device)
        stacks = []
        for patch, box, flip in zip(drawn.patches, boxes, drawn.flips, strict=True):
            indices = self.section_indices[patch.sample]
            sections = [read_region(self.images[i], *box) for i in indices[:: -1 if flip else 1]]
            stacks.append(np.concatenate([np.moveaxis(section, -1, 0) for section in sections]))
        images = to_device(torch.from_numpy(np.stack(stacks)), self.device).float()
        mean, std = self.mean.to(images), self.std.to(images)
        return (images - mean) / std


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
    grid = geometry[0].smooth.shape[0]
    nodes = np.stack([np.concatenate([g.smooth, g.piecewise]).reshape(-1, 2) for g in geometry])
    matrix = np.stack([g.matrix.T for g in geometry])
    on_device: Any = [
        to_device(torch.from_numpy(array.astype(np.float32)), device) for array in (nodes, matrix)
    ]
    offsets, weights = _constants(patch_shape, grid, str(device))
    shift = (weights @ on_device[0]).view(-1, *patch_shape[-2:], 2)
    if len(patch_shape) == 3:
        shift = F.pad(shift, (1, 0)).unsqueeze(1)
    moved = offsets + shift
    flat = moved.flatten(1, -2) @ on_device[1]
    return flat.view(len(geometry), *patch_shape, len(patch_shape))


@lru_cache(maxsize=8)
def _constants(patch_shape, grid, device):
    """Offsets of pixels from the center, and the weights of the control points at each."""
    axes = [torch.arange(side, dtype=torch.float32) - (side - 1) / 2 for side in patch_shape]
    offsets = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    return offsets.to(device), field_weights(patch_shape[-2], patch_shape[-1], grid).to(device)


def batches_on(device: torch.device) -> type[PatchBatches]:
    """Return the class of batches for a device: other accelerators lack some dtypes."""
    return DeviceBatches if device.type == "cuda" else PatchBatches
