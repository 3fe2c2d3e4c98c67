"""``sskseg convert``: labels and regions of interest from one format to another."""

from __future__ import annotations

import argparse
from typing import Any

from ...io import read_images, read_labels
from ._common import new_folder, say, write_as


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
    written = write_as(folder, options.to, known)
    say(options, f"Wrote {', '.join(written[:3])}{' ...' if len(written) > 3 else ''} to {folder}")
    return {"outputs": written, "folder": str(folder)}
