"""Batches and loss of proxies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import log
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from ..images import read_region
from ..nn import ProxyNetwork
from ..proxies import Crop, Proxy, disturb, guard
from ..training.devices import memory_format

MAX_TRIES = 8  # to draw a patch that is not constant


class ProxyBatch(NamedTuple):
    """Patches and the targets of proxies.

    Parameters
    ----------
    images : Tensor of shape (batch, 1, *patch)
    targets : dict of str to Tensor of shape (batch,)
        Classes of each proxy that has them.
    clean : Tensor of shape (batch, 1, *patch), or None
        Patches before a proxy damaged them, to restore.
    weights : Tensor of shape (batch, 1, *patch), or None
        Of pixels in the loss of restoring.
    """

    images: torch.Tensor
    targets: dict[str, torch.Tensor]
    clean: torch.Tensor | None = None
    weights: torch.Tensor | None = None


class ProxyBatches:
    """Endless iterator of `ProxyBatch`.

    Parameters
    ----------
    images : list of ndarray of shape (*spatial, n_channels)
        At least as large as the widest field of the proxies.
    strata : list of ndarray of int
        Indices of the images of each domain (and known magnification); strata are drawn equally
        often.
    magnifications : ndarray of shape (n_samples,), or None
        Known magnifications.
    proxies : list of Proxy
        Proxies, as `Proxy.prepare` returns them.
    patch_shape : tuple of int
    guards : bool
        Whether shortcuts are removed; patches are standardized in any case.
    batch_size : int
    rng : numpy.random.Generator
    device : torch.device
    """

    def __init__(
        self,
        images: list[np.ndarray],
        strata: list[np.ndarray],
        magnifications: np.ndarray | None,
        *,
        proxies: Sequence[Proxy],
        patch_shape: Sequence[int],
        guards: bool,
        batch_size: int,
        rng: np.random.Generator,
        device: torch.device,
    ):
        self.images, self.strata, self.magnifications = images, strata, magnifications
        self.classifying = [proxy for proxy in proxies if not proxy.restores]
        self.restoring = [proxy for proxy in proxies if proxy.restores]
        self.matches_scans = any(proxy.matches_scans for proxy in proxies)
        self.shape, self.guards = tuple(patch_shape), guards
        self.field = field_shape(proxies, patch_shape)
        self.batch_size, self.rng, self.device = batch_size, rng, device

    def __iter__(self) -> Iterator[ProxyBatch]:
        return self

    def __next__(self) -> ProxyBatch:
        """Return a `ProxyBatch`."""
        images, classes, clean, weights = zip(
            *(self._example() for _ in range(self.batch_size)), strict=True
        )
        columns = torch.from_numpy(np.array(classes, np.int64).T).to(self.device)
        targets = {p.name: column for p, column in zip(self.classifying, columns, strict=True)}
        if not self.restoring:
            return ProxyBatch(self._tensor(images), targets)
        return ProxyBatch(self._tensor(images), targets, self._tensor(clean), self._tensor(weights))

    def _tensor(self, patches):
        batch = torch.from_numpy(np.stack(patches)[:, None]).to(self.device)
        return batch.contiguous(memory_format=memory_format(len(self.shape)))

    def _example(self):
        """Return a patch, its classes, the patch before damage, and weights of pixels."""
        if any(proxy.draws for proxy in self.restoring):
            return self._drawn_example(*self.restoring)
        patch, classes = self._varied_patch()
        patch, clean = self._guarded(patch)
        weights = np.zeros(self.shape, np.float32)
        for proxy in self.restoring:
            damaged, weight = proxy.make(Crop(patch[None], self.shape), self.rng)
            patch, weights = damaged.image[0], np.maximum(weights, weight)
        return patch, classes, clean, weights

    def _drawn_example(self, proxy):
        """As `_example`; in the place of the patch before damage, what to predict."""
        crop, target = proxy.make(Crop(np.empty((1, 0), np.float32), self.shape), self.rng)
        return self._guarded(crop.image[0])[0], [], target, np.ones(self.shape, np.float32)

    def _guarded(self, patch):
        """Return a standardized patch, with and without disturbance."""
        if not self.guards:
            patch = (patch - patch.mean()) / (patch.std() + np.float32(1e-8))
            return patch, patch
        clean = guard(patch, self.rng, matches_scans=self.matches_scans)
        return (disturb(clean, self.rng) if self.matches_scans else clean), clean

    def _varied_patch(self):
        """Return a patch, which is rarely constant, and its classes."""
        for _ in range(MAX_TRIES):
            crop, classes = self._crop(), []
            for proxy in self.classifying:
                crop, target = proxy.make(crop, self.rng)
                classes.append(target)
            patch = crop.middle()[self.rng.integers(len(crop.image))]
            if np.ptp(patch) > 0:
                break
        return patch, classes

    def _region(self, rng):
        """Draw an image and the first pixel of a region in it."""
        indices = self.strata[rng.integers(len(self.strata))]
        index = indices[rng.integers(len(indices))]
        sizes = self.images[index].shape[:-1]
        start = [
            int(rng.integers(size - side + 1)) for size, side in zip(sizes, self.field, strict=True)
        ]
        return index, start

    def _crop(self):
        index, start = self._region(self.rng)
        region = read_region(self.images[index], start, self.field)
        region = np.moveaxis(region, -1, 0).astype(np.float32)
        known = None if self.magnifications is None else float(self.magnifications[index])
        return Crop(region, self.shape, known, self.guards)


def field_shape(proxies: Sequence[Proxy], patch_shape: Sequence[int]) -> tuple[int, ...]:
    """Return the size of the region that the widest proxy makes a patch from."""
    widest = max(proxy.field for proxy in proxies)
    return tuple(round(widest * side) for side in patch_shape)


def proxy_loss(network: ProxyNetwork, batch: ProxyBatch, progress: float) -> torch.Tensor:
    """Compute the mean loss of the proxies, each of which is about 1 for a random guess.

    Cross-entropy in units of that of a random guess, and the squared error of pixels of unit
    variance.

    Parameters
    ----------
    network : ProxyNetwork
    batch : ProxyBatch
    progress : float
        Ignored.

    Returns
    -------
    Tensor
        A scalar.
    """
    logits, restored = network(batch.images, restores=batch.clean is not None)
    losses = [
        F.cross_entropy(logits[name].float(), target) / log(logits[name].shape[1])
        for name, target in batch.targets.items()
    ]
    if batch.clean is not None and batch.weights is not None:
        error = (restored.float() - batch.clean) ** 2
        losses.append((batch.weights * error).sum() / batch.weights.sum())
    return sum(losses[1:], losses[0]) / len(losses)
