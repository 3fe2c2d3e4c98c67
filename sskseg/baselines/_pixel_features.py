"""Multiscale features of pixels, tile by tile."""

from __future__ import annotations

import hashlib

import numpy as np

from ..inference.tiling import Tile, TileSettings, plan_tiles

# Side of the part of a tile that is kept, in pixels, by the number of spatial axes.
TILE_CORES = {2: 512, 3: 256}


def feature_tiles(shape: tuple[int, ...], sigma_max: float) -> list[Tile]:
    """Cut an image into tiles whose features are those of the whole image, to the bit.

    Parameters
    ----------
    shape : tuple of int
    sigma_max : float

    Returns
    -------
    list of Tile
    """
    halo = int(4 * sigma_max + 0.5) + 2  # of the Gaussian, and of two gradients
    side, ndim = TILE_CORES[len(shape)] + 2 * halo, len(shape)
    return plan_tiles(shape, TileSettings((side,) * ndim, (halo,) * ndim, (1,) * ndim))


def tiles_in_region(
    shape: tuple[int, ...], sigma_max: float, region: tuple[slice, ...]
) -> list[Tile]:
    """Return the tiles that a region meets, the nearest to its center first."""
    tiles = [
        tile for tile in feature_tiles(shape, sigma_max)
        if all(w.start < r.stop and r.start < w.stop for w, r in zip(tile.write, region))
    ]  # fmt: skip

    def distance(tile):
        sides = zip(tile.write, region)
        return sum((w.start + w.stop - r.start - r.stop) ** 2 for w, r in sides)

    return sorted(tiles, key=distance)


def written_shape(tile: Tile) -> tuple[int, ...]:
    """Return the shape of the part that a tile writes."""
    return tuple(part.stop - part.start for part in tile.write)


def pixels_of_image(tile: Tile, shape: tuple[int, ...]) -> np.ndarray:
    """Return the flat indices, in the image, of the pixels that a tile writes."""
    places = np.ogrid[tile.write]
    return np.ravel_multi_index(np.broadcast_arrays(*places), shape).ravel()


def pixels_in_tile(
    pixels: np.ndarray, shape: tuple[int, ...], tile: Tile
) -> tuple[np.ndarray, np.ndarray]:
    """Return which pixels of an image a tile writes, and their flat indices in that part."""
    places = np.unravel_index(pixels, shape)
    inside = np.all([(p >= w.start) & (p < w.stop) for p, w in zip(places, tile.write)], axis=0)
    in_tile = [place[inside] - part.start for place, part in zip(places, tile.write)]
    return inside, np.ravel_multi_index(in_tile, written_shape(tile))


class TileFeatures:
    """Compute features, and keep the last ones in memory.

    Parameters
    ----------
    sigma_min, sigma_max : float
        Smallest and largest scale, pixels.
    size : int
        Number of tiles that are kept.
    """

    def __init__(self, sigma_min: float, sigma_max: float, size: int):
        self.sigma_min, self.sigma_max, self.size = sigma_min, sigma_max, size
        self.kept: dict[tuple, np.ndarray] = {}

    def __call__(self, image: np.ndarray, tile: Tile) -> np.ndarray:
        """Return the features of the pixels that a tile writes.

        Parameters
        ----------
        image : ndarray of shape (*spatial, n_channels)
        tile : Tile

        Returns
        -------
        features : ndarray of float32, shape (n_pixels, n_features)
        """
        crop = image[tile.read]
        if not self.size:
            return self._compute(crop, tile.inner)
        content = hashlib.blake2b(np.ascontiguousarray(crop).data).digest()
        inner = tuple((part.start, part.stop) for part in tile.inner)
        key = (content, crop.shape, crop.dtype.str, inner)
        features = self.kept.pop(key, None)
        if features is None:
            features = self._compute(crop, tile.inner)
        self.kept[key] = features  # the last one is the newest
        while len(self.kept) > self.size:
            del self.kept[next(iter(self.kept))]
        return features

    def _compute(self, crop, inner):
        from skimage.feature import multiscale_basic_features

        features = multiscale_basic_features(
            crop.astype(np.float32), sigma_min=self.sigma_min, sigma_max=self.sigma_max,
            channel_axis=-1,
        )  # fmt: skip
        return np.ascontiguousarray(features[inner]).reshape(-1, features.shape[-1])
