"""``sskseg convert``: labels and regions of interest from one format to another."""

from __future__ import annotations

import argparse
from typing import Any

from ...io import (
    read_images,
    read_labels,
    read_object_table,
    write_ome_zarr,
    write_ome_zarr_labels,
)
from ...io.ome_zarr.existing import read_image_group
from ...io.ome_zarr.reading import holds_zarr, open_label_image
from ..formats import OME_ZARR
from ._common import new_folder, say, write_as

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
    names, labels = read_labels(options.labels, names, shape=shapes)
    known = [(name, label) for name, label in zip(names, labels, strict=True) if label is not None]
    if not known:
        raise ValueError(f"No image in {options.images} has labels in {options.labels}.")
    folder = new_folder(options.out)
    if options.to == OME_ZARR:
        written = _with_images(folder, names, X, dict(known))
    else:
        written = write_as(folder, options.to, known)
    say(options, f"Wrote {', '.join(written[:3])}{' ...' if len(written) > 3 else ''} to {folder}")
    return {"outputs": written, "folder": str(folder)}


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
