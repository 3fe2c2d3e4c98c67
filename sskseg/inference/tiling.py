"""Whole-image inference by overlapping tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby, product

import numpy as np
import torch

from ..nn import predict_part
from ..training.devices import memory_format
from ..training.global_state import own_defaults
from ..training.prediction_callbacks import advance_prediction

Box = tuple[slice, ...]


@dataclass(frozen=True)
class TileSettings:
    """How to cut an image into tiles.

    Parameters
    ----------
    tile : tuple of int
        Largest input of the network, pixels.
    halo : tuple of int
        Pixels that a tile reads beyond the part that it writes. If they cover the receptive field
        of the network, the result is that of the whole image.
    stride : tuple of int
        Tiles start at multiples of this.
    batch_pixels : int, default=2**20
        Tiles of one size are batched up to so many pixels.
    """

    tile: tuple[int, ...]
    halo: tuple[int, ...]
    stride: tuple[int, ...]
    batch_pixels: int = 2**20


@dataclass(frozen=True)
class Tile:
    """A part of an image: what is read, and what of it is written."""

    read: Box
    write: Box

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the part that is read."""
        return tuple(part.stop - part.start for part in self.read)

    @property
    def inner(self) -> Box:
        """The written part, as slices of the read part."""
        return _relative(self.write, self.read)

    def within(self, part: Box) -> Tile | None:
        """Return the tile that writes a part of the image alone; None if it writes nothing."""
        pairs = list(zip(self.write, part, strict=True))
        write = tuple(slice(max(w.start, p.start), min(w.stop, p.stop)) for w, p in pairs)
        return Tile(self.read, write) if all(w.start < w.stop for w in write) else None


def plan_tiles(shape: tuple[int, ...], settings: TileSettings) -> list[Tile]:
    """Cut an image into tiles whose written parts cover it exactly once.

    Parameters
    ----------
    shape : tuple of int
    settings : TileSettings

    Returns
    -------
    list of Tile
    """
    axes = [
        _plan_axis(size, tile, halo, stride)
        for size, tile, halo, stride in zip(
            shape, settings.tile, settings.halo, settings.stride, strict=True
        )
    ]
    return [Tile(*zip(*parts, strict=True)) for parts in product(*axes)]


def _plan_axis(size, tile, halo, stride):
    core = core_size(size, tile, halo, stride)
    starts = list(range(0, size, core))
    if len(starts) > 1 and size - starts[-1] < halo:
        starts.pop()  # a sliver is left to the tile before it
    stops = [*starts[1:], size]
    halo = round_up(halo, stride)
    return [
        (slice(max(0, a - halo), min(size, b + halo)), slice(a, b))
        for a, b in zip(starts, stops, strict=True)
    ]


def core_size(size: int, tile: int, halo: int, stride: int) -> int:
    """Return the pixels along an axis that a tile writes; the whole axis if it fits in one tile.

    Depends on its arguments only, so that an array that is cut elsewhere (in dask blocks, say) is
    cut alike.
    """
    if size <= tile:
        return size
    return max(stride, (tile - 2 * round_up(halo, stride)) // stride * stride)


def round_up(number: int, step: int) -> int:
    """Return the next multiple of `step`."""
    return -(-number // step) * step


def predict_images(
    forward: Callable[[torch.Tensor], torch.Tensor],
    images: Iterable,
    settings: TileSettings,
    *,
    device: torch.device,
    dtype: torch.dtype,
    part: Box | None = None,
) -> Iterator[np.ndarray]:
    """Run a network over whole images.

    Parameters
    ----------
    forward : callable
        Maps (batch, n_channels, *tile) to (batch, n_outputs, *tile), a floating tensor. It may
        have a method `predict_part`, see `sskseg.nn.predict_part`.
    images : iterable of ndarray of shape (n_channels, *spatial), float32 or tensors
    settings : TileSettings
    device : torch.device
    dtype : torch.dtype
        Of the inputs of `forward`.
    part : tuple of slice, default=None
        Of the images, which is all that is predicted; None is the whole.

    Yields
    ------
    ndarray of shape (n_outputs, *part), float32

    Notes
    -----
    Where the GPU has too little memory, batches and then tiles are halved; with a halo that covers
    the receptive field of the network, the result is the same.
    """
    for _, group in groupby(images, key=lambda image: tuple(image.shape[1:])):
        for batch in _batched(group, settings):
            yield from _predict_or_shrink(forward, batch, settings, device, dtype, part)


def _predict_or_shrink(forward, images, settings, device, dtype, part):
    try:
        return _predict_batch(forward, images, settings, device, dtype, part)
    except torch.OutOfMemoryError:
        settings = _smaller(settings, images[0].shape[1:])
    results = []  # outside of the handler, whose traceback would keep the failed tensors alive
    for batch in _batched(iter(images), settings):
        results += _predict_or_shrink(forward, batch, settings, device, dtype, part)
    return results


def _batched(images: Iterator, settings):
    """Lists of images to predict at once: several only where one tile is enough."""
    batch = []
    for image in images:
        shape = image.shape[1:]
        whole = all(size <= tile for size, tile in zip(shape, settings.tile, strict=True))
        most = max(1, settings.batch_pixels // int(np.prod(shape))) if whole else 1
        batch.append(image)
        if len(batch) >= most:
            yield batch
            batch = []
    if batch:
        yield batch


def _smaller(settings, shape):
    """Settings that need about half the memory; an error if there are none."""
    tile = tuple(min(t, s) for t, s in zip(settings.tile, shape, strict=True))
    pixels = int(np.prod(tile))
    if settings.batch_pixels > pixels:
        return replace(settings, batch_pixels=max(pixels, settings.batch_pixels // 2))
    longest = int(np.argmax(tile))
    stride, halo = settings.stride[longest], settings.halo[longest]
    half = -(-tile[longest] // (2 * stride)) * stride
    if half >= tile[longest] or half <= 2 * halo:
        raise torch.OutOfMemoryError(
            f"Out of memory even in tiles of {tile} pixels; the network reads {settings.halo} "
            "pixels around them, so that smaller tiles would change the result. Use a smaller "
            "network or the CPU."
        )
    tile = (*tile[:longest], half, *tile[longest + 1 :])
    return replace(settings, tile=tile, batch_pixels=int(np.prod(tile)))


def _predict_batch(forward, images, settings, device, dtype, part):
    with own_defaults(), torch.inference_mode():
        return _predict_tiles(forward, images, settings, device, dtype, part)


def _predict_tiles(forward, images, settings, device, dtype, part):
    shape = tuple(images[0].shape[1:])
    part = tuple(map(slice, [0] * len(shape), shape)) if part is None else part
    tiles = [tile for tile in (t.within(part) for t in plan_tiles(shape, settings)) if tile]
    output = np.empty(0)
    for tile in tiles:
        region = (slice(None), *tile.read)
        parts = [torch.as_tensor(image[region]) for image in images]
        inputs = torch.stack(parts) if len(parts) > 1 else parts[0].unsqueeze(0)
        inputs = inputs.to(device, dtype).contiguous(memory_format=memory_format(len(shape)))
        result = predict_part(forward, inputs, tile.inner).float().cpu().numpy()
        advance_prediction(len(images) / len(tiles))
        if len(tiles) == 1:
            return list(result)
        if not output.size:
            sides = [p.stop - p.start for p in part]
            output = np.zeros((len(images), result.shape[1], *sides), np.float32)
        output[(slice(None), slice(None), *_relative(tile.write, part))] = result
    return list(output)


def _relative(box, whole):
    """A box, counted from the start of another one."""
    pairs = zip(box, whole, strict=True)
    return tuple(slice(b.start - w.start, b.stop - w.start) for b, w in pairs)
