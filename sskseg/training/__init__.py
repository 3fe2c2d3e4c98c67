"""The training loop, batches, and whole-image inference."""

from .adversarial import HistoryBuffer, self_regularization, train_refiner
from .batches import (
    Batch,
    MixedBatches,
    PatchBatches,
    channel_statistics,
    prefetch,
    standardized_sections,
)
from .calibration import (
    fit_temperature,
    mutual_information,
    normalized_entropy,
    scale_temperature,
)
from .consistency import MeanTeacher, WeakToStrong
from .continuity import DisturbedSections
from .contours import ContourBatches, outline
from .devices import inference_copy, isolated_seed, select_device, select_precision
from .inference import (
    TileSettings,
    core_size,
    dihedral_mean,
    dihedral_views,
    predict_images,
    round_up,
)
from .loop import Budget, LoopSettings, optimize
from .objectives import LOSSES, ClassObjective, ForegroundObjective
from .proxies import ProxyBatches, field_shape, proxy_loss
from .valid import TILINGS, restore_size

__all__ = [
    "LOSSES",
    "TILINGS",
    "Batch",
    "Budget",
    "ClassObjective",
    "ContourBatches",
    "DisturbedSections",
    "ForegroundObjective",
    "HistoryBuffer",
    "LoopSettings",
    "MeanTeacher",
    "MixedBatches",
    "PatchBatches",
    "ProxyBatches",
    "TileSettings",
    "WeakToStrong",
    "channel_statistics",
    "core_size",
    "dihedral_mean",
    "dihedral_views",
    "field_shape",
    "fit_temperature",
    "inference_copy",
    "isolated_seed",
    "mutual_information",
    "normalized_entropy",
    "optimize",
    "outline",
    "predict_images",
    "prefetch",
    "proxy_loss",
    "restore_size",
    "round_up",
    "scale_temperature",
    "select_device",
    "select_precision",
    "self_regularization",
    "standardized_sections",
    "train_refiner",
]
