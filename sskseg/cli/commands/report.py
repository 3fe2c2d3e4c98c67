"""``sskseg report``: an HTML page about a model and its predictions."""

from __future__ import annotations

import argparse
from typing import Any

from ...io import read_images, read_pairs
from ...io.units import unit_symbol
from ...report import html
from ._common import name_samples, new_folder, read_model, say, spatial_ndim, with_spacing


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Write the page."""
    if options.out.is_dir():
        raise ValueError(f"{options.out} is a folder: --out must be an HTML file.")
    new_folder(options.out.absolute().parent)
    model, y = read_model(options.model), None
    ndim = spatial_ndim(model)
    if options.labels is None:
        names, X = read_images(options.images, spatial_ndim=ndim)
    else:
        names, X, y = read_pairs(
            options.images, options.labels, spatial_ndim=ndim, background=options.background
        )
    name_samples(options, options.images, names)
    X = with_spacing(X, options.spacing, ndim)
    unit = unit_symbol(X.unit or "pixels")
    path = html(model, X, y, options.out, names=names, spacing=X.spacing, unit=unit)
    say(options, f"Wrote {path}")
    return {"report": str(path)}
