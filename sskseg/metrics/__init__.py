"""Metrics of masks, objects and counts: ``metric(y_true, y_pred)``; -1 in y_true is left out."""

from .counts import count_error
from .instances import (
    Matches,
    average_precision,
    f1_instances,
    match_instances,
    panoptic_quality,
)
from .overlap import dice, iou, pixel_error

__all__ = [
    "Matches",
    "average_precision",
    "count_error",
    "dice",
    "f1_instances",
    "iou",
    "match_instances",
    "panoptic_quality",
    "pixel_error",
]
