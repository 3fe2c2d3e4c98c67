"""Files of microscope vendors: one module for each library that reads them."""

from .bioio import SUFFIXES as BIOIO_SUFFIXES
from .opening import SUFFIXES, is_vendor_file, naming, open_scenes, read_scenes
from .scene import Scene

__all__ = [
    "BIOIO_SUFFIXES",
    "SUFFIXES",
    "Scene",
    "is_vendor_file",
    "naming",
    "open_scenes",
    "read_scenes",
]
