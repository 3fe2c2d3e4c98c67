"""Instance methods: from the probabilities of an image to labeled objects."""

from ._base import INSTANCE_METHODS, InstanceMethod, make_instance_method
from .components import Components
from .contours import Contours
from .watershed import Watershed

__all__ = [
    "INSTANCE_METHODS",
    "Components",
    "Contours",
    "InstanceMethod",
    "Watershed",
    "make_instance_method",
]
