"""Training patches with the contours of their objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

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
from .loss import contour_loss
from .network import ContourProposalNetwork

N_POINTS = 64  # of a stored contour
ORDER = 16  # harmonics of a target


class Outlined(NamedTuple):
    """Label image with the contours of its objects.

    Parameters
    ----------
    labels : ndarray of int, shape (height, width)
        1, 2, ... objects, 0 background, -1 unlabeled.
    distance : ndarray of float16, shape (height, width)
        See `sskseg.morphology.normalized_distance`.
    contours : ndarray of shape (n_objects, n_points, 2)
        Row and column; contour i is that of object i + 1.
    """

    labels: np.ndarray
    distance: np.ndarray
    contours: np.ndarray

    @property
    def radii(self) -> np.ndarray:
        """Radii, pixels, of circles that have the areas of the objects."""
        return np.sqrt(np.abs(contour_areas(self.contours)) / np.pi)


def outline(labels: np.ndarray, polygons: Sequence | None = None) -> Outlined:
    """Trace the contours of the objects of a label image.

    Parameters
    ----------
    labels : ndarray of int, shape (height, width)
        Different values > 0 are different objects, 0 background, -1 unlabeled.
    polygons : list of ndarray of shape (k, 2), default=None
        Contours of objects 1, 2, ..., hidden parts included, if they are known.

    Returns
    -------
    Outlined
    """
    if polygons is None:
        ids, contours = trace_contours(labels, N_POINTS)
        numbers = np.where(labels < 0, -1, 0).astype(np.int32)
        numbers[labels > 0] = 1 + np.searchsorted(ids, labels[labels > 0])
    else:
        numbers, contours = labels.astype(np.int32), resample_contours(polygons, N_POINTS)
    distance = normalized_distance(numbers).astype(np.float16)
    return Outlined(numbers, distance, contours.astype(np.float32))


class ContourBatch(NamedTuple):
    """Images, and the arguments of `contour_loss` that are targets."""

    images: Tensor
    labels: Tensor
    distance: Tensor
    outlines: Tensor

    def loss(self, network: ContourProposalNetwork) -> Tensor:
        """Compute the loss of the network's outputs for the images."""
        outputs = network(self.images)
        # bfloat16 is too coarse for coordinates.
        with torch.autocast(outputs.device.type, enabled=False):
            return contour_loss(network, outputs, *self[1:])


class ContourBatches(PatchBatches):
    """Endless iterator of `ContourBatch`.

    Parameters
    ----------
    images : list of ndarray of shape (height, width, n_channels)
    outlined : list of Outlined
    samples : int
        Points of a contour.
    patch_shape : tuple of 2 ints
    weights : ndarray of shape (n_samples,)
        Weights of the images, see `PatchSampler`.
    **options
        Of `PatchBatches`.
    """

    def __init__(
        self,
        images: list[np.ndarray],
        outlined: list[Outlined],
        samples: int,
        patch_shape: tuple[int, int],
        weights: np.ndarray,
        **options: Any,
    ):
        labels, distances, self.contours = zip(*outlined, strict=True)
        super().__init__(
            images, labels, distances, section_indices=np.arange(len(images))[:, None],
            sampler=PatchSampler(labels, patch_shape, weights=weights), **options,
        )  # fmt: skip
        self.samples = samples

    def _make(self, drawn):
        images, labels, distance, _ = self._patches(drawn)
        patches = zip(drawn.patches, drawn.geometry, labels.numpy(), strict=True)
        numbers, contours = zip(*(self._targets(*patch) for patch in patches), strict=True)
        n_objects = max(1, *map(len, contours))
        outlines = np.full((len(contours), n_objects, self.samples, 2), np.nan, np.float32)
        for row, points in zip(outlines, contours, strict=True):
            row[: len(points)] = points
        labels = torch.from_numpy(np.stack(numbers))
        batch = ContourBatch(images, labels, distance, torch.from_numpy(outlines))
        return self._adjusted(batch, drawn.photometry)

    def _targets(self, patch, geometry, labels):
        """Renumber the objects of a patch 1, 2, ..., and return their contours in it."""
        contours = self.contours[patch.sample]
        present = np.bincount(labels.ravel() + 1, minlength=len(contours) + 2)[2:] > 0
        numbers = np.concatenate([[-1, 0], np.cumsum(present) * present])[labels + 1]
        half = (np.array(self.shape) - 1) / 2
        middle = np.array(patch.center) - np.array(self.shape) // 2 + half
        moved = locate(contours[present] - middle, geometry, self.shape) + half
        centers, coefficients = fourier_descriptors(moved, ORDER)
        return numbers, contour_points(centers, coefficients, self.samples)
