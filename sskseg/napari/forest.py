"""Fast answers for what is in view: a random forest on tiles."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..baselines import PixelForest

_HALO = 32  # pixels that a feature reads beyond its own, about: four times the largest scale
_Tile = tuple[slice, slice]


class ForestView:
    """Classify the pixels in view by a forest that is trained on all that is painted.

    Features of a tile stay in memory, so that a stroke costs a fit and a prediction, whatever the
    size of the image. Tiles overlap by what features read, so that there are no seams.

    Parameters
    ----------
    n_estimators : int, default=30
    tile : int, default=512
        Side of a tile, pixels.
    cache_size : int, default=16
        Tiles whose features stay in memory: 20 MB each with one channel.
    random_state : int, RandomState, Generator or None, default=0

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.datasets import make_cells
    >>> from sskseg.napari import ForestView
    >>> X, y = make_cells(n_samples=1, shape=(64, 64), random_state=0)
    >>> view = ForestView(n_estimators=5).fit([X[0]], [y[0]])
    >>> view.predict(X[0], (slice(0, 64), slice(0, 40))).shape
    (64, 40)
    """

    def __init__(
        self, n_estimators: int = 30, *, tile: int = 512, cache_size: int = 16,
        random_state: Any = 0,
    ):  # fmt: skip
        self.tile = tile
        self.forest = PixelForest(n_estimators, cache_size=cache_size, random_state=random_state)

    def fit(self, images: list[np.ndarray], y: list[np.ndarray]) -> ForestView:
        """Train on what is painted.

        Parameters
        ----------
        images : list of ndarray of shape (height, width[, n_channels])
        y : list of ndarray of int, shape (height, width)
            -1 unlabeled, 0 background, > 0 objects.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If objects or background are not labeled.
        """
        tiles, labels = [], []
        for image, label in zip(images, y, strict=True):
            for core in self._tiles(label.shape):
                if (label[core] >= 0).any():
                    crop = _with_halo(core, label.shape)
                    kept = np.full_like(label[crop], -1)
                    kept[_inside(core, crop)] = label[core]
                    tiles.append(image[crop])
                    labels.append(kept)
        if not tiles:
            raise ValueError("Nothing is painted: paint background (1) and objects (2).")
        self.forest.fit(tiles, labels)
        return self

    def predict(self, shown: np.ndarray, view: _Tile) -> np.ndarray:
        """Return the probability of the foreground in view.

        Parameters
        ----------
        shown : ndarray of shape (height, width[, n_channels])
        view : tuple of two slices
            Of `shown`.

        Returns
        -------
        probability : ndarray of float32, shape (view height, view width)
        """
        shape = shown.shape[:2]
        whole = np.zeros(shape, np.float32)
        for core in self._tiles(shape):
            if all(a.start < b.stop and b.start < a.stop for a, b in zip(core, view)):
                crop = _with_halo(core, shape)
                whole[core] = self.forest.predict_proba([shown[crop]])[0][_inside(core, crop)]
        return whole[view]

    def _tiles(self, shape):
        steps = [range(0, n, self.tile) for n in shape]
        return [
            tuple(slice(a, min(a + self.tile, n)) for a, n in zip(corner, shape))
            for corner in ((i, j) for i in steps[0] for j in steps[1])
        ]


def _with_halo(core, shape):
    return tuple(
        slice(max(side.start - _HALO, 0), min(side.stop + _HALO, n)) for side, n in zip(core, shape)
    )


def _inside(core, crop):
    return tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(core, crop))
