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
from ..images.augmentation.geometry import pixel_offsets
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
        is_small = all(image.dtype in _SMALL for image in self.images)
        read = self._sections if is_small else self._image
        each = zip(drawn.patches, boxes, drawn.flips, strict=True)
        parts = [read(patch, start, size, flip) for patch, (start, size), flip in each]
        if not is_small:  # standardized with more digits
            return to_device(torch.cat(parts), self.device)
        images = to_device(torch.from_numpy(np.stack(parts)), self.device).float()
        return (images - self.mean.to(images)) / self.std.to(images)


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
    weights = field_weights(patch_shape[-2], patch_shape[-1], grid)
    return pixel_offsets(patch_shape).to(device), weights.to(device)


def batches_on(device: torch.device) -> type[PatchBatches]:
    """Return the class of batches for a device: other accelerators lack some dtypes."""
    return DeviceBatches if device.type == "cuda" else PatchBatches
