"""`Augmentation`: ranges of the random transformations of training patches."""

from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

import numpy as np


def _check_field(augmentation, name, low, high):
    value = getattr(augmentation, name)
    if not isinstance(value, Real) or not low <= float(value) <= high or value == np.inf:
        raise ValueError(
            f"{name} of an augmentation must be a number from {low} to {high}, got {value!r}."
        )


def _is_range(value):
    return (
        isinstance(value, (tuple, list, np.ndarray))
        and len(value) == 2
        and all(isinstance(side, Real) for side in value)
        and 0 < value[0] <= value[1] < np.inf
    )


@dataclass(frozen=True)
class Augmentation:
    """Random transformations of training patches: probabilities and ranges.

    In three dimensions the geometry acts in the plane of the last two axes (the resolution along
    the first usually differs), and flips act along all axes.

    Parameters
    ----------
    dihedral : bool, default=True
        Flips and quarter turns.
    warp_probability : float, default=0.8
        Fraction of the patches that are rotated, scaled and deformed.
    rotation : float, default=45.0
        Largest angle, degrees.
    scale : tuple of float, default=(0.8, 1.25)
        Range of the magnification (drawn log-uniformly).
    elastic : float, default=4.0
        Standard deviation, pixels, of a smooth (bicubic) displacement field, in patches with
        sides of 256 pixels and more; in smaller patches it is reduced in proportion.
    piecewise : float, default=2.0
        As `elastic`, of a piecewise affine displacement field.
    grid : int, default=5
        Control points along each side of the patch, of both fields.
    photometric_probability : float, default=0.25
        Probability of each of the following transformations of a patch.
    gamma : float, default=0.3
        Standard deviation of the logarithm of the exponent.
    contrast, brightness : float, default=0.2
        Standard deviation of the logarithm of the gain, and of the offset (in units of the
        standard deviation of the images).
    noise : float, default=0.2
        Largest standard deviation of Gaussian noise (same units).
    blur : float, default=1.0
        Largest standard deviation, pixels, of a Gaussian blur.
    haze : float, default=2.0
        Largest amount of out-of-focus light: a wide blur (standard deviation 8 to 40 pixels) that
        is added to a plane, times this, before intensities are scaled back to their range. A
        network learns from it to find objects by their local contrast.
    object_size : "auto", float or None, default="auto"
        Diameter of objects, pixels, to which a `SemiSupervisedSegmenter` resamples images of
        independent planes, in `fit` by their labels, in predictions by the objects that it finds
        first. "auto" is 24 where the typical diameters in at least 5 labeled images (of fewer and
        the simulated ones, if there are some) differ by a factor of 2, and otherwise None: images
        as they are. Objects of fewer than 20 pixels, and
        those that touch unlabeled pixels (points, too), do not count.
    warm_up : int, default=1000
        Batches during which both probabilities, and the weight of borders, rise linearly from 0:
        an untrained network learns faster without augmentation. There is no warm-up after a warm
        start and for pseudo-labels.
    """

    dihedral: bool = True
    warp_probability: float = 0.8
    rotation: float = 45.0
    scale: tuple[float, float] = (0.8, 1.25)
    elastic: float = 4.0
    piecewise: float = 2.0
    grid: int = 5
    photometric_probability: float = 0.25
    gamma: float = 0.3
    contrast: float = 0.2
    brightness: float = 0.2
    noise: float = 0.2
    blur: float = 1.0
    haze: float = 2.0
    object_size: str | float | None = "auto"
    warm_up: int = 1000

    def __post_init__(self):
        for name in ("warp_probability", "photometric_probability"):
            _check_field(self, name, 0, 1)
        for name in ("rotation", "elastic", "piecewise", "gamma", "contrast", "brightness",
                     "noise", "blur", "haze"):  # fmt: skip
            _check_field(self, name, 0, np.inf)
        for name, minimum in (("grid", 2), ("warm_up", 0)):
            value = getattr(self, name)
            if not isinstance(value, Integral) or value < minimum:
                raise ValueError(f"{name} must be an integer of at least {minimum}, got {value!r}.")
        if not isinstance(self.dihedral, (bool, np.bool_)):
            raise ValueError(f"dihedral must be True or False, got {self.dihedral!r}.")
        size = self.object_size
        is_positive = isinstance(size, Real) and not isinstance(size, bool) and 0 < size < np.inf
        if not (size is None or is_positive or (isinstance(size, str) and size == "auto")):
            raise ValueError(
                f"object_size must be 'auto', a positive number or None, got {size!r}."
            )
        if not _is_range(self.scale):
            raise ValueError(f"scale must be two rising positive numbers, got {self.scale!r}.")

    def warm_up_share(self, n_batches: int) -> float:
        """Compute the share of the warm-up that `n_batches` batches are, at most 1."""
        return min(1.0, n_batches / self.warm_up) if self.warm_up else 1.0

    def after(self, n_batches: int) -> "Augmentation":
        """Return the augmentation that follows a number of batches.

        Parameters
        ----------
        n_batches : int

        Returns
        -------
        Augmentation
        """
        share = self.warm_up_share(n_batches)
        if share == 1:
            return self
        return replace(
            self,
            warp_probability=share * self.warp_probability,
            photometric_probability=share * self.photometric_probability,
        )


PRESETS = {
    "full": Augmentation(),
    "dihedral": Augmentation(warp_probability=0.0, photometric_probability=0.0, object_size=None),
    "none": Augmentation(
        dihedral=False, warp_probability=0.0, photometric_probability=0.0, object_size=None
    ),
}


def check_augmentation(augmentation: Any) -> Augmentation:
    """Convert the name of a preset, a dict of changes to ``"full"``, or None.

    Parameters
    ----------
    augmentation : {"full", "dihedral", "none"}, dict, Augmentation or None

    Returns
    -------
    Augmentation

    Raises
    ------
    ValueError
        For an unknown name or field.
    """
    if isinstance(augmentation, Augmentation):
        return augmentation
    if augmentation is None:
        return PRESETS["none"]
    if isinstance(augmentation, dict):
        unknown = set(augmentation) - set(Augmentation.__dataclass_fields__)
        if unknown:
            raise ValueError(
                f"augmentation has unknown fields {sorted(unknown)}; known are "
                f"{sorted(Augmentation.__dataclass_fields__)}."
            )
        return Augmentation(**augmentation)
    if augmentation not in PRESETS:
        raise ValueError(
            f"augmentation must be one of {sorted(PRESETS)}, a dict, an Augmentation or None, "
            f"got {augmentation!r}."
        )
    return PRESETS[augmentation]
