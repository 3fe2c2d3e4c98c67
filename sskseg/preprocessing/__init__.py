"""Transformers of images that come before a network."""

from ._domain import DomainCheck
from ._scaler import PercentileScaler

__all__ = ["DomainCheck", "PercentileScaler"]
