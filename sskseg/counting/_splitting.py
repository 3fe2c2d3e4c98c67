"""From probabilities to objects: a method, and what all methods have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..morphology import fill_holes, relabel
from ..training.prediction_callbacks import advance_prediction
from .methods import InstanceMethod


class Splitter(NamedTuple):
    """Split probabilities with a method, fill holes, remove small objects.

    Parameters
    ----------
    method : InstanceMethod
    fill_holes : bool
    spacing : tuple of float, or None
        Size of a pixel along each axis; None is 1.
    """

    method: InstanceMethod
    fill_holes: bool
    spacing: tuple[float, ...] | None

    def split(self, outputs: np.ndarray, parameters: Mapping[str, Any]) -> np.ndarray:
        """Label the objects of one image, small ones included.

        Parameters
        ----------
        outputs : ndarray of shape (*spatial, 1) or (*spatial, 2)
            Probabilities of the foreground, and of cores.
        parameters : dict
            As `InstanceMethod.split` takes them.

        Returns
        -------
        ndarray of int, shape (*spatial)
        """
        probability, more = outputs[..., 0], {}
        if self.method.reads_cores:
            more["core"] = outputs[..., 1] if outputs.shape[-1] > 1 else None
        labels = self.method.split(probability, parameters, self.spacing, **more)
        if np.shape(labels) != probability.shape or labels.dtype.kind not in "iu":
            raise ValueError(
                f"{type(self.method).__name__}.split must return integer labels of shape "
                f"{probability.shape}, got {getattr(labels, 'dtype', type(labels).__name__)} of "
                f"shape {np.shape(labels)}."
            )
        if parameters["merge_distance"] > 0:  # the bridges are background
            labels = np.where(probability > parameters["threshold"], labels, 0)
        return fill_holes(labels) if self.fill_holes else labels

    def label(self, outputs: Sequence[np.ndarray], values: Mapping[str, Any]) -> list[np.ndarray]:
        """Label the objects of each image.

        Parameters
        ----------
        outputs : sequence of ndarray of shape (*spatial, 1) or (*spatial, 2)
        values : dict
            Parameters of `split`, and ``min_size``.

        Returns
        -------
        list of ndarray of int32 or int64, shape (*spatial)
            1, 2, ... in each image.
        """
        parameters = dict(values)
        min_size = int(parameters.pop("min_size"))
        found = []
        for output in outputs:
            found.append(relabel(self.split(output, parameters), min_size))
            advance_prediction(1)
        return found
