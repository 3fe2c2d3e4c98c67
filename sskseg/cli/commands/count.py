"""``sskseg count``: count and measure objects."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ...counting._checks import spacing_of
from ...counting.tables import by_stack
from ...images import ImageStack, check_positions, spatial_ndim_of
from ...io import atomic_path, write_object_table
from ...io.folders import without_number
from ...io.label_writing import write_planes
from ...morphology import count_objects, count_over_sections
from ...morphology.columns import PIXEL
from ...report import format_table
from ...report.overlay import check_plot, save_overlay
from ..record import RECORD, Record, files_below
from ..results import check_results, results_folder
from ..sizes import count_text
from ._by_file import by_file
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
)
from ._exchange import MEASURED, Labeled, write_as
from ._intensities import with_intensities


@dataclass
class _Found:
    """Objects in the images of a run."""

    names: list[str]
    X: ImageStack
    labels: list[np.ndarray]
    counts: pd.DataFrame
    objects: pd.DataFrame
    are_sections: bool

    @property
    def named(self) -> list[tuple[str, np.ndarray]]:
        return list(zip(self.names, self.labels, strict=True))


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Count objects; write tables and label images if a folder was given."""
    _check_out(options)
    model = model_of(options)
    check_counts(model, options)
    names, X = read(options.images, options, model)
    record = None
    if options.out is not None:
        record = Record(options.arguments, [options.images, model_file(options.model)])
    found = _count(model, names, X, options)
    result = {
        "counts": dict(zip(names, map(int, found.counts.objects), strict=True)),
        "total": len(found.objects),
    }
    _say_counts(options, found)
    if record is None:
        say_nothing_written(options, "counts.csv, objects.csv and label images")
        return result
    volumes = by_file(names, found.labels, options.images, spatial_ndim_of(model))
    with results_folder(options) as folder:
        _write(folder, options, found, volumes)
        written = [file.as_posix() for file in files_below(folder)]
        record.write(folder / RECORD, outputs=written, result=result)
    _say_written(options, found, len(volumes))
    return result


def _check_out(options):
    """Raise for a folder that cannot be written, and for results that need one."""
    if options.out is not None:
        check_folder(options.out)
        check_results(options)
    for name in ("overlays", "rois"):
        if getattr(options, name) and options.out is None:
            raise ValueError(f"--out is missing: --{name} needs a folder.")
    if options.overlays:
        check_plot()


def _count(model, names, X, options) -> _Found:
    """Count and measure the objects of all images; intensities only for a table that is written."""
    with progress_bars(options):
        outputs = model[:-1].transform(X) if len(model) > 1 else X
        objects, labels = model[-1].measure(outputs, return_labels=True)
    if options.out is not None:
        objects = with_intensities(objects, labels, options.images, spatial_ndim_of(model))
    visible = [count_objects(label) for label in labels]
    counts = pd.DataFrame({"image": names, "objects": visible})
    if "sample" in objects:
        objects.insert(0, "image", [names[i] for i in objects.pop("sample")])
        return _Found(names, X, labels, counts, objects, are_sections=False)
    positions = check_positions(X.positions, len(labels))
    counts["objects"] = count_over_sections(labels, positions)
    counts["visible_objects"] = visible
    objects = by_stack(objects, labels, positions, names, spacing_of(model[-1], outputs))
    return _Found(names, X, labels, counts, objects, are_sections=True)


def _say_counts(options, found):
    say(options, format_table(found.counts))
    in_all = f" in {count_text(len(found.names), 'section')}" if found.are_sections else ""
    say(options, f"\n{count_text(len(found.objects), 'object')}{in_all}")


def _say_written(options, found, n_volumes):
    images = count_text(n_volumes, "label image")
    more = " and their overlays" if options.overlays else ""
    say(options, f"Wrote counts.csv, objects.csv and {images}{more} to {options.out}")
    if found.objects.attrs.get("units", {}).get("centroid_x") == PIXEL:
        size = "the distance of sections, or " * found.are_sections + "the size of a pixel"
        example = "2,0.5,0.5um" if "centroid_z" in found.objects else "0.5um"
        say(options, f"Sizes in objects.csv are in pixels: the files do not define {size}. Give it "
            f"by --spacing, such as --spacing {example}.")  # fmt: skip


def _write(folder, options, found, volumes):
    """Write tables, label images of files, and what else the options ask for."""
    with atomic_path(folder / "counts.csv") as path:
        found.counts.to_csv(path, index=False)
    write_object_table(folder / "objects.csv", found.objects)
    for each in volumes:
        write_planes(
            folder / f"{each.name}_labels.tif", each.pixels, each.axes, spacing=found.X.spacing,
            unit=found.X.unit,
        )  # fmt: skip
    _write_regions(folder, options, found, volumes)
    if options.overlays:
        _write_overlays(new_folder(folder / "overlays"), found)


def _write_overlays(folder, found):
    """Write pictures into a folder of their own, where no reader takes them for images."""
    for image, (name, label) in zip(found.X, found.named, strict=True):
        save_overlay(
            folder / f"{name}.png", [image], y_pred=[label], titles=[name], numbers=True
        )  # fmt: skip


def _write_regions(folder, options, found, volumes):
    """Write objects with their measurements, each format into a folder of its own: beside the label
    images, an image would have several files of labels. Files of Fiji and QuPath hold stacks.
    """
    files = file_names(options.images)
    for kind in options.rois:
        items = [
            Labeled(name, label, table=_of_image(name, label, found))
            for name, label in _drawn(kind, found, volumes)
        ]
        try:
            write_as(new_folder(folder / kind), kind, items, files)
        except ValueError as error:
            raise ValueError(f"--rois {kind}: {error}") from error


def _drawn(kind, found, volumes):
    """Names and labels of what a file of regions holds: a stack, or an image. GeoJSON has no
    section of a time.
    """
    if not found.are_sections or kind not in MEASURED:
        return found.named
    whole = {each.name: each.planes for each in volumes if kind == "imagej" or each.axes != "TZYX"}
    others = [pair for pair in found.named if without_number(pair[0]) not in whole]
    return [*whole.items(), *(pair for pair in others if pair[0] not in whole)]


def _of_image(name, label, found):
    """The rows of the objects of an image; those of sections are of objects that it shows."""
    objects = found.objects
    rows = objects.id.isin(np.unique(label)) if found.are_sections else objects.image == name
    return objects[rows].drop(columns="image", errors="ignore")


def check_counts(model: Any, options: argparse.Namespace) -> None:
    """Raise for a model without a counter at its end."""
    last = model[-1] if hasattr(model, "steps") else model
    if not (hasattr(model, "steps") and hasattr(last, "measure")):
        raise ValueError(
            f"{options.model} holds a {type(last).__name__}: expected a pipeline with a counter at "
            "its end, such as sskseg fit writes."
        )
