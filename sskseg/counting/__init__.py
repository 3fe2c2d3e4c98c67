"""Objects, counts and tables, from probabilities or from images by contours."""

from ._counter import InstanceCounter
from .methods import (
    INSTANCE_METHODS,
    Components,
    Contours,
    InstanceMethod,
    Watershed,
    make_instance_method,
)
from .regions import count_by_region

__all__ = [
    "INSTANCE_METHODS",
    "Components",
    "Contours",
    "InstanceCounter",
    "InstanceMethod",
    "Watershed",
    "count_by_region",
    "make_instance_method",
]
