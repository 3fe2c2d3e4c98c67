"""Metrics of masks, objects and counts: ``metric(y_true, y_pred)``; -1 in y_true is ignored."""

from .borders import thin_borders
from .calibration import expected_calibration_error, reliability_curve
from .counts import count_error
from .instances import (
    Matches,
    average_precision,
    f1_instances,
    match_instances,
    matched_objects,
    panoptic_quality,
)
from .membranes import MembraneCurve, membrane_curve, v_info, v_rand
from .overlap import dice, iou, pixel_error, soft_dice, soft_iou
from .partitions import (
    adapted_rand_error,
    pixel_rand_error,
    rand_error,
    variation_of_information,
)
from .points import f1_points
from .warping import warping_error

__all__ = [
    "Matches",
    "MembraneCurve",
    "adapted_rand_error",
    "average_precision",
    "count_error",
    "dice",
    "expected_calibration_error",
    "f1_instances",
    "f1_points",
    "iou",
    "match_instances",
    "matched_objects",
    "membrane_curve",
    "panoptic_quality",
    "pixel_error",
    "pixel_rand_error",
    "rand_error",
    "reliability_curve",
    "soft_dice",
    "soft_iou",
    "thin_borders",
    "v_info",
    "v_rand",
    "variation_of_information",
    "warping_error",
]
