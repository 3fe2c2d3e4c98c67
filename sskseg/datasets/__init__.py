"""Simulated and public data sets."""

from ..io.images import read_image, read_images
from ._load import (
    load_array_tomography_4ch,
    load_dsb2018_nuclei,
    load_epfl_mitochondria,
    load_isbi2012,
    load_lightsheet_2ch,
    load_nissl_rat_cortex,
    load_nuclei3d,
    load_psd95_puncta,
)
from ._make_cells import make_cells
from ._make_junctions import make_neuromuscular_junctions

__all__ = [
    "load_array_tomography_4ch",
    "load_dsb2018_nuclei",
    "load_epfl_mitochondria",
    "load_isbi2012",
    "load_lightsheet_2ch",
    "load_nissl_rat_cortex",
    "load_nuclei3d",
    "load_psd95_puncta",
    "make_cells",
    "make_neuromuscular_junctions",
    "read_image",
    "read_images",
]
