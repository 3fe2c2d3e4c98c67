"""Regions of interest of Fiji, QuPath and other programs, and label images."""

from .reading import Rois, read_rois
from .writing import write_rois

__all__ = ["Rois", "read_rois", "write_rois"]
