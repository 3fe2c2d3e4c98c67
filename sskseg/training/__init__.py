"""The training loop, batches, and whole-image inference."""

from .batches import Batch, PatchBatches, channel_statistics, prefetch, standardized_sections
from .devices import inference_copy, isolated_seed, select_device, select_precision
from .inference import TileSettings, core_size, dihedral_mean, predict_images, round_up
from .loop import Budget, LoopSettings, optimize
from .objectives import LOSSES, ClassObjective, ForegroundObjective
from .valid import TILINGS, restore_size

__all__ = [
    "LOSSES",
    "TILINGS",
    "Batch",
    "Budget",
    "ClassObjective",
    "ForegroundObjective",
    "LoopSettings",
    "PatchBatches",
    "TileSettings",
    "channel_statistics",
    "core_size",
    "dihedral_mean",
    "inference_copy",
    "isolated_seed",
    "optimize",
    "predict_images",
    "prefetch",
    "restore_size",
    "round_up",
    "select_device",
    "select_precision",
    "standardized_sections",
]
