"""``sskseg info``: what a model or an image file holds."""

from __future__ import annotations

import argparse
from typing import Any

from ...io import read_images
from ...io.folders import SUFFIXES
from ...io.vendors import is_vendor_file
from ._common import MODEL, read_model, say


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Show the steps of a model, or the shapes of images."""
    path = options.path
    is_image = path.suffix.lower() in SUFFIXES or is_vendor_file(path)
    is_model = (path / MODEL).is_file() if path.is_dir() else not is_image
    result = _of_model(read_model(path)) if is_model else _of_images(path)
    for name, value in result.items():
        say(options, f"{name}: {value}")
    return result


def _of_model(model):
    steps = model.steps if hasattr(model, "steps") else [(type(model).__name__, model)]
    result = {name: repr(step) for name, step in steps}
    for name, step in steps:
        for attribute in ("n_channels_", "object_size_", "label_offset_", "semi_supervision_",
                          "threshold_", "min_size_", "seeds_"):  # fmt: skip
            if hasattr(step, attribute):
                value = getattr(step, attribute)
                result[f"{name}.{attribute}"] = (
                    value.tolist() if hasattr(value, "tolist") else value
                )
    return result


def _of_images(path):
    names, X = read_images(path)
    shapes = sorted({str(image.shape) for image in X})
    return {
        "images": len(names),
        "shapes": shapes,
        "dtypes": sorted({str(image.dtype) for image in X}),
        "size of a pixel": None if X.spacing is None else [*X.spacing, X.unit],
        "names": names,
    }
