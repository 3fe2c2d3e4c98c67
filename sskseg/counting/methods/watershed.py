"""Marker-controlled watershed, with cores or peaks as markers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from scipy import ndimage as ndi
from sklearn.utils._param_validation import Interval, StrOptions

from ...morphology import (
    Cuts,
    find_cuts,
    label_components,
    merge_objects,
    relief_of,
    split_by_seeds,
    split_touching,
)
from ...morphology.watershed import isotropic_sigma
from ..cut_weights import DEFAULT_CUT_WEIGHTS, N_WEIGHTS, fit_cut_weights, wrong_cuts
from ._base import InstanceMethod

_CORE = 0.5  # probability above which pixels are seeds
_SURE_CORE = 0.9  # the same, where cuts are decided afterwards
_BRIDGED_HEIGHTS = (0.4, 0.7)  # also tried of fragments, whose bridges are narrow
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
        object [1]_. "distance": the distance to the border of the foreground; "probability": the
        probability of the foreground; seeds are the peaks. "auto" is "core" where the segmenter
        predicts cores and objects are not fragmented; `InstanceCounter.fit` leaves it for
        "distance" if that is better.
    seed_height : float in (0, 1) or "auto", default="auto"
        Minimum depth of the valley between two peaks of the relief that separates two objects; not
        for "core". Depths of distances are relative: ``(p - v) / (p + 2)`` for a valley v below a
        peak p, in pixels. "auto": `InstanceCounter.fit` searches it, from 0.1.
    cut_weights : tuple of 7 floats or "auto", default="auto"
        Where seeds are cores: intercept and weights of a logistic regression on the features of
        the cut between two touching objects (`sskseg.morphology.find_cuts`). Cores are first split
        into parts above 0.9, and objects at these; objects are then merged where the cut is more
        likely wrong than right, the surest cuts first, but not across cuts that are right [2]_.
        Empty: every core is an object. "auto": those of simulated cells, unless labels are against
        them. `InstanceCounter.fit` takes empty weights if these find more of the labeled objects,
        by more than two standard errors. If two labeled images or more hold 5 right and 5 wrong
        cuts, it also fits weights to them, and takes these if they decide held-out cuts better,
        too.
    smoothing : float, default=1.0
        Standard deviation of the Gaussian that smooths the relief; half of it for cores. The unit
        is a pixel of the axis with the smallest spacing, so that volumes of thick sections are
        smoothed by the same length along all axes.

    See Also
    --------
    sskseg.morphology.split_touching, sskseg.morphology.split_by_seeds : The watersheds.

    References
    ----------
    .. [1] Lux, Matula. Cell segmentation by combining marker-controlled watershed and deep
       learning. 2020. :doi:`10.48550/arXiv.2004.01607`
    .. [2] Wolf et al. The mutex watershed: efficient, parameter-free image partitioning. ECCV 2018.
       :doi:`10.1007/978-3-030-01225-0_34`

    Examples
    --------
    >>> from sskseg.counting import InstanceCounter, Watershed
    >>> InstanceCounter(Watershed(smoothing=2.0)).set_params(method__seed_height=0.2)
    InstanceCounter(method=Watershed(seed_height=0.2, smoothing=2.0))
    """

    name = "watershed"
    reads_cores = True
    candidates: ClassVar = {
        "seeds": ("distance", "core"), "seed_height": (0.1, 0.05, 0.03, 0.15, 0.2),
        "cut_weights": (DEFAULT_CUT_WEIGHTS, ()),
    }  # fmt: skip
    _parameter_constraints: ClassVar = {
        "seeds": [StrOptions({"auto", "core", "distance", "probability"})],
        "seed_height": [Interval(Real, 0, 1, closed="neither"), StrOptions({"auto"})],
        "cut_weights": [tuple, StrOptions({"auto"})],
        "smoothing": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        seeds: str = "auto",
        *,
        seed_height: float | str = "auto",
        cut_weights: tuple[float, ...] | str = "auto",
        smoothing: float = 1.0,
    ):
        self.seeds = seeds
        self.seed_height = seed_height
        self.cut_weights = cut_weights
        self.smoothing = smoothing

    @property
    def search_order(self) -> tuple[str, ...]:
        """As `InstanceMethod.search_order`; cuts are decided when all that makes them is."""
        seeds = "seeds", "seed_height"
        return ("merge_distance", *seeds, "threshold", *seeds, "cut_weights", "min_size")

    def _validate_params(self):
        super()._validate_params()
        weights = self.cut_weights
        if weights == "auto" or weights == ():
            return
        is_number = [isinstance(w, Real) and bool(np.isfinite(w)) for w in weights]
        if len(weights) != N_WEIGHTS or not all(is_number):
            raise ValueError(
                f"cut_weights of a Watershed must be 'auto', empty, or {N_WEIGHTS} finite numbers, "
                f"got {weights!r}."
            )
        if self.seeds not in ("auto", "core"):
            raise ValueError(
                f"cut_weights of a Watershed need seeds='core' or 'auto', got {self.seeds!r}."
            )

    def __setstate__(self, state):
        super().__setstate__({"cut_weights": "auto", **state})  # of earlier versions

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
        heights = self.candidates["seed_height"] + (_BRIDGED_HEIGHTS if is_fragmented else ())
        return {
            # Each fragment has a core of its own.
            "seeds": seeds[::-1] if is_fragmented else seeds,
            "seed_height": lambda values, _: heights[: 1 if values["seeds"] == "core" else None],
            "cut_weights": self._cut_weight_candidates,
        }

    def _cut_weight_candidates(self, values, _):
        return self.candidates["cut_weights"] if values["seeds"] == "core" else ((),)

    def learned_candidates(
        self,
        outputs: Sequence[np.ndarray],
        objects: Sequence[np.ndarray],
        spacing: tuple[float, ...] | None = None,
    ) -> dict[str, Any]:
        """Return a function that fits the weights of cuts; see `InstanceMethod`."""
        measured: dict[Any, tuple[np.ndarray, Cuts]] = {}

        def measure(index, values):
            key = index, values["threshold"], values["merge_distance"]
            if key not in measured:
                foreground, core = np.moveaxis(outputs[index], -1, 0)
                measured[key] = self._over_split(foreground, core, values, spacing)
            return measured[key]

        def candidates(values, indices):
            defaults = self._cut_weight_candidates(values, indices)
            if values["seeds"] != "core":
                return defaults
            samples = [measure(int(i), values) for i in indices]
            labels, cuts = zip(*samples, strict=True)
            weights = fit_cut_weights(labels, cuts, [objects[i] for i in indices])
            return defaults if weights is None else (*defaults, weights)

        return {"cut_weights": candidates}

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
        height = parameters["seed_height"]
        return split_touching(mask, relief, -math.log1p(-height) if seeds == "distance" else height)

    def _split_by_cores(self, probability, parameters, spacing, core):
        if core is None:
            raise ValueError(_NO_CORES)
        weights = parameters.get("cut_weights", ())
        if not weights:
            return self._split(probability, core, _seeds, parameters, spacing)[0]
        labels, cuts = self._over_split(probability, core, parameters, spacing)
        return merge_objects(labels, wrong_cuts(cuts, weights))

    def _over_split(self, probability, core, parameters, spacing):
        """Split at more seeds than there are objects, and find the cuts between them."""
        labels, core = self._split(probability, core, _sure_seeds, parameters, spacing)
        return labels, find_cuts(labels, probability, core, spacing)

    def _split(self, probability, core, find_seeds, parameters, spacing):
        """Label image, and the smooth probability of cores, in which seeds are found."""
        mask = self.foreground(probability, parameters, spacing)
        core = np.asarray(core, np.float32)
        if self.smoothing > 0:
            # Less than a relief: cores may be a pixel wide.
            sigma = isotropic_sigma(0.5 * self.smoothing, core.ndim, spacing)
            core = ndi.gaussian_filter(core, sigma)
        return split_by_seeds(mask, (core + probability) / 2, find_seeds(core)), core


def _seeds(core):
    """Parts of the core; each is a seed."""
    return core > _CORE


def _sure_seeds(core):
    """Parts of each core that are sure; of a core that has none, all of it."""
    sure, parts = core > _SURE_CORE, label_components(core > _CORE, connectivity=core.ndim)
    has_sure = np.zeros(int(parts.max(initial=0)) + 1, bool)
    has_sure[parts[sure]] = True
    return sure | ((parts > 0) & ~has_sure[parts])
