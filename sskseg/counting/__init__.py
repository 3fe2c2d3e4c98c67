"""Objects, counts and tables from probabilities, or from images by contours."""

from ._counter import InstanceCounter

__all__ = ["InstanceCounter"]
