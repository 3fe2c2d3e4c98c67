"""Whether the network has caught up with the forest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.ndimage import find_objects

from ..baselines import PixelForest
from ..baselines._pixel_features import TILE_CORES
from ..morphology import label_components
from .answers import Answer
from .session import Session

_FOLDS, _N_TREES = 5, 30
_LARGEST = 2**31


class Comparison(NamedTuple):
    """How well the network fits what is painted, and how well a forest predicts strokes.

    Parameters
    ----------
    network : float
        Brier score, the mean squared error of probabilities, of painted pixels, on which the
        network was trained; the mean of that of objects and that of background.
    forest : float
        The same of a forest, for strokes on which it was not trained, each in its turn.
    """

    network: float
    forest: float

    @property
    def is_network_behind(self) -> bool:
        """Whether the network does not even fit what a forest predicts.

        Its error is that of pixels on which it was trained, so that a network that is not behind
        may be worse than the forest nevertheless. A network of few steps is unsure of all pixels,
        which the Brier score shows, and accuracy does not.
        """
        return self.network > self.forest

    def __str__(self) -> str:
        return (
            f"The network fits what is painted with a squared error of {self.network:.3f}; the "
            f"forest predicts strokes that it was not trained on with {self.forest:.3f}."
        )


def compare(session: Session, answers: Mapping[str, Answer]) -> Comparison | None:
    """Compare the network with a forest, on painted pixels.

    In stacks and volumes, the forest classifies planes, as it does in the window.

    Parameters
    ----------
    session : Session
    answers : dict of Answer
        Of the network, by name of the image.

    Returns
    -------
    Comparison or None
        None for fewer than two strokes of objects or of background.
    """
    planes = [
        plane
        for name, sample in session.samples.items()
        if name in answers
        for plane in _painted_planes(sample.image, sample.y, answers[name].probability)
    ]
    images, y, network = ([plane[i] for plane in planes] for i in range(3))
    folds = _folds(y)
    if folds is None:
        return None
    forest = _forest_probabilities(images, y, folds)
    return Comparison(_error(network, y), _error(forest, y))


def _painted_planes(image, y, probability):
    """Yield image, annotations and prediction of a plane: all of an image, or each painted one."""
    if y.ndim == 2:
        yield image, y, probability
    else:
        for z in np.flatnonzero((y >= 0).any(axis=(1, 2))):
            yield image[z], y[z], probability[z]


def _folds(y):
    """The fold of every painted pixel, -1 elsewhere; None for fewer than two strokes of a class."""
    folds, n = [np.full(label.shape, -1) for label in y], [0, 0]
    for label, fold in zip(y, folds, strict=True):
        for kind in (0, 1):
            strokes = label_components(np.minimum(label, 1) == kind, connectivity=2)
            for number, box in enumerate(find_objects(strokes), start=1):
                fold[box][strokes[box] == number] = n[kind] % _FOLDS
                n[kind] += 1
    return folds if min(n) > 1 else None


def _forest_probabilities(images, y, folds):
    """Of painted pixels, by forests that were not trained on them."""
    found = [np.zeros(label.shape, np.float32) for label in y]
    forest = PixelForest(_N_TREES, cache_size=_LARGEST, random_state=0)
    for number in range(_FOLDS):
        held_out = [fold == number for fold in folds]
        if any(mask.any() for mask in held_out):
            forest.fit(images, [np.where(m, -1, label) for m, label in zip(held_out, y)])
        for image, mask, result in zip(images, held_out, found, strict=True):
            for box in _boxes(mask):
                for tile, probability in forest.predict_region(image, box):
                    result[tile][mask[tile]] = probability[mask[tile]]
    return found


def _boxes(mask):
    """Boxes that hold all pixels of a mask, one for each tile of the forest that has any."""
    pixels = np.argwhere(mask)
    tiles, tile = np.unique(pixels // TILE_CORES[2], axis=0, return_inverse=True)
    for number in range(len(tiles)):
        own = pixels[tile.ravel() == number]
        yield tuple(map(slice, own.min(0).tolist(), (own.max(0) + 1).tolist()))


def _error(probabilities, y):
    """The Brier score, the mean of that of objects and that of background."""
    painted = [label >= 0 for label in y]
    found = np.concatenate([p[mask] for p, mask in zip(probabilities, painted)])
    reference = np.concatenate([label[mask] > 0 for label, mask in zip(y, painted)])
    squares = (found - reference) ** 2
    return float((squares[reference].mean() + squares[~reference].mean()) / 2)
