"""The trained network that a first training starts from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from ..models import load_model
from ..segmentation import SemiSupervisedSegmenter

STARTS = ("nuclei", "cells-simulated")  # models of planes with one channel
_MIN_ACCURACY = 0.8  # of a network that guesses: 0.5
_MAX_PIXELS = 2**22  # that are predicted to choose one


def choose_start(
    X: Any, y: Sequence[np.ndarray], models: Sequence[str] = STARTS
) -> tuple[str | None, dict[str, float]]:
    """Choose the trained model that predicts best what is painted.

    Parameters
    ----------
    X : ImageStack or list of ndarray of shape (height, width, n_channels)
        Images of a session, scaled.
    y : list of ndarray of int, shape (height, width)
        -1 unlabeled, 0 background, > 0 objects.
    models : sequence of str
        Names of `sskseg.models.list_models`.

    Returns
    -------
    model : str or None
        None if no model has a balanced accuracy of 0.8: random weights are then a better start.
    accuracies : dict of str to float
        Balanced accuracy of each model, of painted pixels.
    """
    if np.shape(X[0])[2:] not in ((), (1,)):
        return None, {}
    painted = list(_painted(X, y))
    accuracies = {name: _accuracy(segmenter_of(name), painted) for name in models}
    best = max(accuracies, key=accuracies.__getitem__, default=None)
    if best is None or not accuracies[best] >= _MIN_ACCURACY:
        return None, accuracies
    return best, accuracies


def _painted(X, y) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Painted images, as many as are predicted in a moment, one at least."""
    n_pixels = 0
    for image, label in zip(X, y, strict=True):
        if (label >= 0).any() and n_pixels < _MAX_PIXELS:
            n_pixels += label.size
            yield np.asarray(image), label


@cache
def segmenter_of(name: str) -> SemiSupervisedSegmenter:
    """Return the segmenter of a trained model, which is loaded once."""
    steps = load_model(name).named_steps.values()
    return next(step for step in steps if isinstance(step, SemiSupervisedSegmenter))


def _accuracy(segmenter, painted):
    images, labels = zip(*painted, strict=True)
    return balanced_accuracy(segmenter.predict(list(images)), labels)


def balanced_accuracy(masks: Iterable[np.ndarray], labels: Iterable[np.ndarray]) -> float:
    """Compute the mean of the shares of the background and of the objects that are predicted so.

    Parameters
    ----------
    masks : iterable of ndarray of shape (*spatial)
        0 is background.
    labels : iterable of ndarray of int, shape (*spatial)
        -1 unlabeled, 0 background, > 0 objects.

    Returns
    -------
    float
        0 without labeled background, or without a labeled object.
    """
    found = np.zeros((2, 2))
    for mask, label in zip(masks, labels, strict=True):
        known = label >= 0
        pairs = 2 * (label[known] > 0) + (mask[known] > 0)
        found += np.bincount(pairs, minlength=4).reshape(2, 2)
    totals = found.sum(axis=1)
    return float(np.mean(found.diagonal() / totals)) if totals.all() else 0.0
