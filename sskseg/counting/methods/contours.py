"""Contours that a network proposes in images."""

from __future__ import annotations

from typing import ClassVar

from sklearn.base import clone

from ...detection import ContourDetector
from ._base import InstanceMethod


class Contours(InstanceMethod):
    """Detect objects in images by their contours, overlapping ones too.

    Unlike other instance methods it has no `split`: `InstanceCounter.fit` trains a
    `ContourDetector` on images and label images, and no probabilities are needed.

    Parameters
    ----------
    detector : ContourDetector, default=None
        A clone of it is trained. None is ``ContourDetector()``.

    Examples
    --------
    >>> from sskseg import ContourDetector, InstanceCounter
    >>> from sskseg.counting import Contours
    >>> counter = InstanceCounter(Contours(ContourDetector()))
    >>> counter.set_params(method__detector__max_steps=200).method.detector.max_steps
    200
    """

    name = "contours"
    _parameter_constraints: ClassVar = {"detector": [ContourDetector, None]}

    def __init__(self, detector: ContourDetector | None = None):
        self.detector = detector

    def new_detector(self) -> ContourDetector:
        """Return an unfitted detector to train.

        Returns
        -------
        ContourDetector
        """
        return ContourDetector() if self.detector is None else clone(self.detector)
