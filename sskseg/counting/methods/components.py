"""Connected components."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...morphology import label_components
from ._base import InstanceMethod


class Components(InstanceMethod):
    """Label the connected components of the foreground; touching objects are one.

    Examples
    --------
    >>> import numpy as np
    >>> from sskseg.counting import Components
    >>> probability = np.array([[0.9, 0.1, 0.8], [0.9, 0.1, 0.8]])
    >>> Components().split(probability, {"threshold": 0.5, "merge_distance": 0.0})
    array([[1, 0, 2],
           [1, 0, 2]], dtype=int32)
    """

    name = "components"
    exact = True

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
        return label_components(self.foreground(probability, parameters, spacing))
