"""``sskseg report``: an HTML page about a model and its predictions."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...images import spatial_ndim_of
from ...images.annotation_checks import is_labeled
from ...io import read_pairs
from ...io.folders import stem
from ...io.trained import trained_file
from ...io.units import unit_symbol
from ...models import model_card
from ...report._groups import validation_indices
from ...report._page_sections import Page
from ...report._write import outputs_of, write_page
from ..messages import translate
from ..record import sha256
from ..results import check_new_file
from ..sizes import count_text
from ._common import (
    file_names,
    model_file,
    model_of,
    new_folder,
    read_with_labels,
    record_file,
    say,
    say_stacks,
    steps_of,
    with_spacing,
)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Write the page."""
    _check_out(options)
    model = model_of(options)
    ndim = spatial_ndim_of(model)
    names, X, y = read_with_labels(options, ndim)
    X = with_spacing(X, options, model)
    say_stacks(X, options, model)
    unit = unit_symbol(X.unit or "pixels")
    uses, note = _uses(options, names, model)
    page = Page(
        outputs_of(model, X), y, uses, names, {"spacing": X.spacing, "unit": unit},
        explain=lambda text: translate(text, options),
    )  # fmt: skip
    path = write_page(options.out, page, training_note=note)
    say(options, f"Wrote {path}")
    return {"report": str(path)}


def _check_out(options):
    """Raise for a page that cannot be written, or would replace a file."""
    if options.out.is_dir():
        raise ValueError(f"{options.out} is a folder: --out must be an HTML file.")
    if options.out.suffix.lower() not in (".html", ".htm"):
        raise ValueError(
            f"{options.out} is no name of a page: --out must be an HTML file, such as "
            f"{options.out}.html."
        )
    check_new_file(options.out, options, "page")
    new_folder(options.out.absolute().parent)


def _uses(options, names: Sequence[str], model: Any) -> tuple[list[str] | None, str]:
    """Use of each image in the fit; None with a note on the training images."""
    if trained_file(options.model) is not None:
        return None, _note_of_trained(options)
    file = record_file(model_file(options.model))
    record = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    uses = _recorded_uses(options.images, names, record) if "trained_on" in record else None
    if options.trained_on is None:
        return uses, ""
    return _with_labeled(uses, _labeled(options, names, model), model), ""


def _note_of_trained(options):
    """What the card of a model that comes with sskseg says of its training images."""
    name = options.model.name
    if options.trained_on is not None:
        raise ValueError(
            f"--trained-on takes the labels that sskseg fit was given, and {name} comes with "
            "sskseg: leave the option out, and pass the labels to compare with as --labels."
        )
    return (
        f"The model {name} comes with sskseg. These images are new to it, unless they are of its "
        f"training data: {model_card(name).data}."
    )


def _labeled(options, names, model):
    """Whether each image has labels in --trained-on."""
    _, _, y = read_pairs(
        options.images, options.trained_on, spatial_ndim=spatial_ndim_of(model),
        background=options.background, empty=options.empty, channel=options.channel,
        only_paired=True,
    )  # fmt: skip
    labeled = [is_labeled(label) for label in y]
    say(options, f"Labels in --trained-on: {sum(labeled)} of {count_text(len(names), 'image')}")
    return labeled


def _with_labeled(uses, labeled, model):
    """Uses by the record of the fit, and of images that it does not have by --trained-on.

    Which of these were held out is not known: the model knows them by their number in the fit.
    """
    held_out = validation_indices(steps_of(model))
    used = "training or validation" if len(held_out) else "training"
    uses = uses or ["new"] * len(labeled)
    return [
        used if is_in and use == "new" else use for use, is_in in zip(uses, labeled, strict=True)
    ]


def _recorded_uses(path, names, record):
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
