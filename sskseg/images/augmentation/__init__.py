"""Augmentation of training patches: sampled parameters, and pure functions of them.

It needs torch, so that `sskseg.images` does not import it.
"""

from .geometry import Geometry, coordinates, locate, resample, sample_geometry, turn
from .parameters import PRESETS, Augmentation, check_augmentation
from .photometry import Photometry, adjust, sample_photometry

__all__ = [
    "PRESETS",
    "Augmentation",
    "Geometry",
    "Photometry",
    "adjust",
    "check_augmentation",
    "coordinates",
    "locate",
    "resample",
    "sample_geometry",
    "sample_photometry",
    "turn",
]
