"""Simulated images that are made to look real."""

from ._refiner import SimulatedRefiner, realism
from .adversarial import HistoryBuffer, self_regularization, train_refiner
from .network import PatchDiscriminator, Refiner, SpatiallyAdaptiveNorm

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
