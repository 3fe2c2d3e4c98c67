"""Transformers of images that come before a network."""

from ._scaler import PercentileScaler

__all__ = ["PercentileScaler"]
