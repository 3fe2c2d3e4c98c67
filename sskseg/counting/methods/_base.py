"""Base class and registry of instance methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from ...io.registry import register
from ...morphology import bridge_gaps

INSTANCE_METHODS: dict[str, type[InstanceMethod]] = {}


class InstanceMethod(BaseEstimator):
    """Split probabilities into objects.

    A subclass overrides `split`, a pure function: the same arguments give the same labels, and no
    attribute is written. `InstanceCounter` searches the parameters, fills holes, removes small
    objects, counts and measures. A subclass with a `name` is registered under it,
    ``InstanceCounter("my-name")``, if its constructor needs no argument; an object serves in any
    case, ``InstanceCounter(MyMethod())``.

    Attributes
    ----------
    name : str
    candidates : dict of str to tuple
        Constructor parameters that may be "auto", each with the values that
        `InstanceCounter.fit` tries, the default first. `split` reads them from its `parameters`.
    reads_cores : bool, default=False
        Whether `split` takes the probability of cores, a further argument `core`, which is None
        where the segmenter predicts none.
    exact : bool, default=False
        Whether the objects are the connected components of the foreground. Objects that reach over
        blocks of a scan are then joined by the pixels that touch, and blocks need no halo.

    Notes
    -----
    Blocks of a scan give the objects of the whole if each object depends on pixels nearby alone. A
    watershed that orders equally high seeds by a queue of the whole image does not.

    Examples
    --------
    >>> from scipy import ndimage as ndi
    >>> from sskseg.counting import InstanceCounter, InstanceMethod
    >>> from sskseg.morphology import label_components
    >>> class Opening(InstanceMethod):
    ...     name = "opening"
    ...     candidates = {"radius": (2, 1, 3, 4)}
    ...
    ...     def __init__(self, radius="auto"):
    ...         self.radius = radius
    ...
    ...     def split(self, probability, parameters, spacing=None):
    ...         mask = self.foreground(probability, parameters, spacing)
    ...         return label_components(ndi.binary_opening(mask, iterations=parameters["radius"]))
    ...
    >>> InstanceCounter("opening").method, InstanceCounter(Opening(radius=3)).method
    ('opening', Opening(radius=3))
    """

    name: ClassVar[str] = ""
    candidates: ClassVar[dict[str, tuple]] = {}
    reads_cores: ClassVar[bool] = False
    exact: ClassVar[bool] = False
    _parameter_constraints: ClassVar[dict] = {}

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        if vars(cls).get("name"):  # a subclass that inherits a name does not replace its base
            INSTANCE_METHODS[cls.name] = register(cls)

    @property
    def search_order(self) -> tuple[str, ...]:
        """Parameters in the order of the search: the method's own before and after the threshold,
        which they depend on."""
        own = tuple(self.candidates)
        return ("merge_distance", *own, "threshold", *own, "min_size")

    def candidates_of(self, *, has_cores: bool, is_fragmented: bool) -> dict[str, Any]:
        """Return the values to try for the images at hand.

        Parameters
        ----------
        has_cores : bool
            Whether the segmenter predicts cores.
        is_fragmented : bool
            Whether a tenth of the labeled objects or more are fragmented.

        Returns
        -------
        dict of str to tuple, or callable
            As `candidates`. A callable maps the current values of all parameters, a dict, and the
            indices of samples to a tuple. It gives the value that the search starts from, too:
            then for the values of the parameters before it, and no samples.
        """
        return dict(self.candidates)

    def learned_candidates(
        self,
        outputs: Sequence[np.ndarray],
        objects: Sequence[np.ndarray],
        spacing: tuple[float, ...] | None = None,
    ) -> dict[str, Any]:
        """Return values to try that are learned from labeled objects; by default none.

        Parameters
        ----------
        outputs : sequence of ndarray of shape (*spatial, 1) or (*spatial, 2)
            Probabilities of the labeled samples: of the foreground, and of cores.
        objects : sequence of ndarray of int, shape (*spatial)
            Their label images; -1 unlabeled, 0 background.
        spacing : tuple of float, default=None
            As in `split`.

        Returns
        -------
        dict of str to callable
            As `candidates_of`, whose values these replace. Learn from the samples of the indices
            alone: others are held out.
        """
        return {}

    @staticmethod
    def foreground(
        probability: np.ndarray, parameters: Mapping[str, float], spacing: tuple | None = None
    ) -> np.ndarray:
        """Threshold probabilities and bridge the gaps between fragments.

        Parameters
        ----------
        probability, parameters, spacing
            As in `split`.

        Returns
        -------
        ndarray of bool, shape of `probability`
        """
        mask = probability > parameters["threshold"]
        return bridge_gaps(mask, parameters["merge_distance"], spacing)

    def split(
        self,
        probability: np.ndarray,
        parameters: Mapping[str, float],
        spacing: tuple[float, ...] | None = None,
    ) -> np.ndarray:
        """Label the objects of one image.

        Parameters
        ----------
        probability : ndarray of shape (*spatial), in [0, 1]
        parameters : dict of str to float
            ``threshold`` and ``merge_distance`` of the counter, and a value for each of
            `candidates`.
        spacing : tuple of float, default=None
            Size of a pixel along each axis; None is 1.

        Returns
        -------
        ndarray of int, shape of `probability`
            0 background; each object has a value > 0 of its own. The counter restricts objects to
            the foreground where gaps were bridged, and renumbers them.
        """
        raise NotImplementedError


def make_instance_method(method: str | InstanceMethod) -> InstanceMethod:
    """Return the instance method of a name, or the object itself.

    Parameters
    ----------
    method : str or InstanceMethod

    Returns
    -------
    InstanceMethod

    Raises
    ------
    ValueError
        For an unknown name or another object.
    """
    if isinstance(method, InstanceMethod):
        return method
    if isinstance(method, str) and method in INSTANCE_METHODS:
        return INSTANCE_METHODS[method]()
    raise ValueError(
        f"The 'method' parameter of InstanceCounter must be one of {sorted(INSTANCE_METHODS)} or "
        f"an InstanceMethod object. Got {method!r} instead."
    )
