"""By how many quarter turns was this turned?"""

from dataclasses import dataclass

import numpy as np

from ._base import Proxy


@dataclass
class Rotation(Proxy):
    """Tell how far a patch was turned in the plane of its last two axes [1]_.

    Of little use where objects have no upright position.

    References
    ----------
    .. [1] Gidaris, Singh, Komodakis. Unsupervised representation learning by predicting image
       rotations. ICLR 2018. :doi:`10.48550/arXiv.1803.07728`
    """

    name = "rotation"

    def find_classes(self, n_channels, magnifications):
        """Degrees."""
        return [0, 90, 180, 270]

    def make(self, view, rng):
        """Turn the view."""
        target = int(rng.integers(4))
        if view.shape[-1] != view.shape[-2]:
            raise ValueError(
                f"The rotation proxy needs patches of equal last two sides, got {view.shape}."
            )
        return view.show(np.rot90(view.image, target, axes=(-2, -1))), target
