"""From probabilities to labels: components, watershed, cleaning, sections, measurement."""

from .cleaning import fill_holes, merge_fragments, relabel, remove_small
from .components import label_components, label_objects
from .continuity import enforce_continuity
from .counts import count_objects, count_over_sections
from .distance import normalized_distance
from .measure import measure_objects, merge_sums, object_sums, sums_to_table
from .sections import best_matches, count_overlaps, join_sections
from .watershed import relief_of, split_touching
from .weights import weight_map

__all__ = [
    "best_matches",
    "count_objects",
    "count_over_sections",
    "count_overlaps",
    "enforce_continuity",
    "fill_holes",
    "join_sections",
    "label_components",
    "label_objects",
    "measure_objects",
    "merge_fragments",
    "merge_sums",
    "normalized_distance",
    "object_sums",
    "relabel",
    "relief_of",
    "remove_small",
    "split_touching",
    "sums_to_table",
    "weight_map",
]
