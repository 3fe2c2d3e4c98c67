"""Tables and pictures."""

from .overlay import draw_outlines, save_overlay
from .segmentation import ProbabilityDisplay, SegmentationDisplay
from .tables import format_table

__all__ = [
    "ProbabilityDisplay",
    "SegmentationDisplay",
    "draw_outlines",
    "format_table",
    "save_overlay",
]
