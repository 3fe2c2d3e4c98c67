"""Label images from probabilities or contours, and what is measured on them."""

from .cleaning import bridge_gaps, fill_holes, relabel, remove_small
from .columns import REGIONPROPS_NAMES
from .components import label_components, label_objects
from .continuity import enforce_continuity
from .contours import (
    contour_areas,
    contour_perimeters,
    contour_points,
    fourier_descriptors,
    resample_contours,
    trace_contours,
)
from .counts import count_objects, count_over_sections
from .cuts import CUT_FEATURES, Cuts, find_cuts, merge_objects
from .distance import normalized_distance
from .label_offset import LabelOffset, estimate_label_offset
from .measure import (
    contour_columns,
    measure_objects,
    sums_to_table,
    with_units,
)
from .neighbors import complete_objects, share_with_neighbors
from .polygons import contour_masks, paint_masks, suppress_overlaps
from .runs import Runs, expand_runs
from .sections import best_matches, count_overlaps, join_sections, label_over_sections
from .sums import merge_sums, object_sums
from .watershed import relief_of, split_by_seeds, split_touching
from .weights import weight_map

__all__ = [
    "CUT_FEATURES",
    "REGIONPROPS_NAMES",
    "Cuts",
    "LabelOffset",
    "Runs",
    "best_matches",
    "bridge_gaps",
    "complete_objects",
    "contour_areas",
    "contour_columns",
    "contour_masks",
    "contour_perimeters",
    "contour_points",
    "count_objects",
    "count_over_sections",
    "count_overlaps",
    "enforce_continuity",
    "estimate_label_offset",
    "expand_runs",
    "fill_holes",
    "find_cuts",
    "fourier_descriptors",
    "join_sections",
    "label_components",
    "label_objects",
    "label_over_sections",
    "measure_objects",
    "merge_objects",
    "merge_sums",
    "normalized_distance",
    "object_sums",
    "paint_masks",
    "relabel",
    "relief_of",
    "remove_small",
    "resample_contours",
    "share_with_neighbors",
    "split_by_seeds",
    "split_touching",
    "sums_to_table",
    "suppress_overlaps",
    "trace_contours",
    "weight_map",
    "with_units",
]
