"""The training loop, batches, objectives and devices."""

from .batches import (
    Batch,
    MixedBatches,
    PatchBatches,
    channel_statistics,
    prefetch,
    standardized_sections,
)
from .devices import inference_copy, isolated_seed, memory_format, select_device, select_precision
from .loop import Budget, LoopSettings, optimize
from .objectives import LOSSES, ClassObjective, ForegroundObjective, SegmentationLoss
from .patch_sizes import check_batch, patch_sides
from .simulated import balanced_weights, draw_simulated
from .transfer import FINETUNE, rate_groups, start_network

__all__ = [
    "FINETUNE",
    "LOSSES",
    "Batch",
    "Budget",
    "ClassObjective",
    "ForegroundObjective",
    "LoopSettings",
    "MixedBatches",
    "PatchBatches",
    "SegmentationLoss",
    "balanced_weights",
    "channel_statistics",
    "check_batch",
    "draw_simulated",
    "inference_copy",
    "isolated_seed",
    "memory_format",
    "optimize",
    "patch_sides",
    "prefetch",
    "rate_groups",
    "select_device",
    "select_precision",
    "standardized_sections",
    "start_network",
]
