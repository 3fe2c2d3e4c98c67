"""Patches of real and of simulated images."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from ..images import child_generator
from ..images.augmentation import turn_batch
from ..simulation import label_conditioning
from ..training import hold_arrays, prepares_batches

_MIN_SIDE = {2: 48, 3: 24}  # pixels of a patch
_DEFAULT_SIDE = {2: 128, 3: 32}
_HELD_OUT = 0.25  # share of real and of simulated images that no network is trained on


class SimulatedPool:
    """Simulated images with the conditioning of their labels."""

    def __init__(self, X, y):
        self.X, self.y = np.asarray(X, np.float32), np.asarray(y)
        self.conditioning = np.stack([label_conditioning(label) for label in self.y])

    def batches(self, shape, size, rng, device):
        """Return endless batches of images with their conditioning, (size, 4, *shape), flipped and
        turned."""
        both = np.concatenate([self.X[:, None], self.conditioning], axis=1)
        if prepares_batches(device):
            return TurnedPatches(list(np.moveaxis(both, 1, -1)), shape, size, rng, device)
        return self._batches(both, shape, size, rng, device)

    @staticmethod
    def _batches(both, shape, size, rng, device):
        while True:
            indices = rng.integers(len(both), size=size)
            crops = np.stack([random_crop(both[i], shape, rng) for i in indices])
            yield torch.from_numpy(crops).to(device)


def simulated_pools(X: Any, y: Any) -> tuple[SimulatedPool, SimulatedPool]:
    """Split simulated images and labels into those to train on and those to evaluate on."""
    n = round(_HELD_OUT * len(X))
    return SimulatedPool(X[n:], y[n:]), SimulatedPool(X[:n], y[:n])


def hold_out(
    images: Sequence[np.ndarray], shape: tuple[int, ...], rng: np.random.Generator
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Split images, or the only one, into a part to train on and a part to evaluate on.

    Parameters
    ----------
    images : sequence of ndarray of shape (*spatial)
    shape : tuple of int
        Of the patches that both parts hold.
    rng : numpy.random.Generator

    Returns
    -------
    training, held_out : list of ndarray

    Warns
    -----
    UserWarning
        If the only image is too small to be split: both are this image.
    """
    if len(images) > 1:
        order, n = rng.permutation(len(images)), max(1, round(_HELD_OUT * len(images)))
        return [images[i] for i in order[n:]], [images[i] for i in order[:n]]
    (image,) = images
    axis = int(np.argmax(np.subtract(image.shape, shape)))
    size, side = image.shape[axis], shape[axis]
    if size < 2 * side:
        warnings.warn(
            f"X holds one image, of shape {image.shape}, which is too small to hold out a part of "
            f"{side} pixels: realism is measured on what the refiner was trained on, and too high.",
            stacklevel=3,
        )
        return [image], [image]
    training, held_out = np.split(image, [size - max(side, round(_HELD_OUT * size))], axis)
    return [training], [held_out]


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


def real_batches(
    images: Sequence[np.ndarray],
    shape: tuple[int, ...],
    size: int,
    rng: np.random.Generator,
    device: torch.device,
) -> Iterator[torch.Tensor]:
    """Return endless batches of patches (size, 1, *shape), flipped and turned.

    Parameters
    ----------
    images : sequence of ndarray of shape (*spatial)
    shape : tuple of int
    size : int
    rng : numpy.random.Generator
    device : torch.device
    """
    if prepares_batches(device):
        return TurnedPatches(images, shape, size, rng, device)
    return batched(random_patches(images, shape, rng), size, device)


def batched(patches: Iterator[np.ndarray], size: int, device: Any) -> Iterator[torch.Tensor]:
    """Yield batches (size, 1, *patch)."""
    while True:
        batch = np.stack([next(patches) for _ in range(size)])[:, None]
        yield torch.from_numpy(batch).to(device)


class TurnedPatches:
    """Endless iterator of patches that are cut, flipped and turned on a device, all at once.

    Parameters
    ----------
    images : sequence of ndarray of shape (*spatial) or (*spatial, n_channels), float32
    shape : tuple of int
        Of the patches; the last two sides are equal.
    size : int
        Patches of a batch.
    rng : numpy.random.Generator
        Draws a seed, so that batches can be made in threads.
    device : torch.device
    """

    def __init__(
        self,
        images: Sequence[np.ndarray],
        shape: tuple[int, ...],
        size: int,
        rng: np.random.Generator,
        device: torch.device,
    ):
        self._images = hold_arrays(images, device, np.float32)
        self._slack = np.array([image.shape[: len(shape)] for image in images]) - shape
        self._shape, self._size, self._rng = shape, size, child_generator(rng)

    def __iter__(self) -> Iterator[torch.Tensor]:
        return self

    def __next__(self) -> torch.Tensor:
        """Return patches (size, n_channels, *shape)."""
        return self.draw()()

    def draw(self) -> Callable[[], torch.Tensor]:
        """Draw the next batch; return a function that makes it in any thread."""
        rng, ndim = self._rng, len(self._shape)
        indices = rng.integers(len(self._images), size=self._size)
        starts = rng.integers(self._slack[indices].astype(int) + 1)
        turns, flips = rng.integers(4, size=self._size), rng.random((self._size, ndim)) < 0.5
        flips[:, -2] = False  # half a turn, and a flip of the other side
        return partial(self._make, indices, starts, turns, flips)

    def _make(self, indices, starts, turns, flips):
        return turn_batch(self._images.cut(indices, starts, self._shape), turns, flips)


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
