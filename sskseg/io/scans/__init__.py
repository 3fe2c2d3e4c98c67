"""Scans on disk as lazy arrays, with axes, spacing and unit: one module for each format."""

from ..units import ngff_unit
from .ome_zarr import ZARR_METADATA
from .opening import choose_channel, image_group, open_scan
from .scan import Scan

__all__ = [
    "ZARR_METADATA",
    "Scan",
    "choose_channel",
    "image_group",
    "ngff_unit",
    "open_scan",
]
