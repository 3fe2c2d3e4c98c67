"""What learns little or nothing, with the same API, so that gains are visible."""

from .log_blobs import LogBlobs
from .otsu_watershed import OtsuWatershed
from .pixel_forest import PixelForest

__all__ = ["LogBlobs", "OtsuWatershed", "PixelForest"]
