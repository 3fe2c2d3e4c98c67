"""Images of the simulator that a stack carries, beside real ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..images import check_images


def draw_simulated(
    simulator: Any,
    n: int,
    seed: int,
    *,
    n_channels: int,
    spatial_ndim: int = 2,
    outlined: bool = False,
) -> tuple[list, Any, list]:
    """Draw simulated images to train on beside real ones.

    Parameters
    ----------
    simulator : object
        Has ``sample(n, random_state) -> (X, y)``, or ``sample_contours``, see `outlined`.
    n, seed : int
    n_channels : int
        Of the real images.
    spatial_ndim : {2, 3}, default=2
    outlined : bool, default=False
        Whether to return outlines too, if the simulator has
        ``sample_contours(n, random_state) -> (X, y, contours)``.

    Returns
    -------
    images : list of ndarray of shape (*spatial, n_channels)
    y : array-like
        Labels, as the simulator returns them.
    contours : list
        Outlines of the objects of each image; None where there are none.

    Raises
    ------
    ValueError
        For an object without `sample`, or images with another number of channels.
    """
    if outlined and hasattr(simulator, "sample_contours"):
        X, y, contours = simulator.sample_contours(n, seed)
    elif hasattr(simulator, "sample"):
        (X, y), contours = simulator.sample(n, seed), [None] * n
    else:
        raise ValueError(
            f"stack.simulator must have sample(n, random_state) -> (X, y), got {simulator!r}."
        )
    images = check_images(X, spatial_ndim)
    if images[0].shape[-1] != n_channels:
        raise ValueError(
            f"stack.simulator draws images of {images[0].shape[-1]} channel(s), and X has "
            f"{n_channels}."
        )
    return images, y, contours


def balanced_weights(
    weight: np.ndarray, labels: Sequence[np.ndarray], drawn: Sequence[np.ndarray]
) -> np.ndarray:
    """Weight real and simulated images so that as many pixels of both are drawn.

    Parameters
    ----------
    weight : ndarray of shape (n_real,)
    labels : list of ndarray of int
        Of the real images; -1 unlabeled.
    drawn : list of ndarray of int
        Of the simulated ones, which get all the weight if nothing real is labeled.

    Returns
    -------
    ndarray of shape (n_real + n_drawn,)
    """
    real = sum(w * np.count_nonzero(x >= 0) for w, x in zip(weight, labels, strict=True))
    size = sum(np.count_nonzero(x >= 0) for x in drawn)
    share = real / size if real else 1.0
    return np.concatenate([weight, np.full(len(drawn), share)])
