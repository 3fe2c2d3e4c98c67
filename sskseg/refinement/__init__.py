"""Simulated images that are made to look real."""

from ._refiner import SimulatedRefiner
from .adversarial import HistoryBuffer, self_regularization, train_refiner
from .network import PatchDiscriminator, Refiner, SpatiallyAdaptiveNorm
from .realism import realism

__all__ = [
    "HistoryBuffer",
    "PatchDiscriminator",
    "Refiner",
    "SimulatedRefiner",
    "SpatiallyAdaptiveNorm",
    "realism",
    "self_regularization",
    "train_refiner",
]
