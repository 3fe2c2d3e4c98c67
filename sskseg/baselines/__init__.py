"""Simple methods with the same API, to compare with."""

from .log_blobs import LogBlobs
from .otsu_watershed import OtsuWatershed
from .pixel_forest import PixelForest

__all__ = ["LogBlobs", "OtsuWatershed", "PixelForest"]
