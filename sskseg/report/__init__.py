"""Tables and pictures."""

from .overlay import draw_outlines, save_overlay
from .tables import format_table

__all__ = ["draw_outlines", "format_table", "save_overlay"]
