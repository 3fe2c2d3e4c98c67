"""Outlines of objects, overlapping ones too, from few label images."""

from ._detector import ContourDetector, Detections
from .batches import ContourBatches, outline
from .network import ContourProposalNetwork, contour_loss

__all__ = [
    "ContourBatches",
    "ContourDetector",
    "ContourProposalNetwork",
    "Detections",
    "contour_loss",
    "outline",
]
