"""``sskseg convert``: labels and regions of interest from one format to another."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from typing import Any

import pandas as pd

from ...io import (
    read_images,
    read_labels,
    read_object_table,
    write_ome_zarr,
    write_ome_zarr_labels,
)
from ...io.folders import stem, without_label_suffix
from ...io.label_sources import has_regions_only, label_sources
from ...io.ome_zarr.existing import read_image_group
from ...io.ome_zarr.reading import holds_zarr, open_label_image
from ...io.rois.formats import FORMATS as ROI_SUFFIXES
from ..formats import FORMATS, OF_ALL, OF_IMAGE, OME_ZARR
from ..results import check_no_results
from ._common import file_names, new_folder, say
from ._exchange import (
    MEASURED,
    OF_VOLUMES,
    as_files,
    check_items,
    join_planes,
    read_labeled,
    whole_stacks,
    write_as,
    write_file,
)

_SUFFIXES = {"tif": (".tif", ".tiff"), OME_ZARR: (".zarr",), **ROI_SUFFIXES}
_OTHERS = {suffix for suffixes in _SUFFIXES.values() for suffix in suffixes}
_INTO_AN_IMAGE = ("name", "table", "overwrite")  # options for labels of an OME-Zarr image


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Read labels, and write them in another format."""
    _check_options(options)
    if options.image is not None:
        return _into_image(options)
    names: Sequence[str] | None = None
    shapes: Sequence[Sequence[int]] | None = None
    X = None
    if options.images is not None:
        check_no_results(options.images)
        names, X = read_images(options.images)
        shapes = [image.shape[:2] for image in X]
    if options.to == "tif" and names and shapes and has_regions_only(options.labels):
        names, shapes = whole_stacks(names, shapes, _files(options))
    known = read_labeled(
        options.labels, names, shapes, options.background, volumes=options.to in OF_VOLUMES
    )
    if options.to in OF_VOLUMES:
        known = join_planes(known, options.to, names, _files(options))
    if not known:
        raise ValueError(f"No image in {options.images} has labels in {options.labels}.")
    file = options.out if _is_file(options) else None
    if file is not None and len(known) > 1 and options.to not in OF_ALL:
        raise ValueError(
            f"{options.labels} holds labels of {len(known)} images, and --to {options.to} one in "
            f"each file: --out must be a folder, got {file}."
        )
    check_items(known, options.to)
    if options.to == "tif":
        known = as_files(known, X, _files(options))
    _check_new(options, [item.name for item in known], file)
    folder = new_folder(options.out if file is None else file.absolute().parent)
    files = {} if options.images is None else file_names(options.images)
    _warn_of_losses(options.to, [item.table for item in known if item.table is not None])
    if options.to == OME_ZARR:
        labels = {item.name: item.labels for item in known}
        zarr_format = options.zarr_format or 3
        written = _with_images(folder, file, names, X, labels, zarr_format=zarr_format)
    elif file is not None:
        write_file(file, options.to, known, files)
        written = [file.name]
    else:
        written = write_as(folder, options.to, known, files)
    shown = f"{', '.join(written[:3])}{' ...' if len(written) > 3 else ''} to {folder}"
    say(options, f"Wrote {shown if file is None else file}")
    return {"outputs": written, "folder": str(folder)}


def _files(options):
    """Files by the names of images: of the images, or of the label images."""
    path = options.images
    if path is not None:
        return {n: path / file if path.is_dir() else path for n, file in file_names(path).items()}
    files = [] if holds_zarr(options.labels) else label_sources(options.labels).images
    return {without_label_suffix(stem(file)): file for file in files}


def _is_file(options):
    """Whether --out names a file of the format (of OME-Zarr a folder), and no folder for it."""
    is_folder = options.out.is_dir() and options.to != OME_ZARR
    return not is_folder and options.out.suffix.lower() in _SUFFIXES[options.to]


def _check_new(options, names, file):
    """Refuse to replace files: an image may have the name of its labels."""
    all_of = OF_ALL.get(options.to)
    suffix = {**OF_IMAGE, OME_ZARR: ".ome.zarr"}.get(options.to)
    new = [all_of] if all_of else [f"{name}{suffix}" for name in names]
    for path in [options.out / name for name in new] if file is None else [file]:
        if path.exists():
            raise ValueError(f"{path} exists: --out must be another.")


def _warn_of_losses(kind, tables):
    """Warn of classes and measurements that a format does not take."""
    joined = pd.concat([pd.DataFrame(), *tables])
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
    options.to = options.to or (OME_ZARR if options.image is not None else _format_of(options.out))
    if options.image is not None and options.to != OME_ZARR:
        raise ValueError(f"--image is for --to {OME_ZARR}, got --to {options.to}.")
    if options.zarr_format is not None and (options.image is not None or options.to != OME_ZARR):
        raise ValueError(f"--zarr-format is for new images, --to {OME_ZARR} without --image.")
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
    suffixes = _SUFFIXES[options.to]
    if options.out is not None and options.out.suffix.lower() in _OTHERS - {*suffixes}:
        raise ValueError(
            f"--to {options.to} writes files that end with {' or '.join(suffixes)}: --out must end "
            f"so, or be a folder, got {options.out}."
        )


def _format_of(out):
    """The format of the suffix of --out."""
    suffix = "" if out is None else out.suffix.lower()
    found = [kind for kind in FORMATS if suffix in _SUFFIXES[kind]]
    if len(found) == 1:
        return found[0]
    reason = f"{suffix} may be {' or '.join(found)}" if found else "sskseg convert needs a format"
    raise ValueError(f"--to is missing: {reason}.")


def _into_image(options):
    """Write labels into an OME-Zarr image; those of OME-Zarr block by block."""
    if holds_zarr(options.labels):
        labels = open_label_image(options.labels)
    else:
        *others, y, x = read_image_group(options.image).shapes[0]
        shape = [*(n for n in others if n > 1), y, x]
        labels = _read_one(options.labels, shape, options.background)
    table = None if options.table is None else read_object_table(options.table)
    target = write_ome_zarr_labels(
        options.image, labels, options.name or "objects", properties=table,
        overwrite=options.overwrite,
    )  # fmt: skip
    say(options, f"Wrote {target}")
    return {"outputs": [target.name], "folder": str(target.parent)}


def _read_one(path, shape, background):
    """The only label image of a file, of an image of that shape."""
    ndim = min(len(shape), 3)
    # Sections without regions are not labeled; pages of zeros are written as they are.
    empty = None if has_regions_only(path) else "background"
    names, labels = read_labels(
        path, spatial_ndim=ndim, shape=shape, background=background, empty=empty
    )
    if len(labels) != 1:
        raise ValueError(f"{path} must hold one label image, got {len(names)}.")
    return labels[0]


def _with_images(folder, file, names, X, labels, **options):
    """Write images with their labels, and return the names of their folders."""
    paths = {name: file or folder / f"{name}.ome.zarr" for name in names if name in labels}
    # Planes of a stack have no size along z.
    spacing = None if X.spacing is None else X.spacing[-2:]
    written = []
    for name, image in zip(names, X, strict=True):
        if name in labels:
            path = paths[name]
            write_ome_zarr(
                path, image, axes="yxc"[: image.ndim], spacing=spacing, unit=X.unit,
                labels=labels[name], **options,
            )  # fmt: skip
            written.append(path.name)
    return written
