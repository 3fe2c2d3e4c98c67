"""Training loop, batches, objectives and devices."""

from .batches import Batch, MixedBatches, PatchBatches
from .budget import Budget
from .callbacks import ReportProgress, StopSignal
from .device_arrays import DeviceArrays, HostArrays, hold_arrays
from .device_batches import DeviceBatches, batches_on, prepares_batches
from .devices import inference_copy, memory_format, select_device, select_precision
from .fitted import as_fitted, keep_parameters
from .global_state import isolated_seed, own_defaults, random_numbers
from .history import History
from .loop import EarlyStopping, LoopSettings, optimize, run_steps
from .objectives import LOSSES, ClassObjective, ForegroundObjective, SegmentationLoss
from .patch_sizes import check_batch, patch_sides
from .prediction_callbacks import PredictionStopped, prediction_callbacks
from .prefetch import prefetch, prefetch_on_gpu
from .simulated import draw_simulated, falling_share
from .standardization import channel_statistics, standardized_sections
from .transfer import (
    FINETUNE,
    check_backbone,
    does_task,
    last_network,
    rate_groups,
    start_network,
    starts_warm,
)

__all__ = [
    "FINETUNE",
    "LOSSES",
    "Batch",
    "Budget",
    "ClassObjective",
    "DeviceArrays",
    "DeviceBatches",
    "EarlyStopping",
    "ForegroundObjective",
    "History",
    "HostArrays",
    "LoopSettings",
    "MixedBatches",
    "PatchBatches",
    "PredictionStopped",
    "ReportProgress",
    "SegmentationLoss",
    "StopSignal",
    "as_fitted",
    "batches_on",
    "channel_statistics",
    "check_backbone",
    "check_batch",
    "does_task",
    "draw_simulated",
    "falling_share",
    "hold_arrays",
    "inference_copy",
    "isolated_seed",
    "keep_parameters",
    "last_network",
    "memory_format",
    "optimize",
    "own_defaults",
    "patch_sides",
    "prediction_callbacks",
    "prefetch",
    "prefetch_on_gpu",
    "prepares_batches",
    "random_numbers",
    "rate_groups",
    "run_steps",
    "select_device",
    "select_precision",
    "standardized_sections",
    "start_network",
    "starts_warm",
]
