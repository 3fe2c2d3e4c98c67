"""``sskseg convert``: labels and regions of interest from one format to another."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ...io import read_images, read_labels, write_labels, write_rois
from ._common import new_folder, say

_SUFFIXES = {
    "tif": ".tif", "imagej": ".zip", "geojson": ".geojson", "labelme": ".json", "napari": ".csv",
    "ilastik": ".h5",
}  # fmt: skip
_OF_ALL = {"coco": "labels.json", "cvat": "labels.xml"}  # one file for all images
FORMATS = (*_SUFFIXES, *_OF_ALL)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Read labels, and write them in another format."""
    names = shapes = None
    if options.images is not None:
        names, X = read_images(options.images)
        shapes = [image.shape[:2] for image in X]
    names, labels = read_labels(options.labels, names, shape=shapes)
    known = [(name, label) for name, label in zip(names, labels, strict=True) if label is not None]
    if not known:
        raise ValueError(f"No image in {options.images} has labels in {options.labels}.")
    folder = new_folder(options.out)
    written = write(folder, options.to, known)
    say(options, f"Wrote {', '.join(written[:3])}{' ...' if len(written) > 3 else ''} to {folder}")
    return {"outputs": written, "folder": str(folder)}


def write(folder: Path, kind: str, named: list[tuple[str, Any]]) -> list[str]:
    """Write label images in a format, and return the names of the files.

    Parameters
    ----------
    folder : Path
    kind : str
        Of `FORMATS`.
    named : list of (str, ndarray of int)
        Names of images, and their labels.
    """
    if kind in _OF_ALL:
        names, labels = zip(*named, strict=True)
        write_rois(folder / _OF_ALL[kind], list(labels), names=list(names), format=kind)
        return [_OF_ALL[kind]]
    written = []
    for name, label in named:
        file = folder / f"{name}{_SUFFIXES[kind]}"
        if kind == "tif":
            write_labels(file, [label])
        else:
            write_rois(file, label, names=[name], format=kind)
        written.append(file.name)
    return written
