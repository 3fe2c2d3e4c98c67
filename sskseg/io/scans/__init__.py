"""Scans on disk as lazy arrays, with axes, spacing and unit: one module for each format."""

from ..units import unit_name
from .ome_zarr import ZARR_METADATA
from .opening import open_scan
from .scan import Scan
from .sections import SECTION_SUFFIXES

__all__ = ["SECTION_SUFFIXES", "ZARR_METADATA", "Scan", "open_scan", "unit_name"]
