"""``sskseg count``: count and measure objects."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import pandas as pd

from ...counting._checks import spacing_of
from ...images import check_positions, consecutive_runs
from ...io import atomic_path, write_labels, write_object_table
from ...morphology import count_objects, count_over_sections
from ...morphology.columns import PIXEL
from ...report import format_table
from ...report.overlay import check_plot, save_overlay
from ..record import RECORD, Record, files_below
from ..results import check_results, results_folder
from ..sizes import count_text
from ._by_file import by_file, by_stack
from ._common import (
    check_folder,
    file_names,
    model_file,
    model_of,
    new_folder,
    progress_bars,
    read,
    say,
    say_nothing_written,
    spatial_ndim,
)
from ._exchange import MEASURED, Labeled, write_as
from ._intensities import with_intensities


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Count objects; write tables and label images if a folder was given."""
    if options.out is not None:
        check_folder(options.out)
        check_results(options)
    for name in ("overlays", "rois"):
        if getattr(options, name) and options.out is None:
            raise ValueError(f"--out is missing: --{name} needs a folder.")
    if options.overlays:
        check_plot()
    model = model_of(options)
    check_counts(model, options)
    names, X = read(options.images, options, model)
    record = None
    if options.out is not None:
        record = Record(options.arguments, [options.images, model_file(options.model)])
    with progress_bars(options):
        outputs = model[:-1].transform(X) if len(model) > 1 else X
        objects, labels = model[-1].measure(outputs, return_labels=True)
    if record is not None:
        objects = with_intensities(objects, labels, options.images, spatial_ndim(model))
    visible, are_sections = [count_objects(label) for label in labels], "sample" not in objects
    counts = pd.DataFrame({"image": names, "objects": visible})
    total = len(objects)
    if are_sections:  # their objects span images, and count once
        positions = check_positions(X.positions, len(labels))
        # Each stack as alone: a center between two sections is nearest to the even one of all.
        counts["objects"] = np.concatenate([
            count_over_sections([labels[i] for i in run], positions[run])
            for run in consecutive_runs(positions)
        ])  # fmt: skip
        counts["visible_objects"] = visible
        objects = by_stack(objects, labels, positions, names, spacing_of(model[-1], outputs))
    else:
        objects.insert(0, "image", [names[i] for i in objects.pop("sample")])
    say(options, format_table(counts))
    in_all = f" in {count_text(len(names), 'section')}" if are_sections else ""
    say(options, f"\n{count_text(total, 'object')}{in_all}")
    result = {"counts": dict(zip(names, map(int, counts.objects), strict=True)), "total": total}
    if record is None:
        say_nothing_written(options, "counts.csv, objects.csv and label images")
        return result
    named = list(zip(names, labels, strict=True))
    volumes = by_file(names, labels, options.images, spatial_ndim(model))
    with results_folder(options) as folder:
        with atomic_path(folder / "counts.csv") as path:
            counts.to_csv(path, index=False)
        write_object_table(folder / "objects.csv", objects)
        for name, label in volumes:
            write_labels(folder / f"{name}_labels.tif", [label], spacing=X.spacing, unit=X.unit)
        _write_regions(folder, options, named, volumes if are_sections else [], objects)
        if options.overlays:
            _write_overlays(new_folder(folder / "overlays"), X, named)
        written = [file.as_posix() for file in files_below(folder)]
        record.write(folder / RECORD, outputs=written, result=result)
    images = count_text(len(volumes), "label image")
    more = " and their overlays" if options.overlays else ""
    say(options, f"Wrote counts.csv, objects.csv and {images}{more} to {options.out}")
    if objects.attrs.get("units", {}).get("centroid_x") == PIXEL:
        size = "the distance of sections, or " * are_sections + "the size of a pixel"
        example = "2,0.5,0.5um" if are_sections else "0.5um"
        say(options, f"Sizes in objects.csv are in pixels: the files do not define {size}. Give it "
            f"by --spacing, such as --spacing {example}.")  # fmt: skip
    return result


def _write_overlays(folder, X, named):
    """Write pictures into a folder of their own, where no reader takes them for images."""
    for image, (name, label) in zip(X, named, strict=True):
        save_overlay(
            folder / f"{name}.png", [image], y_pred=[label], titles=[name], numbers=True
        )  # fmt: skip


def _write_regions(folder, options, named, stacks, objects):
    """Write objects with their measurements, each format into a folder of its own: beside the label
    images, an image would have several files of labels. Files of Fiji and QuPath hold stacks.
    """
    files, are_stacks = file_names(options.images), bool(stacks)
    items, whole = (
        [
            Labeled(name, label, table=_of_image(name, label, objects, are_stacks))
            for name, label in images
        ]
        for images in (named, stacks)
    )
    for kind in options.rois:
        try:
            found = whole if are_stacks and kind in MEASURED else items
            write_as(new_folder(folder / kind), kind, found, files)
        except ValueError as error:
            raise ValueError(f"--rois {kind}: {error}") from error


def _of_image(name, label, objects, are_sections):
    """The rows of the objects of an image; those of sections are of objects that it shows."""
    rows = objects.id.isin(np.unique(label)) if are_sections else objects.image == name
    return objects[rows].drop(columns="image", errors="ignore")


def check_counts(model: Any, options: argparse.Namespace) -> None:
    """Raise for a model without a counter at its end."""
    last = model[-1] if hasattr(model, "steps") else model
    if not (hasattr(model, "steps") and hasattr(last, "measure")):
        raise ValueError(
            f"{options.model} holds a {type(last).__name__}: expected a pipeline with a counter at "
            "its end, such as sskseg fit writes."
        )
