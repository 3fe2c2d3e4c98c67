"""Simple methods with the same API, to compare with."""

from ._baselines import LogBlobs, OtsuWatershed, PixelForest

__all__ = ["LogBlobs", "OtsuWatershed", "PixelForest"]
