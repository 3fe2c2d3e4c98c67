"""The tasks of a scan: each a function of one block, which may be repeated."""

from .downsample import downsample_labels
from .join import join_scan
from .match import count_ending, match_objects
from .objects import find_objects
from .predict import predict_block
from .rows import make_rows
from .write import write_labels

__all__ = [
    "count_ending",
    "downsample_labels",
    "find_objects",
    "join_scan",
    "make_rows",
    "match_objects",
    "predict_block",
    "write_labels",
]
