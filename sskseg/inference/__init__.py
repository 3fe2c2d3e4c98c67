"""Predicting whole images: tiles, orientations, blocks of dask arrays, temperatures."""

from .blocks import predict_blocks
from .lazy import map_samples
from .orientations import dihedral_mean, dihedral_orientations
from .temperature import (
    fit_temperature,
    mutual_information,
    normalized_entropy,
    scale_temperature,
)
from .tile_sizes import covers_reach, tile_settings, values_per_pixel
from .tiling import TileSettings, core_size, predict_images, round_up
from .valid_padding import TILINGS, restore_size

__all__ = [
    "TILINGS",
    "TileSettings",
    "core_size",
    "covers_reach",
    "dihedral_mean",
    "dihedral_orientations",
    "fit_temperature",
    "map_samples",
    "mutual_information",
    "normalized_entropy",
    "predict_blocks",
    "predict_images",
    "restore_size",
    "round_up",
    "scale_temperature",
    "tile_settings",
    "values_per_pixel",
]
