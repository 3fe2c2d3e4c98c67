"""Augmentation of training patches: sampled parameters, and pure functions of them.

It needs torch, so that `sskseg.images` does not import it.
"""

from .geometry import Geometry, coordinates, locate, resample, sample_geometry, turn, turn_batch
from .parameters import PRESETS, Augmentation, check_augmentation
from .photometry import Photometry, adjust, sample_photometry
from .photometry_batch import adjust_batch

__all__ = [
    "PRESETS",
    "Augmentation",
    "Geometry",
    "Photometry",
    "adjust",
    "adjust_batch",
    "check_augmentation",
    "coordinates",
    "locate",
    "resample",
    "sample_geometry",
    "sample_photometry",
    "turn",
    "turn_batch",
]
