"""Batches of proxies that are made on the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import numpy as np
import torch

from ..images import child_generator
from ..images.tensors import array_to_device
from ..proxies import (
    CropBatch,
    Proxy,
    disturb_batch,
    guard_batch,
    makes_batches,
    standardize_batch,
)
from ..training import DeviceBatches, prepares_batches
from ..training.devices import memory_format
from .batches import MAX_TRIES, ProxyBatch, ProxyBatches

_COARSE = 8  # pixels between those of which some differ in most regions that are not constant


class DeviceProxyBatches(ProxyBatches):
    """`ProxyBatches` whose patches are cut, and made into tasks, on the device, all at once.

    What is drawn has the distributions of `ProxyBatches`, but for regions whose middle is constant:
    another one is drawn whatever the magnification. Of images of several channels, only that of the
    patch is cut.

    Parameters
    ----------
    images, strata, magnifications, **options
        As for `ProxyBatches`; each proxy has a `make_batch`.
    """

    def __init__(
        self,
        images: list[np.ndarray],
        strata: list[np.ndarray],
        magnifications: np.ndarray | None,
        **options: Any,
    ):
        super().__init__(images, strata, magnifications, **options)
        self._held = DeviceBatches.hold(images, np.empty(0, np.float32), self.device)

    def __next__(self) -> ProxyBatch:
        """Return a `ProxyBatch`."""
        return self.draw()()

    def draw(self) -> Callable[[], ProxyBatch]:
        """Draw the next batch; return a function that makes it in any thread."""
        return partial(self._make, child_generator(self.rng))

    def _make(self, rng):
        crops, classes = self._crops(rng), {}
        for proxy in self.classifying:
            crops, classes[proxy.name] = proxy.make_batch(crops, rng)
        named = {
            name: array_to_device(np.asarray(target, np.int64), self.device)
            for name, target in classes.items()
        }
        patches = clean = self._guarded_batch(crops.middle(), rng)
        if self.guards and self.matches_scans:
            patches = disturb_batch(clean, rng)
        if not self.restoring:
            return ProxyBatch(self._laid_out(patches), named)
        weights: Any = torch.zeros_like(patches)
        crops = CropBatch(patches, self.shape, crops.channels)
        for proxy in self.restoring:
            crops, weight = cast(Any, proxy.make_batch(crops, rng))
            weights = torch.maximum(weights, weight)
        images, clean, weights = map(self._laid_out, (crops.images, clean, weights))
        return ProxyBatch(images, named, clean, weights)

    def _guarded_batch(self, patches, rng):
        if self.guards:
            return guard_batch(patches, rng, matches_scans=self.matches_scans)
        return standardize_batch(patches)

    def _laid_out(self, patches):
        return patches.contiguous(memory_format=memory_format(len(self.shape)))

    def _crops(self, rng):
        drawn = [self._varied_region(rng) for _ in range(self.batch_size)]
        indices, starts, channels = (np.array(each) for each in zip(*drawn, strict=True))
        images = self._held.cut(indices, starts, self.field, channels=channels).float()
        known = None if self.magnifications is None else self.magnifications[indices]
        return CropBatch(images, self.shape, channels, known, self.guards)

    def _varied_region(self, rng):
        """Draw a region, the middle of which is rarely constant: index, start and channel."""
        for _ in range(MAX_TRIES):
            index, start = self._region(rng)
            channel = int(rng.integers(self.images[index].shape[-1]))
            middle = [
                slice(first + (wide - side) // 2, first + (wide - side) // 2 + side)
                for first, wide, side in zip(start, self.field, self.shape, strict=True)
            ]
            if _varies(self.images[index][(*middle, channel)]):
                break
        return index, start, channel


def _varies(region):
    coarse = region[(slice(None, None, _COARSE),) * region.ndim]
    first = region.flat[0]
    return bool((coarse != first).any() or (region != first).any())


def proxy_batches_on(device: torch.device, proxies: Sequence[Proxy]) -> type[ProxyBatches]:
    """Return the class of batches for a device: without `make_batch` of a proxy, that of the CPU.

    Parameters
    ----------
    device : torch.device
    proxies : sequence of Proxy

    Returns
    -------
    type
        `DeviceProxyBatches` or `ProxyBatches`.
    """
    if prepares_batches(device) and all(map(makes_batches, proxies)):
        return DeviceProxyBatches
    return ProxyBatches
