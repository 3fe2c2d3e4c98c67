"""Sampling of training patches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_MAX_PIXELS = 200_000  # that are candidates of an image; more would only cost memory


@dataclass(frozen=True)
class Patch:
    """Place of a patch in a list of images.

    Parameters
    ----------
    sample : int
        Index of the image.
    center : tuple of int
        Center pixel of the patch.
    """

    sample: int
    center: tuple[int, ...]


class PatchSampler:
    """Sample patches that hold labeled pixels.

    Parameters
    ----------
    labels : list of ndarray of shape (*spatial)
        -1 unlabeled, 0 background, > 0 foreground.
    patch_shape : tuple of int
    foreground_fraction : float in [0, 1], default=0.5
        Fraction of the patches that hold a foreground pixel; the others hold any labeled pixel.
    weights : ndarray of shape (n_samples,), optional
        An image of weight 2 is drawn twice as often as one of weight 1, and one of weight 0 never.

    Raises
    ------
    ValueError
        If no labeled image has a positive weight.
    """

    def __init__(
        self,
        labels: Sequence[np.ndarray],
        patch_shape: Sequence[int],
        *,
        foreground_fraction: float = 0.5,
        weights: np.ndarray | None = None,
    ):
        self.patch_shape = tuple(patch_shape)
        self.foreground_fraction = foreground_fraction
        self._shapes = [label.shape for label in labels]
        self._labeled = [_Pixels(label >= 0) for label in labels]
        self._foreground = [_Pixels(label > 0) for label in labels]
        self.n_labeled = np.array([np.count_nonzero(x >= 0) for x in labels], dtype=float)
        self.set_weights(np.ones(len(labels)) if weights is None else weights)

    def set_weights(self, weights: np.ndarray) -> None:
        """Change how often each image is drawn from now on.

        Parameters
        ----------
        weights : ndarray of shape (n_samples,)
            See the class.

        Raises
        ------
        ValueError
            If no labeled image has a positive weight.
        """
        size = self.n_labeled * weights
        if not size.sum() > 0:
            raise ValueError("No labeled image has a positive sample_weight.")
        self._labeled_share = self._foreground_share = size / size.sum()
        size *= [pixels.size > 0 for pixels in self._foreground]
        if size.any():
            self._foreground_share = size / size.sum()

    def draw(self, rng: np.random.Generator, n: int) -> list[Patch]:
        """Draw `n` patches."""
        patches = []
        for in_foreground in rng.random(n) < self.foreground_fraction:
            share = self._foreground_share if in_foreground else self._labeled_share
            sample = rng.choice(len(share), p=share)
            pixels = self._foreground[sample] if in_foreground else self._labeled[sample]
            pixels = pixels if pixels.size else self._labeled[sample]
            shape = self._shapes[sample]
            pixel = np.unravel_index(pixels[rng.integers(pixels.size)], shape)
            patches.append(Patch(int(sample), self._place(rng, pixel, shape)))
        return patches

    def _place(self, rng, pixel, shape):
        """Draw the center of a patch that holds `pixel`, inside of the image if it fits."""
        center = []
        for at, size, side in zip(pixel, shape, self.patch_shape, strict=True):
            start = int(at) - int(rng.integers(side))
            slack = size - side
            start = min(max(start, 0), slack) if slack >= 0 else slack // 2
            center.append(start + side // 2)
        return tuple(center)


class _Pixels:
    """Flat indices of every so many-th pixel of a mask, in order.

    Of a mask that is almost full, as pseudo-labels are, the pixels outside are held.

    Parameters
    ----------
    mask : ndarray of bool
    """

    def __init__(self, mask: np.ndarray):
        n = int(np.count_nonzero(mask))
        self.step = max(1, -(-n // _MAX_PIXELS))
        self.size = -(-n // self.step)
        self.is_almost_full = mask.size - n < self.size
        dtype = np.int32 if mask.size < 2**31 else np.int64
        if self.is_almost_full:
            outside = np.flatnonzero(~mask)
            # How many pixels of the mask come before each.
            self.indices = (outside - np.arange(outside.size)).astype(dtype)
        else:
            self.indices = np.flatnonzero(mask)[:: self.step].astype(dtype)

    def __getitem__(self, k: Any) -> int:
        if not self.is_almost_full:
            return int(self.indices[k])
        rank = int(k) * self.step
        return rank + int(np.searchsorted(self.indices, rank, side="right"))


def read_region(
    array: np.ndarray,
    start: Sequence[int],
    shape: Sequence[int],
    *,
    outside: float | str = "reflect",
) -> np.ndarray:
    """Read a box that may extend beyond the array.

    Parameters
    ----------
    array : ndarray of shape (*spatial, ...)
        The box covers the first ``len(shape)`` axes.
    start, shape : tuple of int
        First pixel (may be negative) and size of the box.
    outside : "reflect" or a number
        Values outside of the array: its mirror image, or a constant.

    Returns
    -------
    ndarray of shape (*shape, ...)
        A view if the box lies inside, else a copy.
    """
    stop = [a + s for a, s in zip(start, shape, strict=True)]
    inside = all(a >= 0 and b <= n for a, b, n in zip(start, stop, array.shape, strict=False))
    if inside:
        return array[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]
    indices = [np.arange(a, b) for a, b in zip(start, stop, strict=True)]
    result = array[np.ix_(*map(reflect, indices, array.shape))]
    if outside != "reflect":
        for axis, (index, size) in enumerate(zip(indices, array.shape, strict=False)):
            np.moveaxis(result, axis, 0)[(index < 0) | (index >= size)] = outside
    return result


def reflect(index: np.ndarray, size: int | np.ndarray) -> np.ndarray:
    """Mirror indices into [0, size) without repeating the edge pixel (numpy's "reflect").

    Parameters
    ----------
    index : ndarray of int
    size : int or ndarray of int
        At least 1; its shape is that of `index`, or broadcast to it.

    Returns
    -------
    ndarray of int
    """
    period = np.maximum(2 * (np.asarray(size) - 1), 1)
    index = np.abs(index) % period
    return np.where(index < size, index, period - index)
