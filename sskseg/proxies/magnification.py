"""Predict the magnification."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch.nn.functional as F

from ..images.tensors import array_to_device
from ._base import Crop, Proxy
from ._batches import CropBatch, restore_noise_batch
from ._guards import restore_noise, shrink


@dataclass
class Magnification(Proxy):
    """Predict the magnification of a patch.

    If the magnifications of scans are given, these are the classes. Otherwise scans are
    downsampled: the patch shows a field 1, 2 or 4 times as wide, and these factors are the classes.

    Parameters
    ----------
    factors : tuple of float, default=(1, 2, 4)
        Widths of the field if magnifications are not given; at least two, from 1 on.

    Raises
    ------
    ValueError
        For other factors.

    Notes
    -----
    Downsampling averages noise away and sharpens edges; scans of another magnification have other
    optics and another camera. That alone would distinguish the classes. So patches of all classes
    are blurred by the same Gaussians and get new noise (see `sskseg.proxies.guard`), downsampled
    ones first the noise that they have lost: what remains is the size of objects.
    """

    factors: tuple[float, ...] = (1.0, 2.0, 4.0)

    name = "magnification"
    matches_scans = True

    def __post_init__(self):
        if len(set(self.factors)) < 2 or min(self.factors) < 1:
            raise ValueError(
                f"factors must be two or more different numbers from 1 on, got {self.factors!r}."
            )
        self.field = float(max(self.factors))

    def prepare(self, n_channels: int, magnifications: np.ndarray | None) -> Self:
        """Return the proxy with its classes; no wider field if magnifications are given."""
        prepared = super().prepare(n_channels, magnifications)
        if magnifications is not None:
            prepared.field = 1.0
        return prepared

    def find_classes(self, n_channels: int, magnifications: np.ndarray | None) -> list[float]:
        """Return the given magnifications, or the factors."""
        if magnifications is None:
            return [float(factor) for factor in self.factors]
        found = np.unique(magnifications).tolist()
        if len(found) < 2:
            raise ValueError(
                f"The magnification proxy needs scans of two magnifications or more, got {found}; "
                "without any it downsamples the scans itself."
            )
        return found

    def make(self, crop: Crop, rng: np.random.Generator) -> tuple[Crop, int]:
        """Downsample the field, or keep the patch as it was scanned."""
        if crop.magnification is not None:
            return crop.with_image(crop.middle()), self.classes.index(crop.magnification)
        target = int(rng.integers(len(self.classes)))
        region = crop.middle(self.classes[target])
        patch = shrink(region, crop.shape)
        if crop.guards:
            patch = restore_noise(patch, region, rng)
        return crop.with_image(patch), target

    def make_batch(
        self, crops: CropBatch, rng: np.random.Generator
    ) -> tuple[CropBatch, np.ndarray]:
        """Downsample the field of each crop, or keep the patch as it was scanned."""
        if crops.magnifications is not None:
            known = [self.classes.index(magnification) for magnification in crops.magnifications]
            return crops.with_images(crops.middle()), np.array(known)
        targets = rng.integers(len(self.classes), size=len(crops.images))
        patches = crops.images.new_empty((len(targets), 1, *crops.shape))
        for target in np.unique(targets):
            index = array_to_device(np.flatnonzero(targets == target), patches.device)
            regions = crops.middle(self.classes[target]).index_select(0, index)
            shrunk = F.interpolate(regions, size=crops.shape, mode="area")
            if crops.guards:
                shrunk = restore_noise_batch(shrunk, regions, rng)
            patches.index_copy_(0, index, shrunk)
        return crops.with_images(patches), targets
