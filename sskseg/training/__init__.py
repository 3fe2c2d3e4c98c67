"""The training loop, batches, and whole-image inference."""

from .batches import PatchBatches, channel_statistics, prefetch, standardized_sections
from .devices import inference_copy, isolated_seed, select_device, select_precision
from .inference import TileSettings, core_size, dihedral_mean, predict_images, round_up
from .loop import Budget, LoopSettings, optimize

__all__ = [
    "Budget",
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
    "round_up",
    "select_device",
    "select_precision",
    "standardized_sections",
]
