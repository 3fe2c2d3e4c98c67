"""``sskseg predict``: write labels, probabilities or masks."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from ...images import spatial_ndim_of
from ...io.image_writing import write_image
from ...io.label_writing import write_planes
from ..record import RECORD, Record
from ..results import check_results, results_folder
from ..sizes import count_text
from ._by_file import by_file
from ._common import (
    check_folder,
    model_file,
    model_of,
    progress_bars,
    read,
    say,
)
from .count import check_counts


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Predict images; write one TIFF file for each."""
    check_folder(options.out)
    check_results(options)
    model = model_of(options)
    check_counts(model, options)
    _check_output(model, options)
    names, X = read(options.images, options, model)
    record = Record(options.arguments, [options.images, model_file(options.model)])
    size: dict[str, Any] = {"spacing": X.spacing, "unit": X.unit}
    with progress_bars(options):
        found = _predict(model, X, options.output)
    images = by_file(names, found, options.images, spatial_ndim_of(model))
    files = [f"{each.name}_{options.output}.tif" for each in images]
    with results_folder(options) as folder:
        for file, (_, image, axes) in zip(files, images, strict=True):
            if options.output == "labels":
                write_planes(folder / file, image, axes, **size)
            else:
                image = image * np.uint8(255) if options.output == "mask" else image
                write_image(folder / file, image, axes, result=options.output, **size)
        record.write(folder / RECORD, outputs=files)
    say(options, f"Wrote {count_text(len(files), 'file')} to {options.out}")
    return {"outputs": files, "folder": str(options.out)}


def _check_output(model, options):
    """Raise for probabilities or masks of a model without a segmenter."""
    before = model[-2] if len(model) > 1 else None
    if options.output != "labels" and not hasattr(before, "predict_proba"):
        raise ValueError(
            f"--output {options.output} needs a segmenter before the counter: {options.model} has "
            f"none. Use --output labels."
        )


def _predict(model, X, output):
    """Label images, masks or probabilities of all images."""
    if output == "labels":
        return model[-1].label(model[:-1].transform(X) if len(model) > 1 else X)
    images = model[:-2].transform(X) if len(model) > 2 else X
    return model[-2].predict(images) if output == "mask" else model[-2].predict_proba(images)
