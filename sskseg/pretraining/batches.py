"""Batches and loss of proxy tasks."""

from math import log
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from ..images import read_region
from ..proxies import Crop, disturb, guard
from ..training.devices import memory_format

_TRIES = 8  # to find a patch that is not constant


class ProxyBatch(NamedTuple):
    """Patches and what is asked about them.

    Parameters
    ----------
    images : Tensor of shape (batch, 1, *patch)
    targets : dict of str to Tensor of shape (batch,)
        Classes.
    clean : Tensor of shape (batch, 1, *patch), or None
        What is to be restored.
    weights : Tensor of shape (batch, 1, *patch), or None
    """

    images: torch.Tensor
    targets: dict
    clean: torch.Tensor | None = None
    weights: torch.Tensor | None = None


class ProxyBatches:
    """Endless iterator of `ProxyBatch`.

    Parameters
    ----------
    images : list of ndarray of shape (*spatial, n_channels)
        At least as large as the widest field of the proxies.
    strata : list of ndarray of int
        Rows of each domain (and known magnification), which are drawn equally often.
    magnifications : ndarray of shape (n_samples,), or None
        Where they are known.
    proxies : list of Proxy
        As `Proxy.prepare` returns them.
    patch_shape : tuple of int
    guards : bool
        Whether shortcuts are guarded against; patches are standardized at any rate.
    batch_size : int
    rng : numpy.random.Generator
    device : torch.device
    """

    def __init__(
        self, images, strata, magnifications, *, proxies, patch_shape, guards, batch_size, rng,
        device,
    ):  # fmt: skip
        self.images, self.strata, self.magnifications = images, strata, magnifications
        self.predicting = [proxy for proxy in proxies if not proxy.restores]
        self.restoring = [proxy for proxy in proxies if proxy.restores]
        self.matches_scans = any(proxy.matches_scans for proxy in proxies)
        self.shape, self.guards = tuple(patch_shape), guards
        self.field = field_shape(proxies, patch_shape)
        self.batch_size, self.rng, self.device = batch_size, rng, device

    def __iter__(self):
        return self

    def __next__(self):
        images, classes, clean, weights = zip(
            *(self._task() for _ in range(self.batch_size)), strict=True
        )
        classes = torch.from_numpy(np.array(classes, np.int64).T).to(self.device)
        targets = {p.name: column for p, column in zip(self.predicting, classes, strict=True)}
        if not self.restoring:
            return ProxyBatch(self._tensor(images), targets)
        return ProxyBatch(self._tensor(images), targets, self._tensor(clean), self._tensor(weights))

    def _tensor(self, patches):
        batch = torch.from_numpy(np.stack(patches)[:, None]).to(self.device)
        return batch.contiguous(memory_format=memory_format(len(self.shape)))

    def _task(self):
        """Patch, classes, what it was before it was damaged, and where that counts."""
        for _ in range(_TRIES):
            crop, classes = self._crop(), []
            for proxy in self.predicting:
                crop, target = proxy.make(crop, self.rng)
                classes.append(target)
            patch = crop.middle()[self.rng.integers(len(crop.image))]
            if np.ptp(patch) > 0:
                break
        if self.guards:
            clean = guard(patch, self.rng, matches_scans=self.matches_scans)
            patch = disturb(clean, self.rng) if self.matches_scans else clean
        else:
            patch = clean = (patch - patch.mean()) / (patch.std() + np.float32(1e-8))
        weights = np.zeros(self.shape, np.float32)
        for proxy in self.restoring:
            damaged, weight = proxy.make(Crop(patch[None], self.shape), self.rng)
            patch, weights = damaged.image[0], np.maximum(weights, weight)
        return patch, classes, clean, weights

    def _crop(self):
        rows = self.strata[self.rng.integers(len(self.strata))]
        row = rows[self.rng.integers(len(rows))]
        image = self.images[row]
        start = [
            int(self.rng.integers(size - side + 1))
            for size, side in zip(image.shape[:-1], self.field, strict=True)
        ]
        region = np.moveaxis(read_region(image, start, self.field), -1, 0).astype(np.float32)
        known = None if self.magnifications is None else float(self.magnifications[row])
        return Crop(region, self.shape, known, self.guards)


def field_shape(proxies, patch_shape):
    """Size of the region that patches are made of."""
    widest = max(proxy.field for proxy in proxies)
    return tuple(round(widest * side) for side in patch_shape)


def proxy_loss(network, batch, progress):
    """Mean over proxies of their losses, each of which is about 1 for a guess.

    Cross-entropy in units of that of a guess; and the squared error of pixels of unit variance.

    Parameters
    ----------
    network : ProxyNetwork
    batch : ProxyBatch
    progress : float
        Not used.

    Returns
    -------
    Tensor
        A scalar.
    """
    logits, restored = network(batch.images, restores=batch.clean is not None)
    losses = [F.cross_entropy(logits[name].float(), target) / log(logits[name].shape[1])
              for name, target in batch.targets.items()]  # fmt: skip
    if batch.clean is not None:
        error = (restored.float() - batch.clean) ** 2
        losses.append((batch.weights * error).sum() / batch.weights.sum())
    return sum(losses) / len(losses)
