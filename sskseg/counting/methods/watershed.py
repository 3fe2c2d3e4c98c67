"""Marker-controlled watershed, with cores or h-maxima as markers."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from scipy import ndimage as ndi
from sklearn.utils._param_validation import Interval, StrOptions

from ...morphology import relief_of, split_by_seeds, split_touching
from ._base import InstanceMethod

_CORE = 0.5  # probability above which pixels are seeds
_NO_CORES = (
    "X must hold the probabilities of foreground and cores in its last axis, as "
    "SemiSupervisedSegmenter.transform returns them, got the foreground alone. "
    "Watershed(seeds='distance') needs no cores."
)


class Watershed(InstanceMethod):
    """Split touching objects along the valleys of a relief.

    Parameters
    ----------
    seeds : {"auto", "core", "distance", "probability"}, default="auto"
        What the relief is, high in the middle of objects. "core": the mean of the probabilities of
        core and foreground; each component where that of the core exceeds 0.5 is the seed of an
        object [1]_. "distance": the distance transform of the foreground (each component's as a
        fraction of its maximum); "probability": the probability of the foreground; seeds are the
        peaks. "auto" is "core" where the segmenter predicts cores and objects are not fragmented;
        `InstanceCounter.fit` leaves it for "distance" if that is better.
    seed_height : float in (0, 1) or "auto", default="auto"
        Minimum depth of the valley between two peaks of the relief (whose maximum is 1) that
        separates two objects; not for "core". "auto": `InstanceCounter.fit` searches it, from 0.1.
    smoothing : float, default=1.0
        Standard deviation, pixels, of the Gaussian that smooths the relief; half of it for cores.

    See Also
    --------
    sskseg.morphology.split_touching, sskseg.morphology.split_by_seeds : The watersheds.

    References
    ----------
    .. [1] Lux, Matula. Cell segmentation by combining marker-controlled watershed and deep
       learning. 2020. :doi:`10.48550/arXiv.2004.01607`

    Examples
    --------
    >>> from sskseg.counting import InstanceCounter, Watershed
    >>> InstanceCounter(Watershed(smoothing=2.0)).set_params(method__seed_height=0.2)
    InstanceCounter(method=Watershed(seed_height=0.2, smoothing=2.0))
    """

    name = "watershed"
    reads_cores = True
    candidates: ClassVar = {
        "seeds": ("distance", "core"), "seed_height": (0.1, 0.05, 0.03, 0.15, 0.2)
    }  # fmt: skip
    _parameter_constraints: ClassVar = {
        "seeds": [StrOptions({"auto", "core", "distance", "probability"})],
        "seed_height": [Interval(Real, 0, 1, closed="neither"), StrOptions({"auto"})],
        "smoothing": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        seeds: str = "auto",
        *,
        seed_height: float | str = "auto",
        smoothing: float = 1.0,
    ):
        self.seeds = seeds
        self.seed_height = seed_height
        self.smoothing = smoothing

    def candidates_of(self, *, has_cores: bool, is_fragmented: bool) -> dict[str, Any]:
        """Return the values to try for the images at hand.

        Parameters
        ----------
        has_cores, is_fragmented : bool
            As in `InstanceMethod.candidates_of`.

        Returns
        -------
        dict of str to tuple

        Raises
        ------
        ValueError
            If seeds are cores, and there is no probability of them.
        """
        if self.seeds == "core" and not has_cores:
            raise ValueError(_NO_CORES)
        seeds = ("core", "distance") if has_cores else ("distance",)
        heights = self.candidates["seed_height"]
        return {
            # Each fragment has a core of its own.
            "seeds": seeds[::-1] if is_fragmented else seeds,
            "seed_height": lambda values, _: heights[: 1 if values["seeds"] == "core" else None],
        }

    def split(
        self,
        probability: np.ndarray,
        parameters: Mapping[str, Any],
        spacing: tuple[float, ...] | None = None,
        core: np.ndarray | None = None,
    ) -> np.ndarray:
        """Label the objects of one image.

        Parameters
        ----------
        probability, parameters, spacing
            As in `InstanceMethod.split`.
        core : ndarray of shape of `probability`, default=None
            Probability of the core of an object.

        Returns
        -------
        ndarray of int32, shape of `probability`

        Raises
        ------
        ValueError
            If seeds are cores, and there is no probability of them.
        """
        seeds = parameters.get("seeds", "distance" if self.seeds == "auto" else self.seeds)
        if seeds == "core":
            return self._split_by_cores(probability, parameters, spacing, core)
        mask, relief = relief_of(
            probability, parameters["threshold"], seeds=seeds, smooth=self.smoothing,
            spacing=spacing, bridge=parameters["merge_distance"],
        )  # fmt: skip
        return split_touching(mask, relief, parameters["seed_height"])

    def _split_by_cores(self, probability, parameters, spacing, core):
        if core is None:
            raise ValueError(_NO_CORES)
        mask = self.foreground(probability, parameters, spacing)
        core = np.asarray(core, np.float32)
        if self.smoothing > 0:
            # Less than a relief: cores may be a pixel wide.
            steps = np.ones(core.ndim) if spacing is None else np.asarray(spacing, float)
            core = ndi.gaussian_filter(core, 0.5 * self.smoothing * steps.min() / steps)
        return split_by_seeds(mask, (core + probability) / 2, core > _CORE)
