"""Simulated images that are made to look real."""

from ._refiner import SimulatedRefiner
from .adversarial import HistoryBuffer, self_regularization, train_refiner
from .network import PatchDiscriminator, Refiner, SpatiallyAdaptiveNorm
from .realism import spectrum_realism, structure_realism

__all__ = [
    "HistoryBuffer",
    "PatchDiscriminator",
    "Refiner",
    "SimulatedRefiner",
    "SpatiallyAdaptiveNorm",
    "self_regularization",
    "spectrum_realism",
    "structure_realism",
    "train_refiner",
]
