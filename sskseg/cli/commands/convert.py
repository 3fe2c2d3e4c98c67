"""``sskseg convert``: labels and regions of interest from one format to another."""

from __future__ import annotations

import argparse
import warnings
from typing import Any

import numpy as np
import pandas as pd

from ...io import (
    read_images,
    read_labels,
    read_object_table,
    write_ome_zarr,
    write_ome_zarr_labels,
)
from ...io.ome_zarr.existing import read_image_group
from ...io.ome_zarr.reading import holds_zarr, open_label_image
from ...io.rois.adapters import holds_labels, read_areas
from ..formats import OME_ZARR
from ._common import MEASURED, file_names, new_folder, say, write_as

_INTO_AN_IMAGE = ("name", "table", "overwrite")  # options for labels of an OME-Zarr image


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Read labels, and write them in another format."""
    _check_options(options)
    if options.image is not None:
        return _into_image(options)
    names = shapes = X = None
    if options.images is not None:
        names, X = read_images(options.images)
        shapes = [image.shape[:2] for image in X]
    known, tables = _read(options.labels, names, shapes)
    if not known:
        raise ValueError(f"No image in {options.images} has labels in {options.labels}.")
    folder = new_folder(options.out)
    if options.to == OME_ZARR:
        written = _with_images(folder, names, X, dict(known))
    else:
        files = {} if options.images is None else file_names(options.images)
        _warn_of_losses(options.to, tables)
        written = write_as(folder, options.to, known, tables, files)
    say(options, f"Wrote {', '.join(written[:3])}{' ...' if len(written) > 3 else ''} to {folder}")
    return {"outputs": written, "folder": str(folder)}


def _read(path, names, shapes):
    """Pairs of name and label image, and the tables of regions by name; empty without regions."""
    if holds_zarr(path) or not holds_labels(path):
        names, labels = read_labels(path, names, shape=shapes)
        each = zip(names, labels, strict=True)
        return [(name, label) for name, label in each if label is not None], {}
    known, tables = [], {}
    for name, rois in zip(*read_areas(path, names, 2, shapes), strict=True):
        if rois is None or rois.labels is None:
            continue
        table = rois.table.drop(columns="section", errors="ignore")
        known.append((name, rois.labels))
        tables[name] = table[table.id.isin(np.unique(rois.labels))]  # others are hidden
    return known, tables


def _warn_of_losses(kind, tables):
    """Warn of classes and measurements that a format does not take."""
    joined = pd.concat([pd.DataFrame(), *tables.values()])
    lost = {name for name in joined if name not in ("id", "name") and joined[name].notna().any()}
    if lost and joined["class"].nunique() < 2:  # one class distinguishes nothing
        lost -= {"class"}
    if lost and kind not in MEASURED:
        warnings.warn(
            f"--to {kind} writes outlines alone: {', '.join(sorted(lost))} of the regions are left "
            f"out. --to {' or '.join(MEASURED)} keeps them.",
            UserWarning,
            stacklevel=2,
        )


def _check_options(options):
    """Complete the format, and refuse options that do not belong to it."""
    options.to = options.to or (OME_ZARR if options.image is not None else None)
    if options.to is None:
        raise ValueError("--to is missing: sskseg convert needs a format.")
    if options.image is not None and options.to != OME_ZARR:
        raise ValueError(f"--image is for --to {OME_ZARR}, got --to {options.to}.")
    unused = ("out", "images") if options.image is not None else _INTO_AN_IMAGE
    given = [f"--{name}" for name in unused if getattr(options, name)]
    if given:
        with_or_without = "with" if options.image is not None else "without"
        raise ValueError(f"{' and '.join(given)} cannot be used {with_or_without} --image.")
    needed = ("out", "images") if options.to == OME_ZARR else ("out",)
    missing = [f"--{name}" for name in needed if getattr(options, name) is None]
    if options.image is None and missing:
        other = ", or --image and an OME-Zarr image" if options.to == OME_ZARR else ""
        raise ValueError(f"--to {options.to} needs {' and '.join(missing)}{other}.")


def _into_image(options):
    """Write labels into an OME-Zarr image; those of OME-Zarr block by block."""
    if holds_zarr(options.labels):
        labels = open_label_image(options.labels)
    else:
        *others, y, x = read_image_group(options.image).shapes[0]
        labels = _read_one(options.labels, [*(n for n in others if n > 1), y, x])
    table = None if options.table is None else read_object_table(options.table)
    target = write_ome_zarr_labels(
        options.image, labels, options.name or "objects", properties=table,
        overwrite=options.overwrite,
    )  # fmt: skip
    say(options, f"Wrote {target}")
    return {"outputs": [target.name], "folder": str(target.parent)}


def _read_one(path, shape):
    """The only label image of a file, of an image of that shape."""
    names, labels = read_labels(path, spatial_ndim=min(len(shape), 3), shape=shape)
    if len(labels) != 1:
        raise ValueError(f"{path} must hold one label image, got {len(names)}.")
    return labels[0]


def _with_images(folder, names, X, labels):
    """Write images with their labels, and return the names of their folders."""
    paths = {name: folder / f"{name}.ome.zarr" for name in names if name in labels}
    for path in paths.values():
        if path.exists():
            raise ValueError(f"{path} exists: choose another folder with --out.")
    written = []
    for name, image in zip(names, X, strict=True):
        if name in labels:
            path = paths[name]
            write_ome_zarr(
                path, image, axes="yxc"[: image.ndim], spacing=X.spacing, unit=X.unit,
                labels=labels[name],
            )  # fmt: skip
            written.append(path.name)
    return written
