"""Detection of objects by their contours, overlapping ones too, from few label images."""

from ._detector import ContourDetector
from .batches import ContourBatches, outline
from .device_batches import DeviceContourBatches, contour_batches_on
from .loss import contour_loss
from .network import ContourProposalNetwork
from .suppression import Detections, non_maximum_suppression

__all__ = [
    "ContourBatches",
    "ContourDetector",
    "ContourProposalNetwork",
    "Detections",
    "DeviceContourBatches",
    "contour_batches_on",
    "contour_loss",
    "non_maximum_suppression",
    "outline",
]
