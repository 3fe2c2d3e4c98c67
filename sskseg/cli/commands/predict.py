"""``sskseg predict``: write labels, probabilities or masks."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from ...io import atomic_path, write_labels
from ..record import Record
from ._common import model_file, new_folder, read, read_model, say
from .count import check_counts


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Predict images; write one TIFF file for each."""
    model = read_model(options.model)
    check_counts(model, options)
    names, X = read(options.images, options, model)
    record = Record(options.arguments, [options.images, model_file(options.model)])
    segmenter, images = model[-2], model[:-2].transform(X) if len(model) > 2 else X
    folder, written = new_folder(options.out), []
    if options.output == "labels":
        found = model[-1].label(segmenter.transform(images))
    elif options.output == "mask":
        found = segmenter.predict(images)
    else:
        found = segmenter.predict_proba(images)
    for name, image in zip(names, found, strict=True):
        file = folder / f"{name}_{options.output}.tif"
        if options.output == "labels":
            write_labels(file, [image])
        else:
            _write(file, image)
        written.append(file.name)
    record.write(folder / "run.json", outputs=written)
    say(options, f"Wrote {len(written)} files to {folder}")
    return {"outputs": written, "folder": str(folder)}


def _write(path, image):
    """Write a mask, or probabilities as float32, with channels first."""
    import tifffile

    is_mask = image.dtype == np.uint8
    image = image * np.uint8(255) if is_mask else image
    with atomic_path(path) as part:
        tifffile.imwrite(part, image, compression="zlib", photometric="minisblack")
