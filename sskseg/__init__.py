"""Segment and count objects in microscope images from few labels.

The estimators are loaded when they are first used, so that ``import sskseg`` stays light.
"""

from importlib import import_module as _import_module

__version__ = "0.1.0.dev0"

_HOMES = {
    "Annotations": "images.annotations",
    "ContourDetector": "detection",
    "CrossFitted": "model_selection",
    "DomainCheck": "preprocessing",
    "ImageStack": "images",
    "InstanceCounter": "counting",
    "LabeledKFold": "model_selection",
    "LogBlobs": "baselines",
    "OtsuWatershed": "baselines",
    "PercentileScaler": "preprocessing",
    "PixelForest": "baselines",
    "PretrainedBackbone": "models",
    "ProxyPretrainer": "pretraining",
    "SegmentationLoss": "training",
    "SemiSupervisedSegmenter": "segmentation",
    "SimulatedRefiner": "refinement",
    "count_scorer": "model_selection",
    "cross_val_sections": "model_selection",
    "dice_scorer": "model_selection",
    "suggest_samples": "model_selection",
}
__all__ = sorted(_HOMES)


def __getattr__(name):
    if name in _HOMES:
        return getattr(_import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_HOMES])
