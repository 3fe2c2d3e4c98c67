"""At which magnification was this seen?"""

from dataclasses import dataclass

import numpy as np

from ._base import Proxy
from ._guards import restore_noise, shrink


@dataclass
class Magnification(Proxy):
    """Tell the magnification of a patch.

    Of scans whose magnifications are known, these are the classes. Elsewhere a scan is shrunk: the
    patch shows a field 1, 2 or 4 times as wide, and these factors are the classes.

    Parameters
    ----------
    factors : tuple of float, default=(1, 2, 4)
        Widths of the field where magnifications are not known; at least two, from 1 on.

    Raises
    ------
    ValueError
        For other factors.

    Notes
    -----
    Shrinking averages noise away and sharpens edges; scans of another magnification have other
    optics and another camera. That alone would tell the classes, so patches of all classes are
    blurred by the same Gaussians and get new noise (see `sskseg.proxies.guard`), shrunk ones first
    the noise that they have lost: what remains is the size of what is seen.
    """

    factors: tuple[float, ...] = (1.0, 2.0, 4.0)

    name = "magnification"
    matches_scans = True

    def __post_init__(self):
        if len(set(self.factors)) < 2 or min(self.factors) < 1:
            raise ValueError(
                f"factors must be two or more different numbers from 1 on, got {self.factors!r}."
            )
        self.field = float(max(self.factors))

    def prepare(self, n_channels, magnifications):
        """The proxy with its classes; no wider field where magnifications are known."""
        prepared = super().prepare(n_channels, magnifications)
        if magnifications is not None:
            prepared.field = 1.0
        return prepared

    def find_classes(self, n_channels, magnifications):
        """The known magnifications, or the factors."""
        if magnifications is None:
            return [float(factor) for factor in self.factors]
        found = np.unique(magnifications).tolist()
        if len(found) < 2:
            raise ValueError(
                f"The magnification proxy needs scans of two magnifications or more, got {found}; "
                "where none are given it shrinks the scans itself."
            )
        return found

    def make(self, view, rng):
        """Shrink the field, or leave the patch as it was scanned."""
        if view.magnification is not None:
            return view.show(view.middle()), self.classes.index(view.magnification)
        target = int(rng.integers(len(self.classes)))
        region = view.middle(self.classes[target])
        patch = shrink(region, view.shape)
        if view.guards:
            patch = restore_noise(patch, region, rng)
        return view.show(patch), target
