"""Marker-controlled watershed with h-maxima as markers."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from ...morphology import relief_of, split_touching
from ._base import InstanceMethod


class Watershed(InstanceMethod):
    """Split touching objects along the valleys of a relief.

    Parameters
    ----------
    seeds : {"distance", "probability"}, default="distance"
        The relief, high in the middle of objects: the distance transform of the foreground (each
        component's as a fraction of its maximum), or the probability.
    seed_height : float in (0, 1) or "auto", default="auto"
        Minimum depth of the valley between two peaks of the relief (whose maximum is 1) that
        separates two objects. "auto": `InstanceCounter.fit` searches it, from 0.1.
    smoothing : float, default=1.0
        Standard deviation, pixels, of the Gaussian that smooths the relief.

    See Also
    --------
    sskseg.morphology.split_touching : The watershed.

    Examples
    --------
    >>> from sskseg.counting import InstanceCounter, Watershed
    >>> InstanceCounter(Watershed(smoothing=2.0)).set_params(method__seed_height=0.2)
    InstanceCounter(method=Watershed(seed_height=0.2, smoothing=2.0))
    """

    name = "watershed"
    candidates: ClassVar = {"seed_height": (0.1, 0.05, 0.03, 0.15, 0.2)}
    _parameter_constraints: ClassVar = {
        "seeds": [StrOptions({"distance", "probability"})],
        "seed_height": [Interval(Real, 0, 1, closed="neither"), StrOptions({"auto"})],
        "smoothing": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        seeds: str = "distance",
        *,
        seed_height: float | str = "auto",
        smoothing: float = 1.0,
    ):
        self.seeds = seeds
        self.seed_height = seed_height
        self.smoothing = smoothing

    def split(
        self,
        probability: np.ndarray,
        parameters: Mapping[str, float],
        spacing: tuple[float, ...] | None = None,
    ) -> np.ndarray:
        """Label the objects of one image.

        Parameters
        ----------
        probability, parameters, spacing
            As in `InstanceMethod.split`.

        Returns
        -------
        ndarray of int32, shape of `probability`
        """
        mask, relief = relief_of(
            probability, parameters["threshold"], seeds=self.seeds, smooth=self.smoothing,
            spacing=spacing, bridge=parameters["merge_distance"],
        )  # fmt: skip
        return split_touching(mask, relief, parameters["seed_height"])
