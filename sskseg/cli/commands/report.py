"""``sskseg report``: an HTML page about a model and its predictions."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...images.annotation_checks import is_labeled
from ...io import read_pairs
from ...io.folders import stem
from ...io.units import unit_symbol
from ...report import html
from ..record import sha256
from ..sizes import count_text
from ._common import (
    file_names,
    model_file,
    model_of,
    new_folder,
    read_with_labels,
    record_file,
    say,
    spatial_ndim,
    with_spacing,
)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Write the page."""
    if options.out.is_dir():
        raise ValueError(f"{options.out} is a folder: --out must be an HTML file.")
    new_folder(options.out.absolute().parent)
    model = model_of(options)
    ndim = spatial_ndim(model)
    names, X, y = read_with_labels(options, ndim)
    X = with_spacing(X, options, ndim)
    unit = unit_symbol(X.unit or "pixels")
    path = html(
        model, X, y, options.out, names=names, spacing=X.spacing, unit=unit,
        trained_on=_trained_on(options, names, ndim),
    )  # fmt: skip
    say(options, f"Wrote {path}")
    return {"report": str(path)}


def _trained_on(options, names: Sequence[str], ndim: int) -> list[str] | None:
    """Use of each image in the fit; None if it is unknown."""
    if options.trained_on is not None:
        _, _, y = read_pairs(
            options.images, options.trained_on, spatial_ndim=ndim, background=options.background,
            empty=options.empty, channel=options.channel, only_paired=True,
        )  # fmt: skip
        uses = ["training" if is_labeled(label) else "new" for label in y]
        n = uses.count("training")
        say(options, f"Labels in --trained-on: {n} of {count_text(len(names), 'image')}")
        return uses
    file = record_file(model_file(options.model))
    record = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    if "trained_on" not in record:
        return None
    return _uses(options.images, names, record)


def _uses(path, names, record):
    """Use of each image: that of the image of `fit` whose file has the same content.

    Another file may have its name, and it may have another name.
    """
    stems = defaultdict(set)
    for file, content in record["inputs"].items():
        stems[content].add(stem(Path(file)))
    files = {
        name: path if path.is_file() else path / file for name, file in file_names(path).items()
    }
    known = {name: stems[sha256(file)] for name, file in files.items()}
    return [_use(name, known, record["trained_on"]) for name in names]


def _use(name, known, trained_on):
    """Use of an image; of files with the same content, one may be labeled and another one not."""
    base = name if name in known else name.rpartition("_")[0]
    found = {trained_on.get(each + name[len(base) :]) for each in known[base]}
    return next((use for use in ("training", "validation") if use in found), "new")
