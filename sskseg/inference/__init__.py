"""Predicting whole images: tiles, orientations, blocks of dask arrays, calibration."""

from .blocks import predict_blocks
from .calibration import (
    calibrate,
    fit_calibration,
    identity_calibration,
    mutual_information,
    normalized_entropy,
)
from .lazy import map_samples
from .orientations import dihedral_mean, dihedral_orientations, n_orientations, section_orientations
from .predictor import ChannelNormalization, Compute, DensePredictor
from .sections import SectionPredictor, Sections
from .tile_sizes import covers_reach, tile_settings, values_per_pixel
from .tiling import TileSettings, core_size, predict_images, round_up
from .valid_padding import pad_to_valid

__all__ = [
    "ChannelNormalization",
    "Compute",
    "DensePredictor",
    "SectionPredictor",
    "Sections",
    "TileSettings",
    "calibrate",
    "core_size",
    "covers_reach",
    "dihedral_mean",
    "dihedral_orientations",
    "fit_calibration",
    "identity_calibration",
    "map_samples",
    "mutual_information",
    "n_orientations",
    "normalized_entropy",
    "pad_to_valid",
    "predict_blocks",
    "predict_images",
    "round_up",
    "section_orientations",
    "tile_settings",
    "values_per_pixel",
]
