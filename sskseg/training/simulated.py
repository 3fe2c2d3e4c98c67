"""Images of the simulator that a stack carries, beside real ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..images import PatchSampler, check_images

_FIRST_SHARE = 0.5  # of the patches that are simulated
_MIN_LABELED = 10  # images, with which the last patches are all real
_N_CHANGES = 20  # of the share


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


def falling_share(
    sampler: PatchSampler, weight: np.ndarray, n_real: int
) -> list[tuple[float, Callable[[Any], None]]]:
    """Return callbacks of a training that let the share of simulated patches fall.

    It falls from a half to nothing if 10 real images or more are labeled, and less with fewer: to
    the share of a half that these lack. Few labeled images do not show what simulated ones do.

    Parameters
    ----------
    sampler : PatchSampler
        Its weights are changed.
    weight : ndarray of shape (n_samples,)
        How often real samples are drawn, and simulated ones after them, each among themselves.
    n_real : int

    Returns
    -------
    list of (float, callable)
        See `sskseg.training.optimize`. Empty if there are either no real or no simulated samples.
    """
    is_real = np.arange(len(weight)) < n_real
    size = weight * sampler.n_labeled
    real, simulated = size[is_real].sum(), size[~is_real].sum()
    if not real or not simulated:
        return []
    fall = min(1.0, np.count_nonzero(size[is_real]) / _MIN_LABELED)

    def change(share, _):
        sampler.set_weights(weight * np.where(is_real, (1 - share) / real, share / simulated))

    shares = _FIRST_SHARE * np.linspace(1, 1 - fall, _N_CHANGES)
    return [(i / _N_CHANGES, partial(change, share)) for i, share in enumerate(shares)]
