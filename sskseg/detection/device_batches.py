"""Training patches with the contours of their objects, made on the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..images.augmentation import Geometry
from ..images.augmentation.geometry import FIXED_POINT_STEPS
from ..images.tensors import array_to_device
from ..training import DeviceBatches, prepares_batches
from ..training.device_batches import batched_displacement
from .batches import N_POINTS, ORDER, ContourBatch, ContourBatches, Outlined
from .device_contours import redraw_contours


class DeviceContourBatches(ContourBatches, DeviceBatches):
    """`ContourBatches` whose images, labels and contours are moved on the device, all at once.

    A batch holds the contours of the objects around a patch: which of them are in it would have to
    be read from the device.

    Parameters
    ----------
    images, outlined, *others, **options
        As for `ContourBatches`.
    """

    def __init__(
        self, images: list[np.ndarray], outlined: list[Outlined], *others: Any, **options: Any
    ):
        super().__init__(images, outlined, *others, **options)
        self._lows, self._highs = ([f(c, axis=1) for c in self.contours] for f in (np.min, np.max))

    def _make(self, drawn):
        images, labels, distance, _ = self._patches(drawn)
        objects = list(map(self._objects_around, drawn.patches, drawn.geometry))
        centers = np.array([patch.center for patch in drawn.patches])
        # Half a pixel aside where sides are even
        middles = centers - np.array(self.shape) // 2 + (np.array(self.shape) - 1) / 2
        contours = [
            self.contours[patch.sample][chosen] - middle
            for patch, chosen, middle in zip(drawn.patches, objects, middles, strict=True)
        ]
        outlines = self._outlines(contours, drawn.geometry)
        batch = ContourBatch(images, _renumbered(labels, objects), distance, outlines)
        return self._adjusted(batch, drawn.photometry)

    def _objects_around(self, patch, geometry):
        """Indices of objects whose contours may come to lie in a patch."""
        start, size = self._box(patch, self._margins([geometry]))
        stop = np.add(start, size)
        low, high = self._lows[patch.sample], self._highs[patch.sample]
        return np.flatnonzero((high >= start).all(1) & (low < stop).all(1))

    def _outlines(self, contours, geometry):
        """Points of contours in patches, (batch, n_objects, samples, 2); NaN: there is none."""
        n_objects = max(1, *map(len, contours))
        points = np.zeros((len(contours), n_objects, N_POINTS, 2), np.float32)
        is_missing = np.ones(points.shape[:2], bool)
        for row, each in enumerate(contours):
            points[row, : len(each)], is_missing[row, : len(each)] = each, False
        located = locate_batch(
            array_to_device(points, self.device), geometry, (self.shape[0], self.shape[1])
        )
        outlines = redraw_contours(located.flatten(0, 1), ORDER, self.samples)
        outlines = outlines.unflatten(0, points.shape[:2])
        half = [(side - 1) / 2 for side in self.shape]
        moved = torch.stack([outlines[..., axis] + h for axis, h in enumerate(half)], dim=-1)
        missing = array_to_device(is_missing, self.device)
        return moved.masked_fill(missing[..., None, None], torch.nan)


def _renumbered(labels, objects):
    """Number objects of patches (batch, *patch) by their contours: 1, 2, ...; others become 0."""
    last = max((int(chosen.max(initial=-1)) for chosen in objects), default=-1)
    numbers = np.zeros((len(objects), last + 4), np.int64)
    numbers[:, 0] = -1
    for row, chosen in zip(numbers, objects, strict=True):
        row[2 + chosen] = 1 + np.arange(len(chosen))
    index = (labels + 1).clamp_max(last + 3).flatten(1)
    return array_to_device(numbers, labels.device).gather(1, index).view_as(labels)


def locate_batch(
    points: Tensor, geometry: Sequence[Geometry], patch_shape: tuple[int, int]
) -> Tensor:
    """Locate points of images in patches, as `sskseg.images.augmentation.locate` does.

    Parameters
    ----------
    points : Tensor of shape (batch, ..., 2), float32
        Offsets from the centers, in the images.
    geometry : sequence of Geometry
    patch_shape : tuple of 2 ints

    Returns
    -------
    Tensor of the same shape
        Offsets from the centers of the patches.
    """
    inverse = np.stack([np.linalg.inv(each.matrix).T for each in geometry]).astype(np.float32)
    unmoved = points.flatten(1, -2) @ array_to_device(inverse, points.device)
    located = unmoved
    if not all(each.is_rigid for each in geometry):
        field = batched_displacement(list(geometry), patch_shape, points.device).movedim(-1, 1)
        height, width = ((side - 1) / 2 for side in patch_shape)
        for _ in range(FIXED_POINT_STEPS):
            grid = torch.stack([located[..., 1] / width, located[..., 0] / height], dim=-1)
            moved = F.grid_sample(
                field, grid.unsqueeze(2), padding_mode="border", align_corners=True
            )  # fmt: skip
            located = unmoved - moved.squeeze(3).mT
    return located.view_as(points)


def contour_batches_on(device: torch.device) -> type[ContourBatches]:
    """Return the class of batches for a device."""
    return DeviceContourBatches if prepares_batches(device) else ContourBatches
