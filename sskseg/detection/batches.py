"""Training patches with the outlines of their objects."""

from typing import NamedTuple

import numpy as np
import torch

from ..images import PatchSampler
from ..images.augmentation import locate
from ..morphology import (
    contour_areas,
    contour_points,
    fourier_descriptors,
    normalized_distance,
    resample_contours,
    trace_contours,
)
from ..training.batches import PatchBatches
from .network import contour_loss

_POINTS = 64  # of an outline that is kept
_ORDER = 16  # harmonics of an outline that is learned


class Outlined(NamedTuple):
    """Label image with the outlines of its objects.

    Parameters
    ----------
    numbers : ndarray of int, shape (height, width)
        1, 2, ... objects, 0 background, -1 unlabeled.
    distance : ndarray of float16, shape (height, width)
        See `sskseg.morphology.normalized_distance`.
    contours : ndarray of shape (n_objects, n_points, 2)
        Row and column; of object 1 first.
    """

    numbers: np.ndarray
    distance: np.ndarray
    contours: np.ndarray

    @property
    def radii(self):
        """Of circles as large as the objects, pixels."""
        return np.sqrt(np.abs(contour_areas(self.contours)) / np.pi)


def outline(labels, polygons=None):
    """Trace the objects of a label image.

    Parameters
    ----------
    labels : ndarray of int, shape (height, width)
        Different values > 0 are different objects, 0 background, -1 unlabeled.
    polygons : list of ndarray of shape (k, 2), default=None
        Outlines of objects 1, 2, ..., hidden parts too, where these are known.

    Returns
    -------
    Outlined
    """
    if polygons is None:
        ids, contours = trace_contours(labels, _POINTS)
        numbers = np.where(labels < 0, -1, 0).astype(np.int32)
        numbers[labels > 0] = 1 + np.searchsorted(ids, labels[labels > 0])
    else:
        numbers, contours = labels.astype(np.int32), resample_contours(polygons, _POINTS)
    distance = normalized_distance(numbers).astype(np.float16)
    return Outlined(numbers, distance, contours.astype(np.float32))


class ContourBatch(NamedTuple):
    """What `contour_loss` wants: images, labels, distance and outlines."""

    images: torch.Tensor
    labels: torch.Tensor
    distance: torch.Tensor
    outlines: torch.Tensor

    def loss(self, network):
        """Of the maps that `network` makes of the images; contours are not for 8 bits."""
        maps = network(self.images)
        with torch.autocast(maps.device.type, enabled=False):
            return contour_loss(network, maps, *self[1:])


class ContourBatches(PatchBatches):
    """Endless iterator of `ContourBatch`.

    Parameters
    ----------
    images : list of ndarray of shape (height, width, n_channels)
    known : list of Outlined
    samples : int
        Points of an outline.
    patch_shape : tuple of 2 ints
    weights : ndarray of shape (n_samples,)
        Of the images, see `PatchSampler`.
    **options
        Of `PatchBatches`.
    """

    def __init__(self, images, known, samples, patch_shape, weights, **options):
        numbers, distances, self.contours = zip(*known, strict=True)
        super().__init__(
            images, numbers, distances, rows=np.arange(len(images))[:, None],
            sampler=PatchSampler(numbers, patch_shape, weights=weights), **options,
        )  # fmt: skip
        self.samples = samples

    def _make(self, drawn):
        images, labels, distance, _ = self._patches(drawn)
        each = zip(drawn.patches, drawn.geometry, labels.numpy(), strict=True)
        found = [self._outlines(*one) for one in each]
        most = max(1, *(len(outlines) for _, outlines in found))
        outlines = np.full((len(found), most, self.samples, 2), np.nan, np.float32)
        for row, (_, points) in zip(outlines, found, strict=True):
            row[: len(points)] = points
        labels = torch.from_numpy(np.stack([numbers for numbers, _ in found]))
        batch = ContourBatch(images, labels, distance, torch.from_numpy(outlines))
        return self._adjusted(batch, drawn.photometry)

    def _outlines(self, patch, geometry, labels):
        """Objects of a patch by numbers of its own, and points of their outlines in it."""
        contours = self.contours[patch.sample]
        present = np.bincount(labels.ravel() + 1, minlength=len(contours) + 2)[2:] > 0
        numbers = np.concatenate([[-1, 0], np.cumsum(present) * present])[labels + 1]
        half = (np.array(self.shape) - 1) / 2
        middle = np.array(patch.center) - np.array(self.shape) // 2 + half
        here = locate(contours[present] - middle, geometry, self.shape) + half
        descriptors = fourier_descriptors(here, _ORDER)
        return numbers, contour_points(*descriptors, self.samples)
