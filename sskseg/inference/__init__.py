"""Predicting whole images: tiles, orientations, blocks of dask arrays, temperatures."""

from .blocks import predict_blocks
from .lazy import map_samples
from .orientations import dihedral_mean, dihedral_orientations, n_orientations, section_orientations
from .predictor import ChannelNormalization, Compute, DensePredictor
from .sections import SectionPredictor, Sections
from .temperature import (
    fit_temperature,
    mutual_information,
    normalized_entropy,
    scale_temperature,
)
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
    "core_size",
    "covers_reach",
    "dihedral_mean",
    "dihedral_orientations",
    "fit_temperature",
    "map_samples",
    "mutual_information",
    "n_orientations",
    "normalized_entropy",
    "pad_to_valid",
    "predict_blocks",
    "predict_images",
    "round_up",
    "scale_temperature",
    "section_orientations",
    "tile_settings",
    "values_per_pixel",
]
