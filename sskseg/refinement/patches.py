"""Patches of real and of simulated images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from ..simulation import label_conditioning

_MIN_SIDE = {2: 48, 3: 24}  # pixels of a patch
_DEFAULT_SIDE = {2: 128, 3: 32}


class SimulatedPool:
    """Simulated images with the conditioning of their labels."""

    def __init__(self, X, y):
        self.X, self.y = np.asarray(X, np.float32), np.asarray(y)
        self.conditioning = np.stack([label_conditioning(label) for label in self.y])

    def batches(self, shape, size, rng, device):
        """Yield endless (images, conditioning), flipped and turned."""
        both = np.concatenate([self.X[:, None], self.conditioning], axis=1)
        while True:
            indices = rng.integers(len(both), size=size)
            crops = np.stack([random_crop(both[i], shape, rng) for i in indices])
            batch = torch.from_numpy(crops).to(device)
            yield batch[:, :1], batch[:, 1:]


def random_patches(
    images: Sequence[np.ndarray], shape: tuple[int, ...], rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Yield endless patches, flipped and turned."""
    while True:
        yield random_crop(images[int(rng.integers(len(images)))], shape, rng)


def random_crop(array: np.ndarray, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Cut a patch of the last axes from anywhere, flipped and turned in the last two."""
    ndim = len(shape)
    sizes = zip(array.shape[-ndim:], shape, strict=True)
    start = [int(rng.integers(n - s + 1)) for n, s in sizes]
    inside: Any = (..., *(slice(a, a + s) for a, s in zip(start, shape, strict=True)))
    array = array[inside]
    array = np.rot90(array, int(rng.integers(4)), axes=(-2, -1))
    array = np.flip(
        array, tuple(axis for axis in range(-ndim, 0) if axis != -2 and rng.random() < 0.5)
    )
    return np.ascontiguousarray(array)


def batched(patches: Iterator[np.ndarray], size: int, device: Any) -> Iterator[torch.Tensor]:
    """Yield batches (size, 1, *patch)."""
    while True:
        batch = np.stack([next(patches) for _ in range(size)])[:, None]
        yield torch.from_numpy(batch).to(device)


def patch_shape(images: Sequence[np.ndarray], patch_size: Any, ndim: int) -> tuple[int, ...]:
    """Return the shape of training patches.

    Parameters
    ----------
    images : sequence of ndarray of shape (*spatial)
    patch_size : int or "auto"
    ndim : {2, 3}

    Returns
    -------
    tuple of int

    Raises
    ------
    ValueError
        For a size, or images, that are too small.
    """
    sizes = [min(image.shape) for image in images]
    least, usual = _MIN_SIDE[ndim], _DEFAULT_SIDE[ndim]
    side = min(usual, *sizes) if patch_size == "auto" else int(patch_size)
    if patch_size != "auto" and side < least:
        raise ValueError(f"patch_size must be at least {least} in {ndim} dimensions, got {side}.")
    least, smallest = max(side, least), int(np.argmin(sizes))
    if sizes[smallest] < least:
        raise ValueError(
            f"X[{smallest}] must be at least {least} pixels wide, got shape "
            f"{images[smallest].shape}."
        )
    return (side,) * ndim
